"""Campaigns of known causes, and which reasons are true of each: of how it was planted, not of how it was found."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import DAY, HOUR, Campaign
from graphdet.simulation.innocents import innocent_plan
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays

SHORT = 0.10  # of the log's span: a campaign in lockstep
OWN_TIME = 0.25  # of the span: accounts that live only then are new ones
HALF = 0.5
MOSTLY = 0.7
MIDDLE = (0.05, 0.95)  # of a campaign's own acts on its targets: its window
RAREST = 0.2
SHARERS = 3  # accounts on one device or address
SCRIPT_GAP_S = 4.0  # of the simulator


@dataclass(frozen=True)
class Known:
    """A planted log: per campaign its case, the causes true of it, and the one it was made for (the case's own)."""

    planted: Planted
    cases: list[str]
    causes: list[set[str]]


# case → the reason that it was made for ("": nothing but the shared targets)
MADE_FOR = {
    "lockstep": "lockstep", "scripted": "scripted", "sitting": "one_sitting", "device": "shared_entities",
    "address": "shared_entities", "coattail": "coattail", "cold": "rare_targets", "focus": "focus",
    "new": "new_accounts", "burst": "lockstep", "hijack": "", "plain": "",
}  # fmt: skip


def cases(span_s: float, rng: np.random.Generator) -> dict[str, Campaign]:
    """One campaign per case; all but the knob the case is made for are drawn from quiet ranges."""
    long, out = 0.6 * span_s, {}
    knobs: dict[str, dict[str, object]] = {
        "lockstep": {"window_s": min(float(rng.uniform(0.5, 2)) * HOUR, SHORT * span_s)},
        "scripted": {"pace": "scripted", "one_sitting": True},
        "sitting": {"one_sitting": True},
        "device": {"shared_device_share": 0.8},
        "address": {"shared_ip_share": 0.8},
        "coattail": {"coattail": True},
        "cold": {"target_popularity": "cold"},
        "focus": {"camouflage": 0.0},
        "new": {"window_s": min(0.15 * span_s, 3 * DAY), "camouflage": 0.3},
        "burst": {
            "window_s": min(HOUR, SHORT * span_s),
            "one_sitting": True,
            "pace": "scripted",
            "camouflage": 0.0,
            "shared_device_share": 0.3,
            "shared_ip_share": 0.5,
        },
        "hijack": {"hijacked_share": 0.8},
        "plain": {},
    }
    for case, own in knobs.items():
        quiet = {
            "n_accounts": int(rng.integers(15, 36)),
            "n_targets": int(rng.integers(8, 14)),
            "density": float(rng.uniform(0.5, 0.75)),
            "window_s": long,
            "camouflage": float(rng.uniform(1.3, 2.0)),
        }
        out[case] = Campaign(case, **(quiet | own))  # type: ignore[arg-type]
    return out


def with_entities(graph: GraphArrays, seed: int) -> GraphArrays:
    """Give a log without any devices and addresses: one device each, households of up to five on an address."""
    rng = np.random.default_rng((seed, 6_700_417))
    everyone = rng.permutation(graph.n_users)
    shared = rng.random(graph.n_users) < 0.02  # devices handed on to another user
    device = np.where(shared, rng.integers(0, graph.n_users, graph.n_users), np.arange(graph.n_users))
    home = np.repeat(
        np.arange(graph.n_users), rng.choice([1, 2, 3, 4, 5], graph.n_users, p=[0.5, 0.25, 0.1, 0.1, 0.05])
    )
    address = np.empty(graph.n_users, np.int64)
    address[everyone] = home[: graph.n_users]
    ids, kinds, users, entities, offset = [], [], [], [], 0
    for kind, of_user in (("device", device), ("ip", address)):
        _, dense = np.unique(of_user, return_inverse=True)
        n = int(dense.max()) + 1
        order = np.lexsort((np.arange(graph.n_users), dense))
        ids += [f"{kind[0]}{k:07}" for k in range(n)]
        kinds += [kind] * n
        users.append(order)
        entities.append(dense[order] + offset)
        offset += n
    return GraphArrays(
        graph.user_ids, graph.item_ids, graph.session_ids, graph.actions, graph.user_ix, graph.item_ix,
        graph.session_ix, graph.action_ix, graph.at_ms, graph.n,
        entity_ids=pa.array(ids), entity_kinds=pa.array(kinds),
        entity_user_ix=np.concatenate(users).astype(np.int32), entity_ix=np.concatenate(entities).astype(np.int32),
    )  # fmt: skip


def known_log(graph: GraphArrays, seed: int) -> Known:
    """Plant one campaign of every case, and one group of each kind of hard innocents."""
    if not len(graph.entity_ix):
        graph = with_entities(graph, seed)
    span_s = float(graph.at_ms.max() - graph.at_ms.min()) / 1000
    plan = list(cases(span_s, np.random.default_rng((seed, 433_494_437))).values())
    planted = plant(graph, plan, seed, innocent_plan(seed), leave_out_unfit=True)
    return Known(
        planted,
        [group.kind for group in planted.campaigns],
        [causes(planted, number) for number in range(len(planted.campaigns))],
    )


def causes(planted: Planted, number: int) -> set[str]:
    """The reasons that are true of a campaign.

    By its knobs where there is one: scripted (where the log's clock can tell), coattail, rare_targets (cold ones, if
    cold items are rare in this log), shared_entities (three accounts or more). By what was planted: lockstep (nine in
    ten acts on targets fall within a tenth of the log), focus (half or more of what the accounts do is on targets, none
    hijacked), exclusive_targets (7 of 10 acts on the targets in its window are its own), new_accounts (half of the
    accounts live only in its window, a quarter of the log or less), throwaway (half of the accounts have one session,
    twice as many as others), one_sitting (the knob, or 8 of 10 accounts do it in one session in a log where half of the
    users have several). shared_targets is true of all.
    """
    graph, group = planted.graph, planted.campaigns[number]
    asked, targets = group.asked, planted.targets[number]
    members = planted.campaign_of_user == number
    mine, on_target = members[graph.user_ix], np.isin(graph.item_ix, targets)
    span = float(graph.at_ms.max() - graph.at_ms.min())
    at = graph.at_ms[planted.planted_edge & mine & on_target]
    start, end = np.quantile(at, MIDDLE)
    window = end - start
    during = (graph.at_ms >= start - HOUR * 1000) & (graph.at_ms <= end + HOUR * 1000)
    resolution_s = next(
        unit for unit in (86_400, 3_600, 60, 1, 0.001) if not np.any(graph.at_ms % int(unit * 1000))
    )
    true = {"shared_targets"}
    true |= {"lockstep"} if window <= SHORT * span else set()
    true |= {"scripted"} if asked.pace == "scripted" and resolution_s <= SCRIPT_GAP_S else set()
    true |= {"coattail"} if asked.coattail else set()
    true |= (
        {"rare_targets"} if asked.target_popularity == "cold" and _rare(graph, targets, members) else set()
    )
    share = max(asked.shared_device_share, asked.shared_ip_share)
    true |= {"shared_entities"} if share * group.n_accounts >= SHARERS else set()
    acts = np.unique(np.stack([graph.user_ix[mine], graph.item_ix[mine]]), axis=1)
    inside = float(np.isin(acts[1], targets).mean())
    true |= {"focus"} if inside >= HALF and asked.hijacked_share == 0 else set()
    own = float(mine[on_target & during].mean())
    true |= {"exclusive_targets"} if own >= MOSTLY else set()
    rows = np.flatnonzero(mine)
    away = np.bincount(graph.user_ix[rows], ~during[rows], minlength=graph.n_users)[members]
    if window <= OWN_TIME * span and (away == 0).mean() >= HALF:
        true.add("new_accounts")
    once = _sessions(graph, np.ones(graph.n_edges, bool)) == 1
    if once[members].mean() >= max(HALF, 2 * once[~members].mean()):
        true.add("throwaway")
    sittings = _sessions(graph, mine & on_target)[members]
    usual = once[~members & (_sessions(graph, np.ones(graph.n_edges, bool)) > 0)].mean()
    if asked.one_sitting or ((sittings == 1).mean() >= 0.8 and usual <= HALF):
        true.add("one_sitting")
    return true


def _sessions(graph: GraphArrays, rows: np.ndarray) -> np.ndarray:
    """Sessions of each user among these rows, int64[n_users]."""
    pairs = np.unique(np.stack([graph.user_ix[rows], graph.session_ix[rows]]), axis=1)
    return np.bincount(pairs[0], minlength=graph.n_users)


def _rare(graph: GraphArrays, targets: np.ndarray, members: np.ndarray) -> bool:
    """Whether half of the targets are among the rarest items that hold a fifth of all (distinct) acts."""
    acts = np.unique(np.stack([graph.user_ix, graph.item_ix]), axis=1)
    audience = np.bincount(acts[1][~members[acts[0]]], minlength=graph.n_items)
    held = np.cumsum(np.bincount(audience, audience)) / max(audience.sum(), 1)
    return bool((held[audience[targets]] <= RAREST).mean() >= HALF)


def thinned(planted: Planted, share: float, seed: int) -> GraphArrays:
    """The same log without a share of the rows of users who are in no planted group."""
    graph = planted.graph
    unrelated = (planted.campaign_of_user[graph.user_ix] < 0) & (planted.innocent_of_user[graph.user_ix] < 0)
    kept = ~(unrelated & (np.random.default_rng(seed).random(graph.n_edges) < share))
    return GraphArrays(
        graph.user_ids, graph.item_ids, graph.session_ids, graph.actions, graph.user_ix[kept], graph.item_ix[kept],
        graph.session_ix[kept], graph.action_ix[kept], graph.at_ms[kept], graph.n[kept],
        entity_ids=graph.entity_ids, entity_kinds=graph.entity_kinds,
        entity_user_ix=graph.entity_user_ix, entity_ix=graph.entity_ix,
    )  # fmt: skip
