"""Groups that are nearly flagged, or would be by the log's own judge alone: what people should know of them."""

import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphdet import schema
from graphdet.casework.memory import Remembered
from graphdet.judge.examples import RING_LABEL
from graphdet.judge.model import RingJudge, judged_by
from graphdet.rings.blocks import Blocks
from graphdet.rings.evidence_table import judge_inputs
from graphdet.rings.find import Candidates, Judged
from graphdet.rings.membership import listed_rings
from graphdet.rings.why.member_reasons import as_reason
from graphdet.rings.why.reasons import ring_words
from graphdet.tables import RingTables
from graphdet.words import plural

MOST_RINGS_NAMED = 5  # rings in one line
NEAR_LEVEL_FACTOR = 2.0  # times the level: who is flagged at so much is told of


@dataclass(frozen=True)
class HeldBack:
    """Groups that the networks trained on the log would flag if nobody else were asked. Shapes: all [n].

    row: int64, the ring of Judged that the group is, −1 where none is; strange: it is like no campaign planted into the
    log, else the judge of other logs, who knows this one, is far from sure of it; taken: float64, nats by which it was
    lowered.
    """

    row: NDArray[np.int64]
    strange: NDArray[np.bool_]
    taken: NDArray[np.float64]


def held_back(candidates: Candidates, judged: Judged, judge: RingJudge, fdr: float) -> HeldBack:
    """Ask the log's own networks alone, and compare."""
    if judge.known is None and judge.second is None:
        return HeldBack(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0))
    networks = replace(judge, known=None, second=None)
    would = judged_by(networks, candidates, fdr)
    flagged = np.flatnonzero(would.flagged)
    inputs = judge_inputs(would.evidence)[flagged]
    taken = would.logit[flagged] - judge.logits(inputs, would.fold[flagged])
    strange = np.zeros(len(flagged), bool) if judge.known is None else judge.known.strange(inputs)
    row = _same_group(would.blocks.take(flagged), judged.blocks)
    held = (taken > 0) & ~((row >= 0) & judged.flagged[row])
    return HeldBack(row[held], strange[held], taken[held])


def _same_group(blocks: Blocks, others: Blocks) -> NDArray[np.int64]:
    """The other block that has most members in common with each, int64[n]; −1 where they are not half of both."""
    if not len(others):
        return np.full(len(blocks), -1)
    shared = np.asarray((blocks.users @ others.users.T).todense(), np.float64)
    either = np.diff(blocks.users.indptr)[:, None] + np.diff(others.users.indptr)[None, :] - shared
    alike = shared / either
    return np.where(alike.max(axis=1) >= RING_LABEL, alike.argmax(axis=1), -1)


def with_counter_evidence(tables: RingTables, judged: Judged, held: HeldBack) -> RingTables:
    """Say in the counter-evidence of each ring that is listed why it was held back."""
    place = {row: at for at, row in enumerate(listed_rings(judged).tolist())}
    evidence = tables.rings[schema.RING_EVIDENCE].to_pylist()
    for row, strange, taken in zip(
        held.row.tolist(), held.strange.tolist(), held.taken.tolist(), strict=True
    ):
        if row in place:
            code = "unlike_planted" if strange else "second_judge"
            document = json.loads(evidence[place[row]])
            reason = as_reason(code, taken, {}, ring_words(code, {}))
            document["counter_evidence"] = [reason, *document["counter_evidence"]]
            evidence[place[row]] = json.dumps(document)
    return tables.with_evidence(evidence)


def with_doubts(known: Remembered, judged: Judged, held: HeldBack, fdr: float) -> Remembered:
    """Add what people should know of groups that a judge nearly flags, or would if it knew them better."""
    ids = dict(zip(listed_rings(judged).tolist(), known.rings.rings["ring_id"].to_pylist(), strict=True))

    def would(rows: NDArray[np.int64]) -> tuple[str, str, str]:
        """How many would be flagged, with the ids of those that are listed; the verb and the pronoun that go on."""
        names = [ids[row] for row in rows.tolist() if row in ids]
        more = " …" if len(names) > MOST_RINGS_NAMED else ""
        which = f" ({', '.join(names[:MOST_RINGS_NAMED])}{more})" if names else ""
        return f"{plural(len(rows), 'group')}{which} would be flagged", *(
            ("is", "it") if len(rows) == 1 else ("are", "them")
        )

    said = []
    loud = np.array([ids.get(row) not in known.quiet for row in range(len(judged.level))], bool)
    near = np.flatnonzero(~judged.flagged & (judged.level <= NEAR_LEVEL_FACTOR * fdr) & loud)
    if len(near):
        groups, _, _ = would(near)
        level = float(judged.level[near].max())
        said.append(
            f"{groups} at --fdr {np.ceil(100 * level) / 100:.2g}, and up to one flag in {1 / level:.0f} may then be "
            f"false."
        )
    if held.strange.any():
        groups, be, them = would(held.row[held.strange])
        said.append(
            f"{groups}, but {be} like no campaign that was planted into this log for the judge to learn from, so it "
            f"has no opinion: read {them} before you trust or dismiss {them}."
        )
    if not held.strange.all():
        groups, _, them = would(held.row[~held.strange])
        said.append(
            f"{groups} by what was learned from this log alone, but the judge of other logs doubts {them}: leads to "
            f"look at, not findings."
        )
    if judged.overruled:
        said.append(
            f"{plural(judged.overruled, 'group')} would be flagged, but this judge was not trained on this log, and "
            f"too many ordinary groups look nearly as strong to it: graphdet train --model DIR, then graphdet rings "
            f"--model DIR."
        )
    return replace(known, said=(*known.said, *said))
