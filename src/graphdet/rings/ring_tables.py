"""Judged rings as the tables of the contract."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet import schema
from graphdet.rings.blocks import block_acts, entry_rows, outside_appeal
from graphdet.rings.explain import Explanation, explain_rings
from graphdet.rings.find import Judge, Judged
from graphdet.rings.moment import moments, visitors
from graphdet.rings.organic import Float, Organic, dot_of_rows, surprise
from graphdet.tables import GraphArrays, RingTables

WORTH_A_LOOK = 0.05  # rings that are not flagged are listed up to this p-value


def iso(at_ms: int) -> str:
    """Write a time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def member_strength(judged: Judged, model: Organic) -> Float:
    """How sure each membership is, float64[nnz of judged.blocks.users], in [0, 1].

    ring score × (1 − e^−g), with g the nats by which the member's own acts on the targets beat the organic
    model and the cost of naming the member; in the ring's moment, where it has one and that says more.
    """
    users = judged.blocks.users
    at = entry_rows(users)
    acts = block_acts(judged.blocks, model)
    want = at * np.int64(model.n_users) + users.indices
    n_targets = _looked_up(acts.block * model.n_users + model.acts.user_ix[acts.act], None, want)
    appeal = outside_appeal(judged.blocks, model, acts)
    expected = dot_of_rows(appeal, at, model.user_slices, users.indices)
    gain = surprise(n_targets, expected) - np.log(max(model.n_users / 10, 2))
    when = moments(judged.blocks, acts, model)
    found = visitors(judged.blocks, when, model)
    in_moment = surprise(found.count, found.expected) - when.user_cost(model.n_users)[found.block]
    key = when.row[found.block] * model.n_users + found.user
    gain = np.maximum(np.maximum(gain, _looked_up(key, in_moment, want)), 0.0)
    return np.asarray(judged.score[at] * (1 - np.exp(-gain)))


def _looked_up(key: NDArray[np.int64], value: Float | None, want: NDArray[np.int64]) -> Float:
    """Sum of the values of each wanted key (its count, without values), float64[len(want)]; 0 where there is none."""
    keys, at = np.unique(key, return_inverse=True)
    if not len(keys):
        return np.zeros(len(want))
    total = np.bincount(at, value, minlength=len(keys)).astype(np.float64)
    place = np.minimum(np.searchsorted(keys, want), len(keys) - 1)
    return np.where(keys[place] == want, total[place], 0.0)


def user_membership(judged: Judged, model: Organic) -> tuple[Float, NDArray[np.int64]]:
    """The surest membership of each user and the ring's row (0 and −1: none).

    Shapes: float64[n_users] in [0, 1], int64[n_users].
    """
    users = judged.blocks.users
    at = entry_rows(users)
    value = member_strength(judged, model)
    best = np.zeros(model.n_users)
    ring = np.full(model.n_users, -1, np.int64)
    order = np.lexsort((-at, value))
    best[users.indices[order]] = value[order]
    ring[users.indices[order]] = at[order]
    return best, ring


def ring_ids(n: int) -> list[str]:
    """Names of rings, strongest first: R0001, R0002 …"""
    return [f"R{number + 1:04d}" for number in range(n)]


def listed(judged: Judged) -> NDArray[np.int64]:
    """Rows of the rings that are told: all flagged ones and those with p <= WORTH_A_LOOK, strongest first."""
    return np.flatnonzero(judged.flagged | (judged.p_value <= WORTH_A_LOOK))


def tabulate(judged: Judged, model: Organic, graph: GraphArrays, judge: Judge | None = None) -> RingTables:
    """Write judged rings as tables: those `listed`, strongest first, each explained (see explain.py).

    The evidence of a ring is a JSON object of its numbers and of the ranked `reasons`, `counter_evidence`,
    `member_reasons` (per user id) and `would_change`, the last only with the judge.
    """
    rows = listed(judged)
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
    evidence: dict[str, float], why: Explanation, members: NDArray[np.int32], graph: GraphArrays
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


def typed_table(columns: dict[str, list[object]], types: tuple[pa.DataType, ...]) -> pa.Table:
    """A table of columns by name, each of its type."""
    arrays = [pa.array(values, kind) for values, kind in zip(columns.values(), types, strict=True)]
    return pa.table(arrays, names=list(columns))


def six(value: float) -> float:
    """Six significant digits of one number, as it is written."""
    return float(f"{float(value):.6g}")


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
