"""explain: where users' scores come from, and why the network gives them, or a ring's members, the logit they have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.arrays import Int
from graphdet.casework.disclosure import Disclosure, Listener, disclose
from graphdet.casework.subjects import ring_id_of
from graphdet.detect.what_if import WhatIf
from graphdet.errors import UsageError
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.features.titles import gnn_inputs
from graphdet.gnn.explain import Attribution, GnnExplainer
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.words import MOST_MEMBERS, MOST_TOLD, features, largest_effects, sums, three
from graphdet.graph.encode import read_graph
from graphdet.learn.models import load_models
from graphdet.ports import CaseworkStore, FindingsStore
from graphdet.progress import Progress, Silent
from graphdet.rings.finding import RingFinding
from graphdet.scores.fused import ORDER_BELOW
from graphdet.tables import GraphArrays
from graphdet.words import score_in_words

ITEMS_NAMED = 3
NO_NETWORK = (
    "nothing was trained for {folder}, so there is no network to explain: `graphdet train` makes one, and so does "
    "`graphdet run --train always`. Why a ring was found is on its page: `graphdet report --ring ID`"
)


@dataclass(frozen=True)
class Question:
    """Whom to explain: users one by one, or the members of a ring together; what_if: also score them without acts."""

    users: tuple[str, ...] = ()
    ring_id: str | None = None
    what_if: bool = False
    fdr: float = 0.05
    seed: int = 0


def explain(
    store: CaseworkStore,
    model_dir: Path,
    asked: Question,
    *,
    device: str = "auto",
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Explain what the trained network says: one document per user, or one for a ring.

    Features and ties stand relative to the whole log, so it is read whole; what is explained is the subgraph that the
    network sees of it. `told` says what the keys mean.

    Raises:
        UsageError: nobody was asked about, or a user or the ring is not in the store.
        GraphdetError: there is no trained model, or it is not one of such a log.
    """
    progress = progress or Silent()
    if bool(asked.users) == (asked.ring_id is not None):
        raise UsageError("name users or one ring to explain, for example: graphdet explain u17")
    if asked.ring_id is not None:
        asked = replace(asked, ring_id=ring_id_of(store, asked.ring_id))
    models = load_models(model_dir)
    if models.gnn is None:
        raise UsageError(NO_NETWORK.format(folder=model_dir))
    members = _members(store, asked.ring_id) if asked.ring_id is not None else []
    subject = (asked.ring_id,) if asked.ring_id is not None else asked.users
    kind = "user" if asked.ring_id is None else "ring"
    disclose(store, Disclosure("explain", subject, kind=kind, more={"what_if": asked.what_if}), listener)
    graph = read_graph(store, progress)
    rows = rows_of(graph, members or asked.users, store.url)
    windows = find_pairs(graph, store.bench, progress)
    users, items = behaviour(graph, store.bench, progress)
    data = graph_in_pyg(graph, users, items, windows, progress)
    explainer = GnnExplainer(models.gnn, data)
    scores = _scores(store, asked.users)
    progress.start("explain", 1 if members else len(rows))
    found = []
    for subjects in [rows] if members else [np.array([row]) for row in rows]:
        document = told(explainer, explainer.explain(subjects), graph)
        names = graph.user_ids.take(subjects).to_pylist()
        if members:
            document |= {"ring_id": asked.ring_id}
        else:
            document |= scores.get(names[0], {"user_id": names[0]})
            document |= _where_from(store, document, models.fusion.labelled)
        found.append(document)
        progress.advance()
    progress.done()
    if asked.what_if and not members:
        worlds = WhatIf(store, graph, models, asked.fdr, asked.seed, device, progress)
        _add_what_if(found, rows, worlds, store.rings().items)
    for document in found:
        document.pop("all_items", None)
    return found


def _add_what_if(found: Sequence[dict[str, Any]], rows: Int, worlds: WhatIf, of_rings: pa.Table) -> None:
    """Add to each user's document what its score would be without acts; of_rings: the targets of all rings."""
    for row, document in zip(rows.tolist(), found, strict=True):
        ranked = [(each["item_id"], each["effect"]) for each in document.pop("all_items")]
        # A ring may be all that speaks for it: its targets count, whatever the network makes of them.
        its = pc.equal(of_rings["ring_id"], pa.scalar(document.get("ring_id"), pa.string()))
        ring = set(of_rings.filter(its)["item_id"].to_pylist())
        asked_for = [item for item, effect in ranked if effect > 0 or item in ring]
        document["what_if"] = worlds.of(row, asked_for)


def _members(store: FindingsStore, ring_id: str) -> list[str]:
    """The members of a ring, the surest first, at most MOST_MEMBERS."""
    table = store.rings().members
    mine = table.filter(pc.equal(table["ring_id"], ring_id))
    if not mine.num_rows:
        raise UsageError(f"{store.url} has no ring {ring_id}; `graphdet rings` and `graphdet run` find them")
    mine = mine.sort_by([("score", "descending"), ("user_id", "ascending")])
    names: list[str] = mine["user_id"].slice(0, MOST_MEMBERS).to_pylist()
    return names


