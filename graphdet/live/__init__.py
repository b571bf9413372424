"""Live: a log that grows, followed from event to alert (see `watching`, which is the port)."""
