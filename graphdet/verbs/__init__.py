"""One file per verb of the command line: each composes the rooms below into one piece of work."""
