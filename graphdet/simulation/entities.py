"""Shared entities (devices, addresses) of planted accounts, linked as the log's own users are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.arrays import Int, Rng
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.recode import deal_ids
from graphdet.tables import GraphArrays

ACCOUNTS_PER_SHARED = 30  # a campaign uses one device or address for about this many of its accounts


@dataclass(frozen=True)
class KindLinks:
    """Links of users to the entities of one kind: ids Arrow string[n_known], then n_new unnamed ones.

    Shapes: user, entity int64[n_links].
    """

    kind: str
    ids: pa.Array
    n_new: int
    user: Int
    entity: Int


def read_links(graph: GraphArrays, user_place: Int) -> list[KindLinks]:
    """Read a log's links per kind, with users renumbered by user_place."""
    found = []
    kinds = np.array(graph.entity_kinds.to_pylist(), dtype=object)
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero(kinds == kind)
        place = np.full(len(kinds), -1, np.int64)
        place[rows] = np.arange(len(rows))
        of_kind = place[graph.entity_ix] >= 0
        user = user_place[graph.entity_user_ix[of_kind]]
        ids = pc.cast(graph.entity_ids.take(pa.array(rows)), pa.string())
        found.append(KindLinks(str(kind), ids, 0, user, place[graph.entity_ix[of_kind]]))
    return found


def plant_links(
    links: KindLinks, groups: Sequence[tuple[Campaign, Int, Int]], n_base_users: int, rng: Rng
) -> KindLinks:
    """Link planted accounts: fresh ones as the log's users are linked, shared ones as the campaigns say.

    groups: (campaign, its accounts' user rows, the fresh ones of them).
    """
    degree = np.bincount(np.unique(links.user, return_inverse=True)[1], minlength=1)
    linked_share = min(1.0, np.count_nonzero(degree) / max(n_base_users, 1))
    single = np.bincount(links.entity, minlength=len(links.ids)) <= 1
    single_share = float(np.mean(single[links.entity])) if len(links.entity) else 1.0
    n_known = len(links.ids) + links.n_new
    users, entities = [links.user], [links.entity]
    for campaign, members, fresh in groups:
        share = {"device": campaign.shared_device_share, "ip": campaign.shared_ip_share}.get(links.kind, 0.0)
        sharing = members[rng.random(len(members)) < share]
        if len(sharing):
            n_shared = -(-len(sharing) // ACCOUNTS_PER_SHARED)
            users.append(sharing)
            entities.append(n_known + np.arange(len(sharing)) % n_shared)
            n_known += n_shared
        own = np.where(rng.random(len(fresh)) < linked_share, rng.choice(degree, len(fresh)), 0)
        own = np.maximum(own - np.isin(fresh, sharing), 0)
        owner = np.repeat(fresh, own)
        alone = rng.random(len(owner)) < single_share
        drawn = links.entity[rng.integers(0, max(len(links.entity), 1), len(owner))]
        users.append(owner)
        entities.append(np.where(alone, n_known + np.cumsum(alone) - 1, drawn))
        n_known += int(alone.sum())
    user, entity = np.concatenate(users), np.concatenate(entities)
    pairs = np.unique(np.stack([user, entity]), axis=1) if len(user) else np.zeros((2, 0), np.int64)
    return KindLinks(links.kind, links.ids, n_known - len(links.ids), pairs[0], pairs[1])


def graph_fields(links: Sequence[KindLinks], rng: Rng) -> dict[str, Any]:
    """Deal out new entity ids and lay the links out as GraphArrays wants them, sorted by (kind, id, user)."""
    if not links:
        return {}
    ids, kinds, users, entities, offset = [], [], [], [], 0
    for part in links:
        named, place = deal_ids(part.ids, part.n_new, rng)
        ids.append(named)
        kinds.append(pa.array([part.kind] * len(named), pa.string()))
        entity = place[part.entity]
        order = np.lexsort((part.user, entity))
        users.append(part.user[order])
        entities.append(entity[order] + offset)
        offset += len(named)
    return {
        "entity_ids": pa.concat_arrays(ids),
        "entity_kinds": pa.concat_arrays(kinds),
        "entity_user_ix": np.concatenate(users).astype(np.int32),
        "entity_ix": np.concatenate(entities).astype(np.int32),
    }
