"""Rings of a log that is too large for memory: found shard by shard, judged together, explained shard by shard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.casework.memory import Remembered, remember
from graphdet.detect.bursts import MOST_LISTED, burst_findings
from graphdet.detect.held_back import with_doubts, with_rules
from graphdet.detect.pairs import MOST_PAIR_LEADS, pair_findings
from graphdet.detect.payments import MOST_PAYMENT_LEADS, payment_findings
from graphdet.graph.encode import encode
from graphdet.judge.model import RingJudge
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.progress import Progress, Silent
from graphdet.rings.find import LEAST_SCORE, Judged, judge_rings, ring_candidates, stands_out
from graphdet.rings.finding import RingFinding
from graphdet.rings.membership import listed_rings, ring_ids
from graphdet.rings.organic import organic_model
from graphdet.rings.shards import JoinedGroups, Shard, ShardGroups, cut
from graphdet.rings.why.findings import ring_findings
from graphdet.tables import Frame, GraphArrays
from graphdet.units import HOUR_MS
from graphdet.words import plural

SHARD, LIVES = "graphdet_shard", "graphdet_lives"  # temporary tables of a workbench
SAME_GROUP = 0.5  # of the members of one of two findings, from which findings of two shards are one
LEADS_OF_KIND = {"burst": MOST_LISTED, "pair": MOST_PAIR_LEADS}  # of others MOST_PAYMENT_LEADS


def shards_of(store: GraphStore, **sizes: int) -> list[Shard]:
    """The shards of a store's log: one where it fits into memory, or has no times; sizes: see rings.shards.cut."""
    acts = store.acts().select((nw.col("at_ms") // HOUR_MS).alias("hour"))
    table = acts.group_by("hour").agg(nw.len().alias("n")).sort("hour").collect("pyarrow").to_native()
    hour, n_acts = (table[name].to_numpy().astype(np.int64) for name in ("hour", "n"))
    return cut(hour, n_acts, **sizes)


def read_shard(store: GraphStore, shard: Shard) -> GraphArrays:
    """The graph of the acts of a shard, with the shared entities of its users."""
    acts = store.bench.keep(SHARD, store.part(shard.since_ms, shard.until_ms))
    try:
        links = store.entities().join(acts.select("user_id").unique(), on="user_id", how="semi")
        return encode(acts, links)
    finally:
        store.bench.drop(SHARD)


@dataclass(frozen=True)
class _EventsOf:
    """The events of a shard."""

    store: GraphStore
    shard: Shard

    def events(self) -> Frame:
        """Those of the store, within the shard."""
        at_ms = nw.col("at_ms")
        return self.store.events().filter((at_ms >= self.shard.since_ms) & (at_ms < self.shard.until_ms))


def judge_shards(
    store: CaseworkStore,
    shards: Sequence[Shard],
    judge: RingJudge,
    fdr: float,
    seed: int,
    progress: Progress,
) -> Remembered:
    """Find the candidates of each shard, judge all together, and explain those that are listed.

    Bursts, pairs in lockstep and forms of payments are looked for in each shard. What two shards find alike is told
    once, as the one that is less likely by chance. Of the store only the audit log is written (see memory.remember).
    """
    progress.start("candidates of shards", len(shards))
    parts = []
    for shard in shards:
        graph = read_shard(store, shard)
        parts.append(ShardGroups.of(shard, ring_candidates(graph, store.bench, seed, Silent())[1]))
        del graph
        progress.advance()
    progress.done()
    joined = JoinedGroups.of(parts)
    judged = judge_rings(joined, judge.logits, fdr)
    progress.start("judge and explain shards", len(shards))
    lives = _lives(store)
    of_row: dict[int, RingFinding] = {}
    others: list[RingFinding] = []
    for number, groups in enumerate(parts):
        graph = read_shard(store, groups.shard)
        mine, rows = joined.in_shard(judged, number, groups)
        found = ring_findings(mine, organic_model(graph), graph, judge.logits)
        of_row |= dict(zip(rows[listed_rings(mine)].tolist(), found, strict=True))
        others += _others(store, groups, graph, mine, _accused(judged, joined, graph), lives, fdr)
        del graph
        progress.advance()
    store.bench.drop(LIVES)
    progress.done()
    listed = listed_rings(judged).tolist()
    named = [
        replace(of_row[row], ring_id=ring_id)
        for row, ring_id in zip(listed, ring_ids(len(listed)), strict=True)
    ]
    findings = (*with_rules(named, judged, fdr), *told_once(others))
    known = with_doubts(remember(store, findings), judged, fdr)
    return replace(known, notes=(*known.notes, _note(shards)))


def _note(shards: Sequence[Shard]) -> str:
    overlaps = [one.until_ms - two.since_ms for one, two in pairwise(shards)]
    return (
        f"The log was cut into {plural(len(shards), 'shard')} in time, as it is too large to be looked at whole. What "
        f"happened within {min(overlaps) / HOUR_MS / 24:.1f} days is found whole; a ring that took longer may be told "
        f"in part, or as several."
    )


def _others(
    store: GraphStore,
    groups: ShardGroups,
    graph: GraphArrays,
    judged: Judged,
    accused: NDArray[np.bool_],
    lives: Frame,
    fdr: float,
) -> list[RingFinding]:
    """Bursts, pairs in lockstep and forms of payments of one shard.

    accused: bool[n_users], who is in a flagged ring; lives: see _lives.
    """
    explained = np.zeros(graph.n_users, bool)
    explained[judged.blocks.users[judged.score >= LEAST_SCORE].indices] = True
    explained[groups.blocks.users[stands_out(groups.evidence)].indices] = True
    events = _EventsOf(store, groups.shard)
    elsewhere = _elsewhere(lives, groups.shard, graph)
    return [
        *burst_findings(events, graph, explained, fdr, elsewhere),
        *pair_findings(graph, accused, fdr),
        *payment_findings(events, graph, fdr),
    ]


def _accused(judged: Judged, joined: JoinedGroups, graph: GraphArrays) -> NDArray[np.bool_]:
    """Who of a shard is in a flagged ring, of this shard or another, bool[n_users]."""
    ids = joined.user_ids.take(pa.array(np.unique(judged.flagged_users.indices)))
    return np.asarray(pc.is_in(graph.user_ids, value_set=ids).to_numpy(zero_copy_only=False), bool)


def _lives(store: GraphStore) -> Frame:
    """The first and the last act of every user, kept on the workbench: (user_id, first_ms, last_ms)."""
    ends = (nw.col("at_ms").min().alias("first_ms"), nw.col("at_ms").max().alias("last_ms"))
    return store.bench.keep(LIVES, store.acts().group_by("user_id").agg(*ends))


def _elsewhere(lives: Frame, shard: Shard, graph: GraphArrays) -> NDArray[np.bool_]:
    """Users of a shard who also act before or after it, bool[n_users]."""
    first, last = nw.col("first_ms"), nw.col("last_ms")
    here = (first < shard.until_ms) & (last >= shard.since_ms)
    longer = lives.filter(here & ((first < shard.since_ms) | (last >= shard.until_ms)))
    ids = longer.select(nw.col("user_id").cast(nw.String())).collect("pyarrow").to_native()["user_id"]
    found = pc.is_in(graph.user_ids, value_set=ids.combine_chunks().cast(pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def told_once(findings: Sequence[RingFinding]) -> list[RingFinding]:
    """Findings of overlapping shards, flagged ones first, each once, and of each kind no more leads than of one log.

    Two findings of one kind that share an item and half of the members of one of them are one: kept is the flagged one,
    or that of the smaller p-value.
    """
    order = sorted(findings, key=lambda one: (not one.flagged, 1.0 if one.p_value is None else one.p_value))
    kept: list[RingFinding] = []
    of_member: dict[tuple[str, str], list[RingFinding]] = {}
    n_leads: dict[str, int] = {}
    for one in order:
        near = {id(other): other for user in one.user_ids for other in of_member.get((one.kind, user), ())}
        if any(_same(one, other) for other in near.values()):
            continue
        most = LEADS_OF_KIND.get(one.kind, MOST_PAYMENT_LEADS)
        if not one.flagged and n_leads.get(one.kind, 0) >= most:
            continue
        n_leads[one.kind] = n_leads.get(one.kind, 0) + (not one.flagged)
        kept.append(replace(one, ring_id=f"{one.kind}{len(kept)}"))
        for user in one.user_ids:
            of_member.setdefault((one.kind, user), []).append(one)
    return kept


def _same(one: RingFinding, other: RingFinding) -> bool:
    shared = len(one.user_ids & other.user_ids)
    fewer = min(len(one.user_ids), len(other.user_ids))
    return bool(one.item_ids & other.item_ids) and shared >= SAME_GROUP * fewer
