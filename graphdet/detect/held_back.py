"""Why rings are not flagged, rule by rule, and what people should know of those that nearly were.

Among them are groups that the networks trained on the log would flag alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphdet.casework.memory import Remembered
from graphdet.judge.examples import RING_LABEL
from graphdet.judge.model import RingJudge, judged_by
from graphdet.rings.blocks import Blocks
from graphdet.rings.evidence_table import INPUTS, judge_inputs
from graphdet.rings.find import LEAST_SCORE, Candidates, Judged, least_score
from graphdet.rings.finding import Reason, RingFinding
from graphdet.rings.membership import listed_rings
from graphdet.rings.rules import HeldBackBy, crowd_rules, rule_words
from graphdet.words import plural

MOST_RINGS_NAMED = 5  # rings in one line
NEAR_LEVEL_FACTOR = (
    2.0  # a group is nearly flagged when it would be flagged at this many times the level of the run
)


@dataclass(frozen=True)
class HeldBack:
    """The groups that the networks trained on the log would flag, but that the whole judge does not. Shapes: all [n].

    row: int64, the ring of Judged that is the same group, -1 where none is.

    strange: bool. True where the group is like no campaign that was planted into the log, so that the networks only
    guess. False where the second judge, which was trained on other logs but ranks the planted campaigns of this one
    nearly as well, is far from sure of the group.

    taken: float64, by how many nats the logit of the networks was lowered for that.

    strange_in: of each the evidence numbers in which it is unlike the planted campaigns, where that is known.
    """

    row: NDArray[np.int64]
    strange: NDArray[np.bool_]
    taken: NDArray[np.float64]
    strange_in: Sequence[Sequence[str]] = ()

    def rules(self) -> dict[int, Reason]:
        """What the judges say against each ring of Judged that they hold back, by its row."""
        names = self.strange_in or [()] * len(self.row)
        out = {}
        for row, strange, taken, of in zip(
            self.row.tolist(), self.strange.tolist(), self.taken.tolist(), names, strict=True
        ):
            code: HeldBackBy = "unlike_planted" if strange else "second_judge"
            more = {"strange_in": list(of)} if strange and of else {}
            out[row] = Reason(code, rule_words(code, more), taken, more=more)
        return out


def held_back(candidates: Candidates, judged: Judged, judge: RingJudge, fdr: float) -> HeldBack:
    """Judge the candidates again with the log's own networks alone, to find the groups that only they would flag."""
    if judge.known is None and judge.second is None:
        return HeldBack(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0))
    networks = replace(judge, known=None, second=None)
    would = judged_by(networks, candidates, fdr)
    flagged = np.flatnonzero(would.flagged)
    inputs = judge_inputs(would.evidence)[flagged]
    taken = would.logit[flagged] - judge.logits(inputs, would.fold[flagged])
    known = judge.known
    strange = np.zeros(len(flagged), bool) if known is None else known.strange(inputs)
    row = _same_group(would.blocks.take(flagged), judged.standing.blocks)
    held = (taken > 0) & ~((row >= 0) & judged.flagged[row])
    unlike = [] if known is None else known.strange_in(inputs[held])
    names = [[INPUTS[at] for at in its] for its in unlike]
    return HeldBack(row[held], strange[held], taken[held], names)


def _same_group(blocks: Blocks, others: Blocks) -> NDArray[np.int64]:
    """The block with the members most alike, int64[n]; -1 where the Jaccard index is below RING_LABEL."""
    if not len(others):
        return np.full(len(blocks), -1)
    shared = np.asarray((blocks.users @ others.users.T).todense(), np.float64)
    either = np.diff(blocks.users.indptr)[:, None] + np.diff(others.users.indptr)[None, :] - shared
    alike = shared / either
    return np.where(alike.max(axis=1) >= RING_LABEL, alike.argmax(axis=1), -1)


def with_rules(
    findings: Sequence[RingFinding], judged: Judged, held: HeldBack, fdr: float
) -> tuple[RingFinding, ...]:
    """Say of each listed ring that is not flagged which rules held it back (Explanation.held_back).

    findings: those of listed_rings(judged), in that order. What tells a group from a crowd comes first, then what a
    judge says against it, then the log's own tail and the levels. What a judge says against it has lowered its score
    already, so that then the levels are not held against it too.
    """
    doubts, crowds = held.rules(), crowd_rules(judged.evidence)
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
        rules += [doubts[row]] if row in doubts else _levels(judged, row, fdr)
        out.append(replace(finding, explanation=replace(finding.explanation, held_back=tuple(rules))))
    return tuple(out)


_SAID = {"crowd": ("sharpness",), "recurring": ("recurrence",), "chance": ("margin_touched_nats",)}


def _rule(code: HeldBackBy, numbers: Mapping[str, float]) -> Reason:
    return Reason(code, rule_words(code, numbers), numbers=numbers)


def _levels(judged: Judged, row: int, fdr: float) -> list[Reason]:
    """Which of the levels of a flag a ring does not reach."""
    score, p_value, q_value = (float(one[row]) for one in (judged.score, judged.p_value, judged.q_value))
    rules = []
    least = LEAST_SCORE if judged.by_tail else least_score(fdr)
    if not score >= least:
        rules.append(_rule("score", {"score": score, "least_score": least}))
    elif judged.by_tail and judged.apart[row]:
        rules.append(_rule("ordinary_tail", {"p_value": p_value}))
    if not judged.by_tail and not q_value <= fdr:
        rules.append(_rule("q_value", {"q_value": q_value, "fdr": fdr}))
    return rules


def with_doubts(known: Remembered, judged: Judged, held: HeldBack, fdr: float) -> Remembered:
    """Add notes on groups that are nearly flagged, and on those that a judge holds back."""
    listed = listed_rings(judged).tolist()
    ids = {row: finding.ring_id for row, finding in zip(listed, known.findings, strict=False)}
    notes = [
        *_nearly_flagged(ids, known, judged, fdr),
        *_held_back_notes(ids, held),
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
    return [
        f"{_groups(near.tolist(), ids)} would be flagged at --fdr {np.ceil(100 * level) / 100:.2g}, and up to one flag "
        f"in {1 / level:.0f} may then be false."
    ]


def _held_back_notes(ids: Mapping[int, str], held: HeldBack) -> list[str]:
    notes = []
    strange, doubted = held.row[held.strange].tolist(), held.row[~held.strange].tolist()
    if strange:
        be, them = ("is", "it") if len(strange) == 1 else ("are", "them")
        notes.append(
            f"{_groups(strange, ids)} would be flagged, but {be} like no campaign that was planted into this log for "
            f"the judge to learn from, so it has no opinion: read {them} before you trust or dismiss {them}."
        )
    if doubted:
        them = "it" if len(doubted) == 1 else "them"
        notes.append(
            f"{_groups(doubted, ids)} would be flagged by what was learned from this log alone, but the judge of other "
            f"logs doubts {them}: leads to look at, not findings."
        )
    return notes


def _overruled(n_groups: int) -> list[str]:
    """A note on the groups that the judge would flag but the log's own tail does not let it (see Judged.overruled)."""
    if not n_groups:
        return []
    return [
        f"{plural(n_groups, 'group')} would be flagged by score alone, but too many ordinary groups of this log look "
        f"nearly as strong."
    ]
