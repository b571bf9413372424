"""Why rings are not flagged, rule by rule, and what people should know of those that nearly were."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from graphdet.casework.memory import Remembered
from graphdet.rings.find import LEAST_SCORE, Judged, least_score
from graphdet.rings.finding import Reason, RingFinding
from graphdet.rings.membership import listed_rings
from graphdet.rings.rules import HeldBackBy, crowd_rules, rule_words
from graphdet.words import plural

MOST_RINGS_NAMED = 5  # rings in one line
NEAR_LEVEL_FACTOR = (
    2.0  # a group is nearly flagged when it would be flagged at this many times the level of the run
)


def with_rules(findings: Sequence[RingFinding], judged: Judged, fdr: float) -> tuple[RingFinding, ...]:
    """Say of each listed ring that is not flagged which rules held it back (Explanation.held_back).

    findings: those of listed_rings(judged), in that order. What tells a group from a crowd comes first, then the log's
    own tail and the levels.
    """
    crowds = crowd_rules(judged.evidence)
    out = []
    for row, finding in zip(listed_rings(judged).tolist(), findings, strict=True):
        if judged.flagged[row]:
            out.append(finding)
            continue
        numbers = {name: float(values[row]) for name, values in judged.evidence.items()}
        rules = [
            _rule(code, {name: numbers[name] for name in _SAID[code]})
            for code, broken in crowds.items()
            if broken[row]
        ]
        rules += _levels(judged, row, fdr)
        out.append(replace(finding, explanation=replace(finding.explanation, held_back=tuple(rules))))
    return tuple(out)


_SAID = {"crowd": ("sharpness",), "recurring": ("recurrence",), "chance": ("margin_touched_nats",)}


def _rule(code: HeldBackBy, numbers: Mapping[str, float]) -> Reason:
    return Reason(code, rule_words(code, numbers), numbers=numbers)


def _levels(judged: Judged, row: int, fdr: float) -> list[Reason]:
    """Which of the levels of a flag a ring does not reach."""
    score, p_value, q_value = (float(one[row]) for one in (judged.score, judged.p_value, judged.q_value))
    rules = []
    if judged.made_by_chance[row]:
        rules.append(_rule("shuffled", {}))
    least = LEAST_SCORE if judged.by_tail else least_score(fdr)
    if not score >= least:
        rules.append(_rule("score", {"score": score, "least_score": least}))
    elif judged.by_tail and judged.apart[row]:
        rules.append(_rule("ordinary_tail", {"p_value": p_value}))
    if not judged.by_tail and not q_value <= fdr:
        rules.append(_rule("q_value", {"q_value": q_value, "fdr": fdr}))
    return rules


def with_doubts(known: Remembered, judged: Judged, fdr: float) -> Remembered:
    """Add notes on groups that are nearly flagged, and on those that the log's own tail holds back."""
    listed = listed_rings(judged).tolist()
    ids = {row: finding.ring_id for row, finding in zip(listed, known.findings, strict=False)}
    notes = [
        *_nearly_flagged(ids, known, judged, fdr),
        *_overruled(judged.overruled),
    ]
    return replace(known, notes=(*known.notes, *notes))


def _groups(rows: Iterable[int], ids: Mapping[int, str]) -> str:
    """How many groups these rows are, with the ids of those that are listed.

    >>> _groups([0, 1, 7], {0: "R0001", 1: "R0004"}), _groups([7], {})
    ('3 groups (R0001, R0004)', '1 group')
    """
    rows = list(rows)
    names = [ids[row] for row in rows if row in ids]
    more = " …" if len(names) > MOST_RINGS_NAMED else ""
    which = f" ({', '.join(names[:MOST_RINGS_NAMED])}{more})" if names else ""
    return f"{plural(len(rows), 'group')}{which}"


def _nearly_flagged(ids: Mapping[int, str], known: Remembered, judged: Judged, fdr: float) -> list[str]:
    """A note on the groups that a run at up to NEAR_LEVEL_FACTOR times the level would flag, but for quiet ones."""
    quiet = np.array([ids.get(row) in known.quiet for row in range(len(judged.level))], bool)
    near = np.flatnonzero(~judged.flagged & (judged.level <= NEAR_LEVEL_FACTOR * fdr) & ~quiet)
    if not len(near):
        return []
    level = float(judged.level[near].max())
    held = (
        sorted({rule.text for row in near for rule in _levels(judged, int(row), fdr)})
        if len(near) == 1
        else []
    )
    why = f" Now it is not: {' '.join(held)[0].lower()}{' '.join(held)[1:]}" if held else ""
    return [
        f"{_groups(near.tolist(), ids)} would be flagged at --fdr {np.ceil(100 * level) / 100:.2g}, and up to one flag "
        f"in {1 / level:.0f} may then be false.{why}"
    ]


def _overruled(n_groups: int) -> list[str]:
    """A note on the groups that the judge would flag but the log's own tail does not let it (see Judged.overruled)."""
    if not n_groups:
        return []
    return [
        f"{plural(n_groups, 'group')} would be flagged by score alone, but too many ordinary groups of this log look "
        f"nearly as strong."
    ]
