"""A planted graph as tables: the log, and the truth beside it."""

from typing import Any

import numpy as np
import pyarrow as pa

from graphdet.errors import UsageError
from graphdet.simulation.assemble import Planted
from graphdet.simulation.row_values import RowValues
from graphdet.tables import GraphArrays

SIMULATED_ENTITY_COLUMNS = {"device": "device_id", "ip": "ip"}


# An interaction that stands for n events is written as n rows, a second apart; in a log of coarser times at one time.
REPEAT_MS = 1000


def log_table(graph: GraphArrays, values: RowValues, seed: int) -> pa.Table:
    """All events in time order; without the column timestamp where the log has no times."""
    row = np.repeat(np.arange(graph.n_edges), graph.n)
    repeat = np.arange(len(row)) - np.repeat(np.cumsum(graph.n) - graph.n, graph.n)
    at_ms = graph.at_ms[row] + repeat * (REPEAT_MS if graph.resolution_ms <= REPEAT_MS else 0)
    order = np.lexsort((row, at_ms))
    row, at_ms = row[order], at_ms[order]
    columns: dict[str, Any] = {
        "user_id": graph.user_ids.take(pa.array(graph.user_ix[row])),
        "item_id": graph.item_ids.take(pa.array(graph.item_ix[row])),
        "session_id": graph.session_ids.take(pa.array(graph.session_ix[row])),
        **({"timestamp": pa.array(at_ms)} if graph.timed else {}),
        "action": pa.array(graph.actions, pa.string()).take(pa.array(graph.action_ix[row])),
    }
    for kind, name in SIMULATED_ENTITY_COLUMNS.items():
        entity = _entity_of_session(graph, kind, np.random.default_rng((seed, 49_979_687)))
        if entity is not None:
            columns[name] = graph.entity_ids.take(
                pa.array(entity[graph.session_ix[row]], mask=entity[graph.session_ix[row]] < 0)
            )
    if values.amount is not None:
        columns["amount"] = pa.array(values.amount[row], from_pandas=True)
    if values.item_name is not None:
        columns["item_name"] = values.item_name.take(pa.array(graph.item_ix[row]))
    if values.rating is not None:
        if values.rating_name in columns:
            raise UsageError(
                f"the column of ratings is {values.rating_name!r}, which the log has for something else"
            )
        columns[values.rating_name] = values.rating.take(pa.array(row))
    return pa.table(columns)


def _entity_of_session(
    graph: GraphArrays, kind: str, rng: np.random.Generator
) -> np.ndarray[Any, Any] | None:
    """Draw which of its user's devices (or addresses) each session is on: int64[n_sessions], −1 for none.

    Every link is used at least once while the user has a session left for it. None where the log has no
    such entities.
    """
    of_kind = np.array([k == kind for k in graph.entity_kinds.to_pylist()], bool)
    if not of_kind.any():
        return None
    links = np.flatnonzero(of_kind[graph.entity_ix])
    links = links[np.argsort(graph.entity_user_ix[links], kind="stable")]
    first = np.searchsorted(graph.entity_user_ix[links], np.arange(graph.n_users + 1))
    owner = np.zeros(graph.n_sessions, np.int64)
    owner[graph.session_ix] = graph.user_ix
    by_user = np.argsort(owner, kind="stable")
    turn = np.empty(graph.n_sessions, np.int64)
    turn[by_user] = np.arange(graph.n_sessions) - np.searchsorted(owner[by_user], owner[by_user])
    count = (first[1:] - first[:-1])[owner]
    some = np.where(turn < count, turn, (rng.random(graph.n_sessions) * count).astype(np.int64))
    place = np.minimum(first[owner] + some, len(links) - 1)
    return np.where(count > 0, graph.entity_ix[links[place]], -1).astype(np.int64)


def truth_table(planted: Planted) -> pa.Table:
    """user_id, campaign_id, kind, level, hijacked of every planted account, by user."""
    users = np.flatnonzero(planted.campaign_of_user >= 0)
    groups = [planted.campaigns[k] for k in planted.campaign_of_user[users]]
    return pa.table(
        {
            "user_id": planted.graph.user_ids.take(pa.array(users)),
            "campaign_id": pa.array([f"C{k + 1}" for k in planted.campaign_of_user[users]], pa.string()),
            "kind": pa.array([g.kind for g in groups], pa.string()),
            "level": pa.array([g.level for g in groups], pa.string()),
            "hijacked": pa.array(planted.hijacked[users].astype(np.int8)),
        }
    )


def labels_table(planted: Planted) -> pa.Table:
    """user_id, label of every account of the log, by user: 1 where it is planted or hijacked, else 0."""
    return pa.table(
        {
            "user_id": planted.graph.user_ids,
            "label": pa.array((planted.campaign_of_user >= 0).astype(np.int8)),
        }
    )


def truth_items_table(planted: Planted) -> pa.Table:
    """campaign_id, item_id of every target; user_id, the mule that is paid there, where there is one."""
    campaign = [f"C{k + 1}" for k, items in enumerate(planted.targets) for _ in items]
    items = [int(item) for targets in planted.targets for item in np.sort(targets)]
    ids = planted.graph.item_ids.take(pa.array(items, pa.int64()))
    mule = planted.user_of_item[items]
    users = planted.graph.user_ids.take(pa.array(mule, mask=mule < 0))
    return pa.table({"campaign_id": pa.array(campaign, pa.string()), "item_id": ids, "user_id": users})


def innocents_table(planted: Planted) -> pa.Table:
    """user_id, group_id, kind of every member of a hard-innocent group."""
    users = np.flatnonzero(planted.innocent_of_user >= 0)
    group = planted.innocent_of_user[users]
    return pa.table(
        {
            "user_id": planted.graph.user_ids.take(pa.array(users)),
            "group_id": pa.array([f"I{k + 1}" for k in group], pa.string()),
            "kind": pa.array([planted.innocents[k].kind for k in group], pa.string()),
        }
    )
