"""The search for the attacker's best answer: what is drawn, what is kept, and the whole of it on a small log."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from graphdet.errors import NotEnoughData
from graphdet.lab.adversary import Means, Seen, Tactic, best_answers, draw_tactic
from graphdet.progress import Silent
from graphdet.simulation.campaigns import kind
from graphdet.units import DAY_S, HOUR_S
from graphdet.verbs.init import config_of_names
from graphdet.verbs.power import adversary
from graphdet.verbs.simulate import SimulateRequest, simulate
from graphdet.workbench import Workbench
from tests.helpers.small_graphs import graph_of


@pytest.mark.parametrize("wanted", [12, 24, 96])
def test_what_is_drawn_is_within_the_attackers_means_and_brings_the_acts(wanted: int) -> None:
    means, rng = Means(accounts=12, targets=6), np.random.default_rng(1)
    drawn = [draw_tactic(wanted, means, 20 * DAY_S, 1.0, rng) for _ in range(200)]
    for one in drawn:
        assert 3 <= one.n_accounts <= 12
        assert 1 <= one.n_targets <= 6
        assert HOUR_S <= one.window_s <= 20 * DAY_S
        acts = one.n_accounts * max(one.n_targets * one.density, 1) * one.repeats
        assert acts == pytest.approx(wanted, rel=0.01)
    assert len({one.pace for one in drawn}) == 3
    assert len({one.n_targets for one in drawn}) > 2 or wanted == 96


def test_a_tactic_that_does_not_bring_the_acts_is_no_answer() -> None:
    tactic = Tactic(100, kind("tiny"), [Seen(95, 0.0, True, 0.2), Seen(105, 1.0, True, 1.0)])
    assert tactic.danger == pytest.approx(0.6)
    assert [trial.found for trial in tactic.trials] == [False, True]
    for acts in (50, 200):
        assert Tactic(100, kind("tiny"), [Seen(acts, 0.0, False, 0.0)]).danger == 1.0
    assert Tactic(100, kind("tiny")).danger == 1.0


def test_a_log_without_times_or_with_few_users_is_refused() -> None:
    with Workbench.in_memory() as bench:
        with pytest.raises(NotEnoughData, match="no times"):
            best_answers(graph_of([(f"u{n}", "i", 0) for n in range(900)]), bench, Means(), 0, Silent())
        with pytest.raises(NotEnoughData, match="--accounts 9 or fewer"):
            best_answers(
                graph_of([(f"u{n}", "i", 60_000 * n) for n in range(90)]), bench, Means(), 0, Silent()
            )


def test_the_whole_search_writes_its_page_table_and_document(tmp_path: Path) -> None:
    simulate(tmp_path / "log.csv", SimulateRequest(n_users=500, n_items=60, days=10, plan="none", seed=2))
    out = tmp_path / "out"
    means = Means(accounts=8, targets=4, tries=2, report=2, limit_s=1e-6)  # one copy, and the time is up
    document = adversary(
        [tmp_path / "log.csv"], config_of_names([str(tmp_path / "log.csv")])[0], out, means=means
    )
    assert document["stopped"]
    assert [answer["wanted"] for answer in document["answers"]] == [8, 16, 32, 64]
    for answer in document["answers"]:
        assert answer["low"] <= answer["found"] / max(answer["trials"], 1) <= answer["high"]
        assert answer["found_after"] <= answer["trials"] <= 2
    assert json.loads((out / "adversary.json").read_text())["answers"] == document["answers"]
    with (out / "adversary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["wanted"] for row in rows] == ["8", "16", "32", "64"]
    assert all(row["pace"] for row in rows)
    page = (out / "adversary.html").read_text()
    assert page.count("<polygon") + page.count("<circle") >= 3
    assert document["headline"] in page
