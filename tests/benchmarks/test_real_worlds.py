"""Real worlds: figures against truths made by hand, simple peers on tiny logs, findings read back, aims and table."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.worlds import table
from benchmarks.worlds.measured import measured, read_findings
from benchmarks.worlds.oracle import order
from benchmarks.worlds.peers import (
    HUB,
    activity,
    co_action,
    coortweet,
    few_acts,
    pays_twice,
    read_said,
    together,
    write_said,
)
from benchmarks.worlds.scoring import Said, figures, matched
from benchmarks.worlds.summary import Rows, aims
from benchmarks.worlds.truth import BURST, MEMBERS, RING, UNKNOWN, World, grouped, read_world
from graphdet.scores.fused import ScoreParts
from graphdet.tables import GraphArrays
from tests.helpers.paths import DATA


def people(text: str) -> frozenset[str]:
    return frozenset(text)


def world(unit: str = RING, **changes: object) -> World:
    """Users a … j; rings abcd and ef; the community gh; j is neither guilty nor innocent."""
    told = {
        "users": people("abcdefghij"),
        "rings": {"one": people("abcd"), "two": people("ef")},
        "communities": {"club": people("gh")},
        "unsure": people("j"),
    }
    return World("tiny", Path("log"), "config", unit, **(told | changes))  # type: ignore[arg-type]


def graph(acts: list[tuple[int, int, int, int]], n_users: int, n_items: int) -> GraphArrays:
    """Of (user, item, at_ms, n)."""
    user, item, at, n = (np.array(column, np.int64) for column in zip(*sorted(acts), strict=True))
    return GraphArrays(
        user_ids=pa.array([f"u{k:03d}" for k in range(n_users)]),
        item_ids=pa.array([f"i{k:03d}" for k in range(n_items)]),
        session_ids=pa.array([f"s{k:03d}" for k in range(n_users)]),
        actions=("pay",),
        user_ix=user.astype(np.int32),
        item_ix=item.astype(np.int32),
        session_ix=user.astype(np.int32),
        action_ix=np.zeros(len(user), np.int16),
        at_ms=at,
        n=n,
    )


def test_users_are_counted_without_those_that_are_unsure() -> None:
    told = figures(Said({"a": 3.0, "j": 9.0, "g": 2.0}, people("agj")), world())
    assert (told["users"], told["guilty"], told["flagged"], told["right"]) == (9, 6, 2, 1)
    assert told["share"] == pytest.approx(6 / 9)
    assert told["f1"] == pytest.approx(2 * 1 / (2 + 6))
    assert (told["in_communities"], told["innocents_accused"]) == (2, 1)


def test_users_that_tie_share_a_place() -> None:
    """a first; then g; then the seven without a score: of 18 pairs a wins 3, g loses 5, and 10 tie."""
    told = figures(Said({"a": 3.0, "g": 2.0}), world())
    assert told["auroc"] == pytest.approx((3 + 10 / 2) / 18)
    assert told["auprc"] == pytest.approx((1 * 1 + 5 * (6 / 9)) / 6)
    assert told["best_f1"] == pytest.approx(2 * 6 / (9 + 6))
    assert told["flagged"] is None
    assert told["right"] is None


def test_who_has_no_score_stands_last() -> None:
    worst = figures(Said(dict.fromkeys("ghi", -5.0)), world())
    assert worst["auroc"] == 0


def test_groups_are_pure_by_their_known_members_alone() -> None:
    """abcdj is pure (j is unsure), abcg at .75 is not, and j alone is left out."""
    groups = (people("abcdj"), people("abcg"), people("j"))
    told = figures(Said({}, people("abcdg"), groups, groups[1:]), world())
    assert (told["pure_listed"], told["listed_rings"]) == (1, 2)
    assert (told["pure_flagged"], told["flagged_rings"]) == (0, 1)


def test_what_was_held_back_is_counted_by_rule() -> None:
    held = (("strange", people("abcd")), ("strange", people("gh")), ("score", people("j")))
    told = figures(Said({}, frozenset(), (people("abcd"),), (), held_back=held), world())
    assert told["held_back"] == {"strange": [2, 1]}


def test_a_ring_is_touched_when_half_of_its_known_members_are() -> None:
    told = figures(Said({}, people("ab"), (people("eg"), people("a"), people("b")), ()), world())
    assert (told["true_rings"], told["half_flagged"], told["half_listed"]) == (2, 1, 1)
    told = figures(Said({}, people("ab")), world(unsure=people("bcd"), users=people("abcdefghi")))
    assert "half_flagged" not in told, "without groups nothing is said of rings"


def test_a_group_is_the_ring_with_which_it_shares_most_of_all() -> None:
    rings = {"one": people("abcd"), "two": people("abce")}
    assert matched(people("abe"), rings) == ["two"]
    assert matched(people("abgh"), rings) == []
    assert matched(people("ab"), {"one": people("abcd")}) == ["one"]


def test_rings_of_a_method_with_a_threshold() -> None:
    """abc is ring one, ab too, gh none: precision 2 of 3, recall 1 of 2; ef is only listed."""
    flagged = (people("abc"), people("ab"), people("gh"))
    levels = {"one": "L1", "two": "L2"}
    told = figures(Said({}, people("abcgh"), (*flagged, people("ef")), flagged), world(levels=levels))
    assert told["ring_precision"] == pytest.approx(2 / 3)
    assert told["ring_recall"] == pytest.approx(1 / 2)
    assert told["ring_f1"] == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert told["levels"] == {"L1": [1, 1], "L2": [0, 1]}
    assert told["levels_listed"] == {"L1": [1, 1], "L2": [1, 1]}


def test_rings_of_a_method_without_one_are_cut_where_that_is_best() -> None:
    told = figures(Said({}, None, (people("gh"), people("abcd"), people("gi"))), world())
    assert (told["ring_precision"], told["ring_recall"]) == (0.5, 0.5)
    assert "half_flagged" not in told
    nobody = figures(Said({}, frozenset(), (people("abcd"),), ()), world())
    assert (nobody["ring_f1"], nobody["half_listed"]) == (0, 1)


def test_jaccard_is_asked_only_where_parts_are_known() -> None:
    said = Said({}, people("a"), (people("abcd"),), (people("abcd"),))
    assert figures(said, world(BURST))["ring_recall"] == 0.5
    assert "ring_f1" not in figures(said, world(MEMBERS))


def test_without_labels_only_tightly_tied_accounts_are_counted() -> None:
    bare = world(UNKNOWN, rings={}, communities={}, unsure=frozenset())
    told = figures(Said({"a": 1.0}, people("abg")), bare, {3: people("abcd"), 5: people("c")})
    assert (told["tight_3"], told["tight_3_flagged"], told["tight_5"], told["tight_5_flagged"]) == (
        4,
        2,
        1,
        0,
    )
    assert told["flagged"] == 3
    assert "auprc" not in told


def test_truth_is_of_users_that_act(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(
        "user_id,ring_id,kind\na,1,ring\nz,1,ring\nz,2,ring\nb,club,innocent_group\n", encoding="utf-8"
    )
    found = grouped(tmp_path / "truth.csv", "ring_id", people("ab"))
    assert found == {"ring": {"1": people("a")}, "innocent_group": {"club": people("b")}}


def test_co_action_leaves_hubs_out() -> None:
    """Users 0 and 1 share two small items, 0 and 2 one; everybody is on the hub."""
    n = HUB + 1
    small = [(0, 1, 0, 1), (1, 1, 0, 1), (0, 2, 0, 1), (1, 2, 0, 1), (0, 3, 0, 1), (2, 3, 0, 1)]
    score = co_action(graph([*small, *((user, 0, 0, 1) for user in range(n))], n, 4)).score
    assert [score[f"u{k:03d}"] for k in range(4)] == [2, 2, 1, 0]


def test_pairs_meet_within_the_seconds_on_each_item_once() -> None:
    """0 and 1 meet twice on item 0 and, over the edge of a minute, on item 1; 2 comes 61 seconds later."""
    acts = [(0, 0, 0), (1, 0, 1_000), (0, 0, 2_000), (0, 1, 59_000), (1, 1, 119_000), (2, 1, 180_001)]
    table_ = pa.table(
        dict(zip(("user_ix", "item_ix", "at_ms"), map(list, zip(*acts, strict=True)), strict=True))
    )
    assert together(table_, 60).to_pylist() == [{"a": 0, "b": 1, "n": 2}]


def test_coortweet_flags_what_lies_above_the_middle() -> None:
    """0 and 1 meet on three items; 2 to 5 once each, and 6 acts only once and does not count."""
    acts = [(user, item, 0, 1) for user in (0, 1) for item in (0, 1, 2)]
    acts += [(2, 3, 0, 1), (3, 3, 0, 1), (4, 4, 0, 1), (5, 4, 0, 1), (6, 0, 0, 1)]
    acts += [(user, 4 + user, 0, 1) for user in (2, 3, 4, 5)]
    told = coortweet(graph(acts, 7, 10))
    assert told.flagged == {"u000", "u001"}
    assert told.accused == (frozenset({"u000", "u001"}),)
    assert [told.score[f"u{k:03d}"] for k in (0, 2, 6)] == [3, 1, 0]


def test_counts_of_acts_and_of_payments_to_one_account() -> None:
    """User 0 pays item 0 three times at two moments; 1 pays two accounts once each."""
    paid = graph([(0, 0, 0, 1), (0, 0, 9, 2), (1, 0, 0, 1), (1, 1, 0, 1)], 2, 2)
    told = pays_twice(paid)
    assert told.score == {"u000": 3, "u001": 1}
    assert told.flagged == {"u000"}
    assert activity(paid).score == {"u000": 3, "u001": 2}
    assert few_acts(paid).score == {"u000": -3, "u001": -2}


@pytest.mark.parametrize("said", [Said({"a": 1.5}), Said({}, people("a"), (people("ab"),), ())])
def test_what_a_peer_says_is_read_back(said: Said, tmp_path: Path) -> None:
    write_said(said, tmp_path / "said.json")
    assert read_said(tmp_path / "said.json") == said


def test_findings_are_read_with_parts_and_leads(tmp_path: Path) -> None:
    files = {
        "suspects.csv": "user_id,score,p_value,q_value,flagged,ring_id,gnn,reason\n"
        "a,0.9,0,0,true,R1,0.2,x\nb,0.1,1,1,false,,0.7,x\n",
        "rings.csv": "ring_id,flagged,kind\nR2,false,ring\nR1,true,pair\nR3,false,burst\n",
        "ring_members.csv": "ring_id,user_id,score\nR1,a,0.8\nR2,a,0.3\nR2,b,0.4\nR3,b,0.5\n",
        "leads.csv": "ring_id,held_back_by\nR3,strange\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_findings(tmp_path)
    assert found["graphdet"] == Said(
        {"a": 0.9, "b": 0.1},
        people("a"),
        (people("a"), people("ab"), people("b")),
        (people("a"),),
        {"pair": 1},
        (("strange", people("b")),),
    )
    assert found["part: gnn"].score == {"a": 0.2, "b": 0.7}
    assert found["part: ring membership"].score == {"a": 0.8, "b": 0.4}
    assert found["part: burst membership"].score == {"a": 0.0, "b": 0.5}
    assert set(found) == {"graphdet", "part: gnn", "part: ring membership", "part: burst membership"}


def test_a_process_that_fails_says_how(tmp_path: Path) -> None:
    cost = measured(["benchmarks.worlds.no_such_program"], tmp_path)
    assert cost.code == 1
    assert "no_such_program" in cost.said
    assert cost.seconds > 0
    assert cost.gib > 0  # no upper limit: until it is the program it is a copy of this process


def row(method: str, **values: object) -> dict[str, object]:
    start: dict[str, object] = {"name": "real_worlds", "world": "vk", "method": method, "users": 100}
    return start | {"unit": RING, "commit": "c", "machine": "m"} | values


OURS = row(
    "graphdet", code=0, said="", seconds=5.0, gib=1.0, auprc=0.8, auroc=0.4, guilty=100, flagged=20, right=15,
    true_rings=4, half_flagged=3, half_listed=4, in_communities=50, innocents_accused=1, flagged_rings=2,
    pure_flagged=1, listed_rings=3, pure_listed=2,
)  # fmt: skip
PEER = row("activity", auprc=0.9, auroc=0.7)
GNN = row("part: gnn", auprc=0.7, auroc=0.6)


def kept(rows: list[dict[str, object]], folder: Path) -> Rows:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return Rows(path)


def test_the_last_row_counts_and_aims_are_held_against_it(tmp_path: Path) -> None:
    rows = kept([OURS | {"flagged": 999}, PEER, GNN, OURS], tmp_path)
    reached = {aim.said: (aim.reached, aim.found) for aim in aims(rows)}
    assert reached["flagged accounts of all labelled worlds: .9 right"] == (False, "15 of 20 (0.750)")
    assert reached["each world with 20 flagged: .8 right"][0] is False
    assert reached["every world: AUPRC of the best peer or more"][1].startswith(
        "0 of 1; vk 0.800 < 0.900 activity"
    )
    assert reached["every world: AUPRC of the best own part or more"][0] is True
    assert reached["AUROC never below .5 with 100 guilty"] == (False, "vk 0.400")
    assert reached["VK: 4 of 4 batches half flagged"][0] is False
    assert reached["VK: at most 1 % of the communities"] == (False, "1 of 50")


def test_a_run_that_failed_misses_its_aim(tmp_path: Path) -> None:
    rows = kept([row("graphdet", code=3, said="log.parquet: no such column")], tmp_path)
    (aim,) = aims(rows)
    assert not aim.reached
    assert "exit 3" in aim.found
    assert table.cells(rows, "vk")[1] == "exit 3"


def test_the_table_has_a_line_per_world(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    kept([OURS, PEER, GNN], tmp_path)
    monkeypatch.setattr(sys, "argv", ["table", "--rows", str(tmp_path / "rows.jsonl")])
    table.main()
    line = capsys.readouterr().out.splitlines()[2]
    assert line == (
        "| vk (100, 100) | .80 / .40 | .70 / .60 gnn | .90 / .70 activity | 20, 15 (1 of 50 in communities) "
        "| 1 of 2 (2 of 3) | 3 (4) of 4 | 5, 1.0 |"
    )


def test_the_table_says_nothing_of_rings_whose_parts_nobody_knows(tmp_path: Path) -> None:
    assert table.cells(kept([OURS | {"unit": MEMBERS}], tmp_path), "vk")[-2:] == ["", "5, 1.0"]


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "worlds").exists(), reason="the real worlds are not here")
def test_worlds_are_read() -> None:
    vk, globo, shops = (read_world(DATA, name) for name in ("vk", "foreign_globo", "shopee_brushing"))
    assert (len(vk.known), len(vk.guilty), len(vk.rings), len(vk.communities)) == (1488, 499, 4, 5)
    assert sorted(globo.levels.values()) == [f"L{k}" for k in (1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5)]
    assert (len(shops.rings), len(shops.guilty)) == (313, 278)
    assert len(read_world(DATA, "hop").known) == 13_507
    yelp, tweets = (read_world(DATA, name) for name in ("yelpchi", "coordinated_tweets"))
    assert (len(yelp.users), len(tweets.users)) == (38_063, 9_509)
    assert len(yelp.guilty) == 7_739


def test_an_oracle_is_no_peer(tmp_path: Path) -> None:
    rows = kept([OURS, PEER, row("oracle: order", auprc=1.0), GNN], tmp_path)
    assert rows.best("vk", parts=False) == ("activity", 0.9)
    assert rows.best("vk", parts=True) == ("part: gnn", 0.7)


def test_an_oracle_learns_the_order_from_the_truth_and_no_more_than_evidence_shows() -> None:
    rng = np.random.default_rng(0)
    guilty = rng.random(400) < 0.2
    noise = [rng.random(400) for _ in range(2)]
    shown = ScoreParts(np.where(guilty, 3.0, -3.0) + rng.normal(size=400), *noise, np.zeros(400))
    hidden = ScoreParts(rng.normal(size=400), *noise, np.zeros(400))
    known = np.arange(400) >= 10
    for parts, least, most in ((shown, 0.95, 1.0), (hidden, 0.3, 0.7)):
        found = order(parts, known, guilty)
        assert (found[:10] == 0).all()
        assert least <= roc_auc_score(guilty[known], found[known]) <= most
