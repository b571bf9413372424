"""Found rings and user scores against the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.rings.planted import Truth

MATCH = 0.5  # Jaccard index from which a ring is the campaign
DETECTABLE = 50.0  # nats
NOMINAL = (
    0.01,
    0.05,
    0.1,
    0.2,
    0.3,
    0.5,
)  # false discovery rates at which what is promised is held against what is


@dataclass(frozen=True)
class Found:
    """What a method says: rings (rows of users), strongest first, the first n_flagged of them flagged (None: the
    method has no threshold of its own), one score per user, per ring the lowest false discovery rate at which it would
    be flagged (None: the method promises none), and the users flagged, bool[n_users] (None: it names none but rings).
    """

    rings: list[NDArray[np.int64]]
    n_flagged: int | None
    user_score: NDArray[np.float64]
    flagged_from: NDArray[np.float64] | None = None
    user_flagged: NDArray[np.bool_] | None = None


def matches(rings: list[NDArray[np.int64]], truth: Truth) -> NDArray[np.int64]:
    """The campaign that each ring is, int64[n_rings], −1 for none."""
    size = np.bincount(truth.campaign_of_user[truth.campaign_of_user >= 0], minlength=len(truth.levels))
    out = np.full(len(rings), -1)
    for place, ring in enumerate(rings):
        inside = truth.campaign_of_user[ring]
        count = np.bincount(inside[inside >= 0], minlength=len(size))
        jaccard = count / (len(ring) + size - count)
        if len(size) and jaccard.max() >= MATCH:
            out[place] = jaccard.argmax()
    return out


def accused(rings: list[NDArray[np.int64]], truth: Truth) -> list[str]:
    """The kinds of the groups of hard innocents that have a ring mostly made of them, sorted."""
    hit: set[int] = set()
    for ring in rings:
        inside = truth.innocent_of_user[ring]
        inside = inside[inside >= 0]
        if len(inside) * 2 >= len(ring):
            hit.add(int(np.bincount(inside).argmax()))
    return sorted(truth.innocents[group] for group in hit)


def figures(found: Found, truth: Truth) -> dict[str, object]:
    """All figures of one method on one planted log.

    A method without a threshold is cut where its F1 is best, by looking at the truth: what it could reach at most.
    """
    match = matches(found.rings, truth)
    n = found.n_flagged if found.n_flagged is not None else _best_cut(match, len(truth.levels))
    right = np.unique(match[:n][match[:n] >= 0])
    n_right = int((match[:n] >= 0).sum())
    precision = n_right / n if n else None
    recall = len(right) / len(truth.levels)
    strict = _largest_clean(match)
    at_five = np.unique(match[:strict][match[:strict] >= 0])
    any_place = np.unique(match[match >= 0])
    innocents = accused(found.rings[:n], truth)
    out: dict[str, object] = {
        "flagged": n,
        "right": n_right,
        "precision": precision,
        "recall": recall,
        "f1": f1(n_right, n, len(right), len(truth.levels)),
        "innocents": len(truth.innocents),
        "innocents_accused": len(innocents),
        "accused": innocents,
        "user_auprc": float(average_precision_score(truth.campaign_of_user >= 0, found.user_score)),
    }
    if found.user_flagged is not None:
        guilty = truth.campaign_of_user >= 0
        out |= {
            "users_planted": int(guilty.sum()),
            "users_flagged": int(found.user_flagged.sum()),
            "users_right": int((found.user_flagged & guilty).sum()),
        }
    if found.flagged_from is not None:
        out["calibration"] = _calibration(match, found.flagged_from)
    for name in sorted(set(truth.levels)):
        rows = [row for row, its in enumerate(truth.levels) if its == name]
        detectable = [row for row in rows if truth.margins[row] >= DETECTABLE]
        out[name] = {
            "planted": len(rows),
            "found": int(np.isin(rows, right).sum()),
            "found_at_5_percent": int(np.isin(rows, at_five).sum()),
            "in_any_ring": int(np.isin(rows, any_place).sum()),
            "detectable": len(detectable),
            "detectable_found": int(np.isin(detectable, right).sum()),
        }
    return out


def _calibration(match: NDArray[np.int64], flagged_from: NDArray[np.float64]) -> dict[str, list[int]]:
    """Rings flagged at each nominal false discovery rate, and how many of them are campaigns."""
    at = {level: flagged_from <= level for level in NOMINAL}
    return {
        str(level): [int(flagged.sum()), int((match[flagged] >= 0).sum())] for level, flagged in at.items()
    }


def f1(n_right: int, n_flagged: int, n_found: int, n_planted: int) -> float:
    """Harmonic mean of ring precision and campaign recall."""
    precision, recall = n_right / max(n_flagged, 1), n_found / max(n_planted, 1)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _best_cut(match: NDArray[np.int64], n_planted: int) -> int:
    best, best_n = -1.0, 0
    for n in range(1, len(match) + 1):
        right = match[:n][match[:n] >= 0]
        reached = f1(len(right), n, len(np.unique(right)), n_planted)
        if reached > best:
            best, best_n = reached, n
    return best_n


def _largest_clean(match: NDArray[np.int64]) -> int:
    """The longest list of strongest rings of which at most 5 % are false."""
    false = np.cumsum(match < 0)
    clean = np.flatnonzero(false <= 0.05 * np.arange(1, len(match) + 1))
    return int(clean.max(initial=-1)) + 1
