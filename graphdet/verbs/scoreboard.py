"""graphdet scoreboard: the findings of a store held against a known truth."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from graphdet.errors import InputError
from graphdet.lab.scoreboard import Scoreboard, scoreboard
from graphdet.ports import FindingsStore

TRUTH_COLUMNS = ("user_id", "campaign_id", "kind")


def score_against(store: FindingsStore, truth: Path) -> Scoreboard:
    """Hold the flagged rings and users of a store against a truth.csv as `graphdet simulate` writes it.

    Raises:
        InputError: the file cannot be read or lacks a column, or it is about another log.
    """
    campaigns = _campaigns(truth)
    scores, rings = store.scores(), store.rings()
    kept = set(rings.rings.filter(rings.rings["flagged"])["ring_id"].to_pylist())
    members: dict[str, set[str]] = {ring_id: set() for ring_id in kept}
    for ring_id, user_id in zip(
        rings.members["ring_id"].to_pylist(), rings.members["user_id"].to_pylist(), strict=True
    ):
        if ring_id in kept:
            members[ring_id].add(user_id)
    known = set(scores["user_id"].to_pylist())
    flagged = set(scores.filter(scores["flagged"])["user_id"].to_pylist())
    return scoreboard(campaigns, members, flagged, known)


def _campaigns(path: Path) -> dict[str, tuple[str, set[str]]]:
    """The campaigns of a truth.csv in the order of their numbers: campaign_id → kind and accounts."""
    texts = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(TRUTH_COLUMNS, pa.string()), strings_can_be_null=False
    )
    try:
        table = pa_csv.read_csv(path, convert_options=texts)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: the truth cannot be read ({error})") from error
    lacking = [name for name in TRUTH_COLUMNS if name not in table.column_names]
    if lacking:
        raise InputError(
            f"{path}: a truth has the columns {', '.join(TRUTH_COLUMNS)}, one row an account; {lacking[0]} is missing"
        )
    found: dict[str, tuple[str, set[str]]] = {}
    for row in table.select(TRUTH_COLUMNS).to_pylist():
        found.setdefault(row["campaign_id"], (row["kind"], set()))[1].add(row["user_id"])
    return dict(sorted(found.items(), key=lambda pair: (len(pair[0]), pair[0])))
