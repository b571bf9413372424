"""How often findings were right, by verdict: per kind of finding, detector and sign.

Of what a detector spoke against, the share judged guilty among what was judged guilty or innocent, with Wilson's
interval at 95 %. Verdicts are no random sample of the findings: people look first at what looks worst.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from graphdet.casework.reasons import GUILTY, INNOCENT, UNSURE
from graphdet.casework.standing import Verdict
from graphdet.evaluation.proportion import wilson

COLUMNS = ("of", "detector", "n_guilty", "n_innocent", "n_unsure", "precision", "low", "high")
ALL = "all"


def precision_of(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Rows of COLUMNS: flagged rings and flagged users, all of them and by detector or sign, then what was not flagged.

    precision is None where nobody was judged guilty or innocent; `low` and `high` bound it.
    """
    count: dict[tuple[int, str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_VERDICTS, 0))
    for verdict in verdicts:
        flagged = bool(verdict.found.get("flagged"))
        of = f"{'flagged' if flagged else 'not flagged'} {verdict.kind}s"
        spoke = [str(name) for name in verdict.found.get("detectors") or ()]
        for detector in (ALL, *dict.fromkeys(spoke)):
            count[(0 if flagged else 1, of, detector)][verdict.verdict] += 1
    order = sorted(count, key=lambda key: (key[0], key[1], key[2] != ALL, key[2]))
    return [_row(of, detector, count[rank, of, detector]) for rank, of, detector in order]


_VERDICTS = (GUILTY, INNOCENT, UNSURE)


def _row(of: str, detector: str, n: dict[str, int]) -> dict[str, Any]:
    decided = n[GUILTY] + n[INNOCENT]
    low, high = wilson(n[GUILTY], decided)
    share = n[GUILTY] / decided if decided else None
    values = (of, detector, n[GUILTY], n[INNOCENT], n[UNSURE], share, low, high)
    return dict(zip(COLUMNS, values, strict=True))
