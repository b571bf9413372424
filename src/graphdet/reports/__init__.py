"""The output folder: CSV, HTML, JSON and GraphML."""
