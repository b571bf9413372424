"""What a user's score would be had some of its acts not happened: the log scored again without them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.detect.bursts import burst_findings, burst_members
from graphdet.detect.payments import payment_findings
from graphdet.detect.rings import coordinated
from graphdet.detect.score import Flags, parts_of, with_evidence_of_log
from graphdet.evaluation.calibration import posterior_q_values
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.rounding import six_digits
from graphdet.features.behaviour import behaviour
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.learn.models import Models
from graphdet.learn.user_trees import user_columns
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class WhatIf:
    """Scores a log again without acts of one user, as `score` would: pairs, rings, features, network, fusion.

    Nothing is approximated but this: the trained models stay (they learned from the log with those acts), the other
    users keep the acts that may have answered to them, its texts stay, and decisions of analysts have no say.
    """

    store: GraphStore
    graph: GraphArrays
    models: Models
    fdr: float
    seed: int
    device: str
    progress: Progress

    def of(self, user: int, items: Sequence[str]) -> dict[str, Any]:
        """The fewest of these items, in this order, without whose acts the user is not flagged any more.

        Found by halving, as if each further item brought the score down. `now` is the user as it is, `without` the
        worlds that were looked at, in the order they were.
        """
        now = self._world(user, [])
        worlds: list[dict[str, Any]] = []
        if now["flagged"] and items:
            worlds.append(self._world(user, items))
            low, high = 0, 0 if worlds[0]["flagged"] else len(items)
            while high - low > 1:
                middle = (low + high) // 2
                worlds.append(self._world(user, items[:middle]))
                low, high = (middle, high) if worlds[-1]["flagged"] else (low, middle)
        return {"now": now, "without": worlds, "text": _text(now, worlds, len(items))}

    def _world(self, user: int, items: Sequence[str]) -> dict[str, Any]:
        graph = self.graph
        row = {name: place for place, name in enumerate(graph.item_ids.to_pylist())}
        gone = (graph.user_ix == user) & np.isin(graph.item_ix, [row[item] for item in items])
        n_acts, of_acts = int(graph.n[gone].sum()), int(graph.n[graph.user_ix == user].sum())
        told = {"items": list(items), "n_acts": n_acts, "of_acts": of_acts}
        if n_acts == of_acts:
            return told | {"score": None, "flagged": False, "gnn": None, "ring": None}
        return told | self._scored(without_edges(graph, gone), user)

    def _scored(self, graph: GraphArrays, user: int) -> dict[str, Any]:
        bench, quiet = self.store.bench, Silent()
        self.progress.start("score again")
        windows, candidates = ring_candidates(graph, bench, self.seed, quiet)
        judged = judge_rings(candidates, self.models.judge.logits, self.fdr)
        users, items = behaviour(graph, bench, quiet)
        data = graph_in_pyg(graph, users, items, windows, quiet)
        columns = user_columns(self.store, graph, windows, users) if self.models.trees is not None else None
        parts, _ = parts_of(self.models, judged, candidates, windows, users, data, columns, self.device)
        bursts = burst_findings(self.store, graph, coordinated(judged, candidates), self.fdr)
        found = (*bursts, *payment_findings(self.store, graph, self.fdr))
        parts = replace(parts, burst=burst_members(found, graph)[0])
        parts = with_evidence_of_log(parts, self.store, graph, found)
        value = self.models.fusion.score(parts)
        flags = Flags(FlagRule(self.fdr), judged, candidates)
        flagged = flags.of(value, posterior_q_values(value), judged.flagged)
        self.progress.done()
        return {
            "score": float(six_digits(value[[user]])[0]),
            "flagged": bool(flagged[user]),
            "gnn": round(float(parts.gnn[user]), 3),
            "ring": float(six_digits(parts.ring[[user]])[0]),
        }


def without_edges(graph: GraphArrays, gone: NDArray[np.bool_]) -> GraphArrays:
    """The graph without some interactions (bool[n_edges]); users, items and sessions keep their rows."""
    kept = ~gone
    names = ("user_ix", "item_ix", "session_ix", "action_ix", "at_ms", "n")
    arrays = {name: getattr(graph, name)[kept] for name in names}
    if len(graph.amount):
        arrays["amount"] = graph.amount[kept]
    return replace(graph, **arrays)


def _text(now: dict[str, Any], worlds: Sequence[dict[str, Any]], n_items: int) -> str:
    """What was found, in words."""
    if not now["flagged"]:
        return f"Not flagged as it is: score {now['score']:.3f}."
    innocent = [world for world in worlds if not world["flagged"]]
    if not worlds:
        return "No single item speaks for suspicion, so no acts were taken away."
    if not innocent:
        last = worlds[0]
        return (
            f"Without its acts on any of the {n_items} items that speak most for it ({last['n_acts']} of "
            f"{last['of_acts']} acts) the score is {last['score']:.3f}, from {now['score']:.3f}: still flagged."
        )
    best = min(innocent, key=lambda world: len(world["items"]))
    left = (
        "nothing of it would be left in the log"
        if best["score"] is None
        else f"the score would be {best['score']:.3f}, from {now['score']:.3f}"
    )
    return (
        f"Had it not acted on {len(best['items'])} of its items ({best['n_acts']} of {best['of_acts']} acts), it would "
        f"not be flagged: {left}. Taken were the items with the largest effect, one after the other; another choice "
        f"may need fewer."
    )
