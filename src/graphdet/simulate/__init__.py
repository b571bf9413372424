"""Organic logs and planted campaigns."""
