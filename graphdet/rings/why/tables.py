"""Judged rings as the tables of the contract."""

import json

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet import schema
from graphdet.arrays import Float
from graphdet.evaluation.rounding import six
from graphdet.rings.blocks import block_acts
from graphdet.rings.find import Judge, Judged
from graphdet.rings.membership import listed_rings, member_strength, ring_ids
from graphdet.rings.organic import Organic
from graphdet.rings.why.explain import RingExplanation, explain_rings
from graphdet.tables import GraphArrays, RingTables, typed_table
from graphdet.words import iso


def tabulate(judged: Judged, model: Organic, graph: GraphArrays, judge: Judge | None = None) -> RingTables:
    """Write judged rings as tables: those `listed`, strongest first, each explained (see explain.py).

    The evidence of a ring is a JSON object of its numbers and of the ranked `reasons`, `counter_evidence`,
    `member_reasons` (per user id) and `would_change`, the last only with the judge.
    """
    rows = listed_rings(judged)
    explained = explain_rings(judged, rows.tolist(), model, graph, judge)
    names = dict(zip(rows.tolist(), ring_ids(len(rows)), strict=True))
    acts = block_acts(judged.blocks, model)
    ends = np.searchsorted(acts.block, np.arange(len(judged.blocks) + 1))
    strength = member_strength(judged, model)
    rings: dict[str, list[object]] = {name: [] for name in (*schema.RING_COLUMNS, schema.RING_EVIDENCE)}
    members: dict[str, list[object]] = {"ring_id": [], "user_id": [], "score": []}
    items: dict[str, list[object]] = {"ring_id": [], "item_id": [], "n_users": [], "lift": []}
    for ring, why in zip(rows.tolist(), explained, strict=True):
        at_ms = model.acts.at_ms[acts.act[ends[ring] : ends[ring + 1]]]
        evidence = {name: six(values[ring]) for name, values in judged.evidence.items()}
        first, last = int(at_ms.min()), int(at_ms.max())
        for name, value in (
            ("ring_id", names[ring]),
            ("n_users", int(evidence["n_users"])),
            ("n_items", int(evidence["n_items"])),
            ("score", six(judged.score[ring])),
            ("p_value", six(judged.p_value[ring])),
            ("q_value", six(judged.q_value[ring])),
            ("flagged", bool(judged.flagged[ring])),
            ("first_seen", iso(first)),
            ("last_seen", iso(last)),
            ("reason", why.sentence),
            ("evidence", _document(evidence, why, judged.blocks.members(ring), graph)),
        ):
            rings[name].append(value)
        _add_members(members, names[ring], judged, strength, ring, graph)
        _add_items(items, names[ring], judged, model, acts.act[ends[ring] : ends[ring + 1]], ring, graph)
    return RingTables(
        typed_table(rings, _RING_TYPES), typed_table(members, _MEMBER_TYPES), typed_table(items, _ITEM_TYPES)
    )


def _document(
    evidence: dict[str, float], why: RingExplanation, members: NDArray[np.int32], graph: GraphArrays
) -> str:
    ids = [graph.user_ids[int(member)].as_py() for member in members]
    return json.dumps({**evidence, **why.plain(ids)})


def told_of_members(tables: RingTables, most: int = 2) -> dict[tuple[str, str], list[str]]:
    """What each member did in its ring, in words: (ring_id, user_id) → its targets, then what is strongest."""
    out: dict[tuple[str, str], list[str]] = {}
    for ring_id, text in zip(
        tables.rings["ring_id"].to_pylist(), tables.rings["evidence"].to_pylist(), strict=True
    ):
        for user_id, reasons in json.loads(text)["member_reasons"].items():
            first = [reason["text"] for reason in reasons if reason["code"] == "shared_targets"]
            others = [
                reason["text"] for reason in reasons if reason["code"] not in ("shared_targets", "membership")
            ]
            out[ring_id, user_id] = [*first, *others][:most]
    return out


_S, _F, _I, _B = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_RING_TYPES = (_S, _I, _I, _F, _F, _F, _B, _S, _S, _S, _S)
_MEMBER_TYPES = (_S, _S, _F)
_ITEM_TYPES = (_S, _S, _I, _F)


def _add_members(
    out: dict[str, list[object]], name: str, judged: Judged, strength: Float, ring: int, graph: GraphArrays
) -> None:
    """Append the members of a ring, surest first."""
    users = judged.blocks.users
    span = slice(users.indptr[ring], users.indptr[ring + 1])
    order = np.lexsort((users.indices[span], -strength[span].round(9)))
    for place in order:
        out["ring_id"].append(name)
        out["user_id"].append(graph.user_ids[int(users.indices[span][place])].as_py())
        out["score"].append(six(strength[span][place]))


def _add_items(
    out: dict[str, list[object]],
    name: str,
    judged: Judged,
    model: Organic,
    acts: NDArray[np.int64],
    ring: int,
    graph: GraphArrays,
) -> None:
    """Append the targets of a ring, most visited by members first; lift is over the organic model."""
    targets = judged.blocks.targets(ring)
    count = np.bincount(np.searchsorted(targets, model.acts.item_ix[acts]), minlength=len(targets))
    activity = np.asarray(judged.blocks.users[ring] @ model.user_slices, np.float64).ravel()
    expected = np.maximum(model.item_slices[targets].astype(np.float64) @ activity, 1e-9)
    for place in np.lexsort((targets, -count)):
        out["ring_id"].append(name)
        out["item_id"].append(graph.item_ids[int(targets[place])].as_py())
        out["n_users"].append(int(count[place]))
        out["lift"].append(six(count[place] / expected[place]))
