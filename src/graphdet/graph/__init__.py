"""Encoding the log as arrays and cutting subgraphs."""
