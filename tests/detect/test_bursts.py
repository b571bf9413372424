"""Bursts on single items as findings: who, when, why, and what ratings add."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphdet.casework.decisions import give_verdict
from graphdet.config import load_config
from graphdet.detect.bursts import burst_findings, burst_members
from graphdet.graph.encode import read_graph
from graphdet.items.bursts import BURST_NUMBERS
from graphdet.progress import Silent
from graphdet.reports.evidence import explained_numbers
from graphdet.rings.finding import Explanation, RingFinding, ring_findings_of, ring_tables
from graphdet.store.duckdb import DuckDBStore
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest
from graphdet.verbs.rings import find_rings
from graphdet.verbs.score import score
from tests.helpers.serving_world import World

START = np.datetime64("2010-01-01")
N_USERS, N_ITEMS, DAYS = 600, 60, 1_000


def reviews(path: Path, stars: int, n: int = 10) -> Path:
    """Six reviews of each ordinary account, and n accounts with one review of p7 each, all of so many stars."""
    rng = np.random.default_rng(3)
    user = np.repeat(np.arange(N_USERS), 6)
    rows = [
        f"u{who} p{what} {rating}.0 1 {START + when}"
        for who, what, rating, when in zip(
            user,
            rng.integers(0, N_ITEMS, len(user)),
            rng.choice([1, 2, 3, 4, 5], len(user), p=[0.1, 0.1, 0.2, 0.3, 0.3]),
            rng.integers(0, DAYS, len(user)).astype("timedelta64[D]"),
            strict=True,
        )
    ]
    rows += [f"x{k} p7 {stars}.0 -1 {START + np.timedelta64(700 + k % 2, 'D')}" for k in range(n)]
    path.write_text("\n".join(rows) + "\n")
    return path


def found(folder: Path, stars: int) -> tuple[tuple[RingFinding, ...], GraphArrays]:
    """The bursts of such a log, and its graph."""
    store = DuckDBStore(folder / f"{stars}.duckdb")
    try:
        ingest(store, [reviews(folder / f"{stars}.txt", stars)], load_config("yelp_reviews"))
        graph = read_graph(store, Silent())
        nobody = np.zeros(graph.n_users, bool)
        assert burst_findings(store, replace(graph, at_ms=np.zeros_like(graph.at_ms)), nobody, 0.05) == ()
        return burst_findings(store, graph, nobody, 0.05), graph
    finally:
        store.close()


@pytest.mark.parametrize("stars", [1, 5])
def test_accounts_that_say_the_same_are_a_finding(tmp_path: Path, stars: int) -> None:
    (burst,), graph = found(tmp_path, stars)
    assert (burst.kind, burst.flagged, burst.n_users, burst.n_items) == ("burst", True, 10, 1)
    assert burst.user_ids == {f"x{k}" for k in range(10)}
    assert burst.item_ids == {"p7"}
    assert burst.first_seen is not None
    assert burst.first_seen[:10] == "2011-12-02"
    assert burst.score > 0.95
    assert f"with the rating {stars}" in str(burst.reason)
    assert burst.explanation.numbers["burst_rating"] == stars
    assert {reason.text for reason in burst.explanation.member_reasons["x3"]} == {
        "acts once on this item within the burst and on nothing else in the log"
    }
    sure, place = burst_members([burst], graph)
    assert {graph.user_ids[int(user)].as_py() for user in np.flatnonzero(sure)} == burst.user_ids
    assert sure.max() <= burst.score
    assert set(place[sure > 0]) == {0}
    (again,) = ring_findings_of(ring_tables([burst]))
    assert (again.kind, again.explanation.numbers) == ("burst", burst.explanation.numbers)


def test_every_number_has_a_meaning(tmp_path: Path) -> None:
    (burst,), _ = found(tmp_path, 1)
    shown = explained_numbers(burst.explanation.numbers)
    assert {row.name for row in shown} == {number.name for number in BURST_NUMBERS}
    assert all(row.meaning for row in shown)


def test_ratings_in_the_middle_push_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, 3)[0] == ()


def test_only_flagged_bursts_vouch_for_their_members(tmp_path: Path) -> None:
    (burst,), graph = found(tmp_path, 5)
    ring = replace(burst, kind="ring", explanation=Explanation())
    for other in (replace(burst, flagged=False), ring):
        sure, place = burst_members([other], graph)
        assert not sure.any()
        assert set(place) == {-1}


def test_accounts_of_a_burst_are_suspects_until_somebody_calls_it_innocent(
    trained_world: World, tmp_path: Path
) -> None:
    store = trained_world.copy(tmp_path)
    try:
        graph = read_graph(store, Silent())
        item = graph.item_ids[int(np.bincount(graph.item_ix).argmax())].as_py()
        start = int(graph.at_ms.min()) + int(0.7 * np.ptp(graph.at_ms))
        lines = [f"new{k:02},{item},s{k:02},{start + 20_000 * k},view" for k in range(25)]
        log = tmp_path / "more.csv"
        log.write_text("\n".join(["user_id,item_id,session_id,timestamp,action", *lines]) + "\n")
        ingest(store, [log], load_config("simulated"))
        known = find_rings(store, model_dir=trained_world.model)
        (burst,) = [ring for ring in known.findings if ring.kind == "burst" and ring.flagged]
        assert burst.user_ids == {f"new{k:02}" for k in range(25)}
        suspects = {row["user_id"]: row for row in score(store, trained_world.model).scores.to_pylist()}
        for user in sorted(burst.user_ids):
            assert suspects[user]["flagged"]
            assert suspects[user]["ring_id"] == burst.ring_id
            assert suspects[user]["score"] > 0.9
            assert "nothing else in the log" in suspects[user]["reason"]
        give_verdict(store, "ring", burst.ring_id, "innocent", "newsletter-or-push", "", "Ann")
        again = {row["user_id"]: row for row in score(store, trained_world.model).scores.to_pylist()}
        assert not any(again[user]["flagged"] for user in burst.user_ids)
    finally:
        store.close()
