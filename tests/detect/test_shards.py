"""Rings of a log that is cut into shards: as those of the whole log, also where the cut falls on a ring."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from graphdet.config import load_config
from graphdet.detect.shards import LIVES, _elsewhere, _lives, read_shard, shards_of, told_once
from graphdet.rings.finding import Explanation, RingFinding, RingItem, RingMember
from graphdet.rings.shards import Shard
from graphdet.schema import RingKind
from graphdet.store.duckdb.store import DuckDBStore
from graphdet.units import DAY_MS, HOUR_MS
from graphdet.verbs.ingest import ingest
from graphdet.verbs.rings import find_rings

START_MS = 1_700_006_400_000
N_USERS, N_ITEMS, DAYS = 1_500, 300, 40
RING, TARGETS = 20, 12
CUT_MS = START_MS + 20 * DAY_MS  # where a log of even days is halved
N_ACTS = 12_000


def rows() -> list[tuple[str, str, int]]:
    """Readers of items that live two days, and a ring that strikes in the four hours around the middle of the log."""
    rng = np.random.default_rng(3)
    born = rng.uniform(0, (DAYS - 2) * DAY_MS, N_ITEMS)
    item = rng.integers(0, N_ITEMS, N_ACTS)
    at = START_MS + (born[item] + rng.uniform(0, 2 * DAY_MS, N_ACTS)).astype(np.int64)
    out = [
        (f"u{u}", f"i{i}", t)
        for u, i, t in zip(rng.integers(0, N_USERS, N_ACTS), item, at.tolist(), strict=True)
    ]
    for k in np.argsort(np.abs(born - 19 * DAY_MS))[:TARGETS].tolist():
        out += [
            (f"bot{b}", f"i{k}", CUT_MS + int(rng.uniform(-2, 2) * HOUR_MS))
            for b in range(RING)
            if rng.uniform() < 0.9
        ]
    return out


CONFIG = """[columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
[time]
unit = "ms"
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBStore]:
    folder = tmp_path_factory.mktemp("shards")
    lines = [f"{user},{item},{at}" for user, item, at in rows()]
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    (folder / "log.toml").write_text(CONFIG)
    opened = DuckDBStore(folder / "graph.duckdb")
    ingest(opened, [folder / "log.csv"], load_config(str(folder / "log.toml")))
    yield opened
    opened.close()


def test_a_ring_on_the_cut_is_found_whole_and_once(store: DuckDBStore) -> None:
    (whole,) = [ring for ring in find_rings(store).findings if ring.flagged]
    assert whole.user_ids == {f"bot{b}" for b in range(RING)}
    shards = shards_of(store, most_whole=7_000, shard_acts=7_000)
    assert len(shards) == 2
    assert shards[1].since_ms < CUT_MS - 2 * HOUR_MS < CUT_MS + 2 * HOUR_MS < shards[0].until_ms
    cut_up = find_rings(store, shard_acts=7_000)
    (ring,) = [ring for ring in cut_up.findings if ring.flagged]
    assert ring.user_ids == whole.user_ids
    assert len(ring.item_ids & whole.item_ids) >= 0.7 * len(whole.item_ids)
    assert ring.ring_id == whole.ring_id  # known again
    assert any("cut into 2 shards" in note for note in cut_up.notes)


def test_a_shard_is_the_log_of_its_acts(store: DuckDBStore) -> None:
    shard = Shard(CUT_MS - DAY_MS, CUT_MS + DAY_MS, 0)
    graph = read_shard(store, shard)
    mine = [row for row in rows() if shard.since_ms <= row[2] < shard.until_ms]
    assert int(graph.n.sum()) == len(mine)
    assert set(graph.user_ids.to_pylist()) == {user for user, _, _ in mine}
    assert (graph.at_ms >= shard.since_ms).all()


def test_who_acts_outside_a_shard_is_known_there(store: DuckDBStore) -> None:
    shard = Shard(CUT_MS - DAY_MS, CUT_MS + DAY_MS, 0)
    graph = read_shard(store, shard)
    lives = _lives(store)
    found = set(np.array(graph.user_ids.to_pylist())[_elsewhere(lives, shard, graph)].tolist())
    store.bench.drop(LIVES)
    outside = {user for user, _, at in rows() if not shard.since_ms <= at < shard.until_ms}
    assert found == outside & set(graph.user_ids.to_pylist())
    assert not any(user.startswith("bot") for user in found)


def finding(kind: RingKind, users: str, items: str, p_value: float, flagged: bool) -> RingFinding:
    return RingFinding(
        ring_id="x", n_users=len(users), n_items=len(items), score=0.9, p_value=p_value, q_value=p_value,
        flagged=flagged, first_seen=None, last_seen=None, reason="", explanation=Explanation(),
        members=tuple(RingMember(user, 1.0) for user in users),
        items=tuple(RingItem(item, 1, 1.0) for item in items), kind=kind,
    )  # fmt: skip


def test_what_two_shards_find_alike_is_told_once() -> None:
    burst = finding("burst", "abcd", "x", 1e-6, True)
    again = finding("burst", "abce", "x", 1e-7, False)  # in the next shard a lead
    elsewhere = finding("burst", "abcd", "y", 1e-5, False)
    pair = finding("pair", "ab", "x", 1e-4, False)
    told = told_once([again, pair, elsewhere, burst])
    assert [(one.kind, one.user_ids, one.item_ids) for one in told] == [
        (one.kind, one.user_ids, one.item_ids) for one in (burst, elsewhere, pair)
    ]
    assert len({one.ring_id for one in told}) == 3
    many = [finding("pair", f"{k:03}"[-2:], f"i{k}", 0.5, False) for k in range(10, 99)]
    assert (
        len(told_once([replace(one, items=(RingItem(str(k), 1, 1.0),)) for k, one in enumerate(many)])) == 50
    )
