"""Whole-log features and co-action pairs, as Narwhals expressions."""
