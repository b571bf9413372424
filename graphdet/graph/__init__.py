"""Encoding the log as arrays."""
