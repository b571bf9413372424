"""The output folder: CSV, HTML, JSON and GraphML."""

from graphdet.reports.csv_tables import write_csv, write_tables
from graphdet.reports.overview import overview
from graphdet.reports.ring_page import ring_pages
from graphdet.reports.run_info import write_run_json

__all__ = ["overview", "ring_pages", "write_csv", "write_run_json", "write_tables"]