def rows_of(graph: GraphArrays, names: Sequence[str], url: str) -> Int:
    """The rows of users, int64[n], in the order given and each once.

    Raises:
        UsageError: one is not in the log.
    """
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    absent = [name for name in names if name not in row]
    if absent:
        some = ", ".join(repr(name) for name in absent[:5]) + (" …" if len(absent) > 5 else "")
        raise UsageError(f"{url} has no user {some}; see `graphdet suspects` for the ids")
    return np.array([row[name] for name in dict.fromkeys(names)], np.int64)


def _scores(store: FindingsStore, users: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the store says of these users, by id; nothing where it was not scored yet."""
    names = ("user_id", "score", "p_value", "flagged", "ring_id", "reason")
    rows = store.scores(users).to_pylist() if users else []
    return {row["user_id"]: {name: row[name] for name in names} for row in rows}


def _where_from(store: FindingsStore, document: Mapping[str, Any], labelled: bool) -> dict[str, Any]:
    """Where a user's score comes from, in words (`comes_from`), and what it did in its ring (`in_ring`, if in any)."""
    score, ring_id, user_id = document.get("score"), document.get("ring_id"), document["user_id"]
    if score is None:
        return {}
    if ring_id is None:
        return {"comes_from": _ALONE if score >= ORDER_BELOW else _AN_ORDER}
    tables = store.rings()
    row = tables.rings.filter(pc.equal(tables.rings["ring_id"], ring_id)).to_pylist()[0]
    mine = pc.and_(pc.equal(tables.members["ring_id"], ring_id), pc.equal(tables.members["user_id"], user_id))
    membership = next(iter(tables.members.filter(mine)["score"].to_pylist()), 0.0)
    ring = RingFinding.from_row(row)
    reasons = ring.explanation.member_reasons.get(user_id, ())
    did = [reason.text for reason in reasons]
    said = f"{ring.kind} {ring_id}, whose score is {score_in_words(ring.score)}; its membership there is " + (
        score_in_words(membership)
    )
    if labelled:
        text = f"The score was learned from labels; one part of it is {said}."
    elif not ring.flagged:
        text = f"It is in {said}. That is not flagged, so it flags nobody. {_ALONE}"
    elif membership >= score - ORDER_BELOW:
        text = f"The score comes from {said}. What the network says of it alone, below, adds nothing to that."
    elif membership >= ORDER_BELOW:
        text = f"The score comes from {said}; and from what it does alone."
    else:
        text = f"It is in {said}, which is too little to count. {_ALONE}"
    return {"comes_from": text, "in_ring": {"ring_id": ring_id, "membership": membership, "did": did}}


_ALONE = "The score comes from what it does alone."
_AN_ORDER = (
    "No ring explains it, and what it does alone convicts nobody: so low a score only orders accounts."
)


def told(explainer: GnnExplainer, made: Attribution, graph: GraphArrays) -> dict[str, Any]:
    """An attribution as a document for people and programs; all effects are in logit.

    logit = baseline + inputs + ties + partners + gap: `inputs` what the users are like and act on, `ties` that others
    move with them, `partners` what these others are like. `features`, `ties` and `items` list the strongest, signed; an
    item's effect is what is known of it and its audience, and an even share of each tie it is common to.
    """
    inputs = gnn_inputs(*explainer.widths)
    document: dict[str, Any] = {
        "users": graph.user_ids.take(made.users).to_pylist(),
        "logit": three(made.logit),
        "baseline": three(made.baseline),
        "sums": sums(made),
        "features": features(explainer, made, inputs),
        "ties": [],
    }
    for place in largest_effects(made.pair_effect):
        a, b = (int(row) for row in made.pairs[place])
        common = shared_items(graph, a, b)
        document["ties"].append(
            {
                "between": [graph.user_ids[row].as_py() for row in (a, b)],
                "effect": three(made.pair_effect[place]),
                "n_items": len(common),
                "items": graph.item_ids.take(common[:ITEMS_NAMED]).to_pylist(),
            }
        )
    if len(made.users) == 1:
        found = item_effects(explainer, made, graph)
        document |= {"items": found[:MOST_TOLD], "all_items": found}
    return document


def item_effects(explainer: GnnExplainer, made: Attribution, graph: GraphArrays) -> list[dict[str, Any]]:
    """What each item of one user adds, strongest first."""
    rows, direct = explainer.by_item(made)
    through = np.zeros(len(rows))
    for pair in np.flatnonzero(made.reaching(made.users)):
        common = shared_items(graph, *(int(row) for row in made.pairs[pair]))
        through[np.searchsorted(rows, common)] += made.pair_effect[pair] / max(len(common), 1)
    total = direct + through
    return [
        {
            "item_id": graph.item_ids[int(rows[place])].as_py(),
            "effect": three(total[place]),
            "by_itself": three(direct[place]),
            "by_ties": three(through[place]),
        }
        for place in np.lexsort((rows, -np.round(total, 9)))
    ]


def shared_items(graph: GraphArrays, a: int, b: int) -> Int:
    """The items of both users, rarest audience not considered: sorted rows."""
    mine, its = (
        np.unique(graph.item_ix[slice(*np.searchsorted(graph.user_ix, [row, row + 1]))]) for row in (a, b)
    )
    return np.intersect1d(mine, its, assume_unique=True).astype(np.int64)
