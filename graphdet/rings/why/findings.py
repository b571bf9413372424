"""Judged rings as findings, each explained."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphdet import schema
from graphdet.arrays import Float
from graphdet.evaluation.rounding import six
from graphdet.rings.blocks import BlockActs, Blocks, block_acts, membership, outside_appeal
from graphdet.rings.find import Judge, Judged
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingItem, RingMember
from graphdet.rings.membership import listed_rings, member_roles, member_strength, ring_ids
from graphdet.rings.organic import Organic
from graphdet.rings.why.explain import explain_rings, summary_sentence
from graphdet.rings.why.reasons import member_words
from graphdet.tables import GraphArrays
from graphdet.words import iso

# What a member shares with the others comes first in its reason, and how sure its membership is is left out of it.
_FIRST_CODE, _LEFT_OUT = "shared_targets", "membership"


def ring_findings(
    judged: Judged, model: Organic, graph: GraphArrays, judge: Judge | None = None
) -> tuple[RingFinding, ...]:
    """The judged rings that are listed, strongest first, each explained (see explain.py).

    With the judge, the explanation of a flagged ring also says what would change the verdict. Their ids are provisional
    (R0001 …); casework.memory gives those that were found before the ids they had.
    """
    rows = listed_rings(judged)
    explained = explain_rings(judged, rows.tolist(), model, graph, judge)
    acts = block_acts(judged.blocks, model)
    ends = np.searchsorted(acts.block, np.arange(len(judged.blocks) + 1))
    strength, roles = member_strength(judged, model), member_roles(judged, model)
    findings = []
    for ring, ring_id, explanation in zip(rows.tolist(), ring_ids(len(rows)), explained, strict=True):
        its_acts = acts.act[ends[ring] : ends[ring + 1]]
        at_ms = model.acts.at_ms[its_acts]
        known = {name: values[ring] for name, values in judged.evidence.items() if np.isfinite(values[ring])}
        numbers = {name: six(value) for name, value in known.items()}
        explanation = replace(explanation, numbers=numbers)
        findings.append(
            RingFinding(
                ring_id=ring_id,
                n_users=int(numbers["n_users"]),
                n_items=int(numbers["n_items"]),
                score=six(judged.score[ring]),
                p_value=six(judged.p_value[ring]),
                q_value=six(judged.q_value[ring]),
                flagged=bool(judged.flagged[ring]),
                first_seen=iso(int(at_ms.min())) if graph.timed else None,
                last_seen=iso(int(at_ms.max())) if graph.timed else None,
                reason=summary_sentence(explanation),
                explanation=_with_roles(explanation, judged, roles, ring, graph),
                members=_members(judged, strength, ring, graph),
                items=_items(judged, model, its_acts, ring, graph),
            )
        )
    return tuple(findings)


def _with_roles(
    explanation: Explanation, judged: Judged, roles: NDArray[np.str_], ring: int, graph: GraphArrays
) -> Explanation:
    """Say of each member, as its last reason, what part it has in the ring."""
    users = judged.blocks.users
    span = slice(users.indptr[ring], users.indptr[ring + 1])
    told = {}
    for row, role in zip(users.indices[span].tolist(), roles[span].tolist(), strict=True):
        user_id = graph.user_ids[row].as_py()
        *others, last = explanation.member_reasons[user_id]
        if last.code != _LEFT_OUT:  # a ring too large to be weighed without each of its members
            others, last = [*others, last], Reason(_LEFT_OUT, "")
        numbers = {**last.numbers, schema.ROLE: role}
        told[user_id] = (*others, replace(last, text=member_words(_LEFT_OUT, numbers), numbers=numbers))
    return replace(explanation, member_reasons=told)


def _members(judged: Judged, strength: Float, ring: int, graph: GraphArrays) -> tuple[RingMember, ...]:
    """The members of a ring, the surest first."""
    users = judged.blocks.users
    span = slice(users.indptr[ring], users.indptr[ring + 1])
    row, sure = users.indices[span], strength[span]
    return tuple(
        RingMember(graph.user_ids[int(row[place])].as_py(), six(sure[place]))
        for place in np.lexsort((row, -sure.round(9)))
    )


def _items(
    judged: Judged, model: Organic, acts: NDArray[np.int64], ring: int, graph: GraphArrays
) -> tuple[RingItem, ...]:
    """The targets of a ring, those of most members first; the lift is over what others do (see outside_appeal)."""
    targets = judged.blocks.targets(ring).astype(np.int64)
    column = np.searchsorted(targets, model.acts.item_ix[acts])
    count = np.bincount(column, minlength=len(targets))
    members = judged.blocks.users[np.full(len(targets), ring)]
    apart = Blocks(members, membership([targets[[place]] for place in range(len(targets))], model.n_items))
    order = np.lexsort((acts, column))
    mine = BlockActs(column[order].astype(np.int64), acts[order])
    appeal = outside_appeal(apart, model, mine, left_in=1 / np.maximum(count, 1))
    activity = np.asarray(judged.blocks.users[ring] @ model.user_slices, np.float64).ravel()
    expected = np.maximum(appeal @ activity, 1e-9)
    return tuple(
        RingItem(
            graph.item_ids[int(targets[place])].as_py(),
            int(count[place]),
            six(count[place] / expected[place]),
        )
        for place in np.lexsort((targets, -count))
    )


def member_texts(findings: Iterable[RingFinding], most: int = 2) -> dict[tuple[str, str], list[str]]:
    """What each member did in its ring, in words: by (ring_id, user_id) the texts of its reasons, at most `most`.

    The targets that it shares come first, then its strongest other reasons.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        for user_id, reasons in finding.explanation.member_reasons.items():
            first = [reason.text for reason in reasons if reason.code == _FIRST_CODE]
            others = [reason.text for reason in reasons if reason.code not in (_FIRST_CODE, _LEFT_OUT)]
            texts[finding.ring_id, user_id] = [*first, *others][:most]
    return texts
