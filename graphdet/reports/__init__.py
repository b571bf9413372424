"""The output folder: CSV, HTML, PDF, JSON, GraphML and GEXF.

The writers are imported when first asked for: the command line uses the words of this package for its
messages, and a wrong option must not wait for Arrow and the templates.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphdet.reports.csv_tables import write_csv, write_tables
    from graphdet.reports.report_page import overview
    from graphdet.reports.ring_files import remove_old, write_rings
    from graphdet.reports.run_facts import write_run_json

_HOMES = {
    "overview": "report_page",
    "remove_old": "ring_files",
    "write_csv": "csv_tables",
    "write_rings": "ring_files",
    "write_run_json": "run_facts",
    "write_tables": "csv_tables",
}
__all__ = ["overview", "remove_old", "write_csv", "write_rings", "write_run_json", "write_tables"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
