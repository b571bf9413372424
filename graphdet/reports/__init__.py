"""The output folder: CSV, HTML, PDF, JSON, GraphML and GEXF."""
