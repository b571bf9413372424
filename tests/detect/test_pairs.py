"""Pairs and small groups in lockstep: who is flagged, who is held back and by what, and where the findings go."""

from pathlib import Path

import numpy as np
import pytest

from graphdet.config import load_config
from graphdet.detect.pairs import pair_findings
from graphdet.graph.encode import read_graph
from graphdet.progress import Silent
from graphdet.reports.evidence import explained_numbers
from graphdet.rings.finding import RingFinding, ring_findings_of, ring_tables
from graphdet.rings.pairs import LEAST_OF_LOG, PAIR_NUMBERS, pair_p_values, scan_pairs
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS
from graphdet.verbs.ingest import ingest
from graphdet.verbs.report import report
from graphdet.verbs.rings import find_rings
from graphdet.verbs.score import score
from tests.helpers.serving_world import World
from tests.helpers.small_graphs import graph_of

Row = tuple[str, str, int]
START_MS = 1_700_000_000_000
DAYS, N_ITEMS, N_USERS = 40, 120, 400


def ordinary() -> list[Row]:
    """Accounts with eight items each; an item lives for a day or so, and most acts come soon after it appears."""
    rng = np.random.default_rng(5)
    born = rng.integers(0, (DAYS - 2) * DAY_MS, N_ITEMS)
    return [
        (f"u{user}", f"i{item}", START_MS + int(born[item] + rng.exponential(6 * HOUR_MS)) // 1000 * 1000)
        for user in range(N_USERS)
        for item in rng.choice(N_ITEMS, 8, replace=False)
    ]


def together(names: list[str], moments: list[int], gap_s: float, first_item: int = 0) -> list[Row]:
    """Accounts that act on one item each of these moments (ms), each gap_s after the one before."""
    return [
        (name, f"x{first_item + k}", START_MS + at + int(1000 * gap_s * place))
        for k, at in enumerate(moments)
        for place, name in enumerate(names)
    ]


def days(n: int) -> list[int]:
    """One moment in each of n days."""
    return [day * DAY_MS + 10 * HOUR_MS for day in range(n)]


def found(rows: list[Row], accused: tuple[str, ...] = (), fdr: float = 0.05) -> list[RingFinding]:
    graph = graph_of([*ordinary(), *rows])
    known = np.isin(graph.user_ids.to_pylist(), accused)
    return list(pair_findings(graph, known, fdr))


def nats(rows: list[Row], names: tuple[str, str] = ("a", "b")) -> float:
    """How far a pair is beyond chance."""
    graph = graph_of([*ordinary(), *rows])
    scan = scan_pairs(graph)
    assert scan is not None
    ids = graph.user_ids.to_pylist()
    (row,) = np.flatnonzero((scan.a == ids.index(names[0])) & (scan.b == ids.index(names[1])))
    return float(scan.best("nats")[row])


def test_the_log_alone_has_none() -> None:
    assert found([]) == []


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_few_accounts_in_lockstep_are_one_pair(n: int) -> None:
    names = [f"bot{k}" for k in range(n)]
    (pair,) = found(together(names, days(20), 4 / n))
    assert (pair.kind, pair.flagged, pair.user_ids, pair.n_items) == ("pair", True, frozenset(names), 20)
    assert pair.score > 0.95
    assert pair.q_value is not None
    assert pair.q_value < 1e-6
    assert pair.explanation.numbers["close_items"] == 20
    assert pair.explanation.numbers["close_items_expected"] < 1
    assert "within 10 seconds of" in str(pair.reason)
    (did,) = pair.explanation.member_reasons["bot1"]
    assert did.text == "acts on 20 items within 10 seconds of another member"
    (again,) = ring_findings_of(ring_tables([pair]))
    assert (again.kind, again.reason) == ("pair", pair.reason)


def test_every_number_has_a_meaning() -> None:
    (pair,) = found(together(["a", "b"], days(20), 3))
    assert {row.name for row in explained_numbers(pair.explanation.numbers)} == {
        one.name for one in PAIR_NUMBERS
    }


def test_what_two_share_elsewhere_does_not_save_them() -> None:
    rows = together(["a", "b"], days(20), 5)
    later = [
        (name, f"i{k}", START_MS + k * HOUR_MS * (1 + (name == "b"))) for name in "ab" for k in range(25)
    ]
    (pair,) = [one for one in found([*rows, *later]) if one.flagged]
    assert pair.user_ids == {"a", "b"}


def test_one_sitting_of_a_household_is_no_flag() -> None:
    evening = [20 * HOUR_MS + k * 120_000 for k in range(30)]
    (pair,) = found(together(["ann", "bob"], evening, 5))
    assert not pair.flagged
    assert [rule.code for rule in pair.held_back] == ["few_sittings"]
    assert pair.score < 0.5


def test_same_taste_at_other_moments_is_nothing() -> None:
    assert found(together(["ann", "bob"], days(30), 900)) == []


def test_two_of_many_followers_of_one_source_are_no_flag() -> None:
    crowd = [
        (f"fan{k}", f"x{item}", START_MS + at + (k + 1) * HOUR_MS)
        for k in range(6)
        for item, at in enumerate(days(20))
    ]
    (pair,) = [one for one in found([*together(["a", "b"], days(20), 3), *crowd]) if "a" in one.user_ids]
    assert not pair.flagged
    assert pair.held_back[0].code == "followers"
    assert "6 other accounts" in pair.held_back[0].text


def test_more_than_a_handful_is_no_pair() -> None:
    (group,) = found(together([f"bot{k}" for k in range(8)], days(20), 0.5))
    assert (group.n_users, group.flagged, group.held_back[0].code) == (8, False, "larger_group")


def test_members_of_a_flagged_ring_are_not_told_twice() -> None:
    rows = together(["a", "b"], days(20), 3)
    assert found(rows, accused=("a", "b")) == []
    assert len(found(rows, accused=("a",))) == 1


def test_days_and_no_times_have_no_pairs() -> None:
    rows = [*ordinary(), *together(["a", "b"], days(20), 3)]
    by_day = [(user, item, at // DAY_MS * DAY_MS) for user, item, at in rows]
    assert scan_pairs(graph_of(by_day)) is None
    assert scan_pairs(graph_of([(user, item, 0) for user, item, _ in rows])) is None


@pytest.mark.parametrize("seed", range(4))
def test_closer_in_time_never_weakens(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = rng.choice([1, 5, 8, 20, 50, 58], 14)
    moments = [day * DAY_MS + int(rng.integers(20)) * HOUR_MS for day in rng.integers(0, 30, 14)]

    def rows(by: np.ndarray) -> list[Row]:
        a = [("a", f"x{k}", START_MS + at) for k, at in enumerate(moments)]
        return a + [
            ("b", f"x{k}", START_MS + at + int(1000 * gap))
            for (k, at), gap in zip(enumerate(moments), by, strict=True)
        ]

    before = nats(rows(gaps))
    for shrink in (0.8, 0.4, 0.05):
        closer = nats(rows(gaps * shrink))
        assert closer >= before
        before = closer
    one = gaps.copy()
    one[int(gaps.argmax())] = 1
    assert nats(rows(one)) >= nats(rows(gaps))


def test_more_sittings_say_more() -> None:
    assert nats(together(["a", "b"], days(5), 5)) < nats(together(["a", "b"], days(10), 5))


def test_a_log_whose_own_pairs_come_close_says_so() -> None:
    rng = np.random.default_rng(0)
    quiet = np.append(rng.exponential(1, 500), 22.0)
    lively = np.append(rng.exponential(6, 500).clip(max=18), 22.0)
    few = lively[-LEAST_OF_LOG // 2 :]
    p = [pair_p_values(nats, 2, 1e5)[-1] for nats in (quiet, lively, few)]
    assert p[0] < p[1] / 10
    assert p[2] == pytest.approx(2 * np.exp(-22.0))


def test_accounts_of_a_pair_are_suspects_with_a_page(trained_world: World, tmp_path: Path) -> None:
    store = trained_world.copy(tmp_path)
    try:
        graph: GraphArrays = read_graph(store, Silent())
        start, step = int(graph.at_ms.min()), int(np.ptp(graph.at_ms)) // 24
        lines = [
            f"{who},{graph.item_ids[3 * k].as_py()},p{who}{k},{start + k * step + 2_000 * place},view"
            for k in range(24)
            for place, who in enumerate(("twin1", "twin2"))
        ]
        log = tmp_path / "more.csv"
        log.write_text("\n".join(["user_id,item_id,session_id,timestamp,action", *lines]) + "\n")
        ingest(store, [log], load_config("simulated"))
        find_rings(store, model_dir=trained_world.model)
        suspects = {row["user_id"]: row for row in score(store, trained_world.model).scores.to_pylist()}
        (pair,) = [ring for ring in ring_findings_of(store.rings()) if ring.kind == "pair" and ring.flagged]
        assert pair.user_ids == {"twin1", "twin2"}
        for user in sorted(pair.user_ids):
            assert suspects[user]["flagged"]
            assert suspects[user]["ring_id"] == pair.ring_id
            assert suspects[user]["score"] > 0.9
            assert "of another member" in suspects[user]["reason"]
        out = tmp_path / "out"
        report(store, out)
        page = next(out.glob(f"rings/*{pair.ring_id}*.html")).read_text()
        assert "within 10 seconds of each other" in page
        assert "repost one feed" in page
    finally:
        store.close()
