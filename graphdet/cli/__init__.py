"""The typer commands: thin, with heavy imports inside each command body."""
