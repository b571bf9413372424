"""What a run says about itself: run.json, and the facts that report.html takes from it.

The document is a plain dict; all keys are optional, and more may be added:

    config            dict: the config as read (a "digest" of its meaning, a "name", …)
    inputs            list of {"file", "sha256", "n_rows"}
    n_rows, n_rejects int
    rejects_by_reason dict reason → count (also what was filtered or quarantined as duplicate)
    period            {"first_ms", "last_ms"}: of the events used, in ms since 1970 UTC
    counts            dict as Store.counts()
    seed, fdr, review numbers; review None unless the cut was by review capacity
    device            "cpu" or "cuda"
    model             dict or text: which model scored
    labels            dict or None: what labels were given
    versions          dict package → version
    stages            dict stage → {"seconds", "peak_mib"}
    warnings          list of str, for people
    not_enough_data   str or None: why no finding is possible

Seconds, memory and versions are kept out of report.html, so that the same run writes the same report.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphdet import __version__
from graphdet.files import write_json

SCHEMA = "graphdet.run/1"


def write_run_json(out: Path, info: Mapping[str, Any]) -> Path:
    """Write run.json: the keys of this module, sorted, after the schema and graphdet's version.

    Raises:
        GraphdetError: the file cannot be written.
    """
    document: dict[str, Any] = {"schema": SCHEMA, "graphdet": __version__}
    document.update((key, info[key]) for key in sorted(info) if key not in document)
    return write_json(out / "run.json", document)
