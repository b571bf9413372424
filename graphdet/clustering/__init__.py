"""Clustering on arrays."""
