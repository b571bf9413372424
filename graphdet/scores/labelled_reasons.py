"""One sentence per item, session or event: what moved its score most, with its number and the typical one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.scores.labelled import LabelledScores

N_EXPLAINED = 1_000  # of the most suspicious; a flagged row always is
N_REASONS = 3
LEAST_EFFECT = 0.1  # logits
PLAIN = "nothing stands out"
_SPANS = {"1h": "in the hour before", "1d": "in the day before", "7d": "in the week before"}


def labelled_reasons(found: LabelledScores, names: Sequence[str], flagged: NDArray[np.bool_]) -> list[str]:
    """Say what moved each flagged or most suspicious row; "nothing stands out" for the others.

    A feature's effect is what the logit loses when that feature alone is made typical (the median of clean
    labelled rows).

    Shapes: names[d]; flagged bool[n]; returns n sentences.
    """
    out = [PLAIN] * len(found.logit)
    top = np.lexsort((np.arange(len(found.logit)), -found.logit))[:N_EXPLAINED]
    rows = np.union1d(np.flatnonzero(flagged), top).astype(np.int64)
    effects = found.effects(rows)
    for place, row in enumerate(rows.tolist()):
        order = np.argsort(-effects[place], kind="stable")[:N_REASONS]
        said = [
            _said(names[j], found.x[row, j], found.typical[j])
            for j in order
            if effects[place, j] >= LEAST_EFFECT
        ]
        if said:
            out[row] = _sentence(said)
        elif flagged[row]:
            out[row] = _sentence(
                [
                    "many small signs, none by itself",
                    _said(names[order[0]], found.x[row, order[0]], found.typical[order[0]]),
                ]
            )
    return out


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _said(name: str, value: float, typical: float) -> str:
    return f"{words(name)} {_shown(name, value)} (typically {_shown(name, typical)})"


def words(name: str) -> str:
    """A feature's name for people.

    >>> words("user_events_1h"), words("item_gap_s"), words("location seen with user")
    ('user events in the hour before', 'item gap', 'location seen with user')
    """
    stem, _, end = name.rpartition("_")
    if end in _SPANS:
        return f"{stem.replace('_', ' ')} {_SPANS[end]}"
    return (stem if end == "s" else name).replace("_", " ")


def _shown(name: str, value: float) -> str:
    """A number with its unit.

    >>> _shown("item_gap_s", 7200.0), _shown("amount", 12.3456), _shown("pair_gap_s", float("nan"))
    ('2 h', '12.35', 'none')
    """
    if not np.isfinite(value):
        return "none"
    if not name.endswith("_s"):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"
