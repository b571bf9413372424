"""The loop of tune: deterministic, resumed where it was killed, never the same trial twice."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from graphdet.errors import GraphdetError, UsageError
from graphdet.lab.tune_result import N_HALVES, gain_elsewhere, halves_of
from graphdet.lab.tuning import (
    JOURNAL,
    Choice,
    Range,
    Search,
    Settings,
    TuneTrial,
    setting_importance,
    tune_settings,
)
from graphdet.progress import Silent
from tests.helpers.paths import ROOT

SPACE = {
    "rate": Range(0.001, 1.0, True, (0.001, 0.03, 1.0)),
    "leaves": Range(2, 64, True, (2, 16, 64)),
    "kind": Choice(("a", "b")),
}
DEFAULT: Settings = {"rate": 0.03, "leaves": 16, "kind": "a"}


def hill(settings: Settings) -> float:
    """Highest at a rate of .1, whatever the leaves."""
    return -abs(float(settings["rate"]) - 0.1) + (0.01 if settings["kind"] == "b" else 0.0)


def run(
    out: Path, n: int, sampler: str = "tpe", seed: int = 0, about: object = "x", tried: list | None = None
) -> list[TuneTrial]:
    def objective(settings: Settings) -> tuple[float, tuple[float | None, ...]]:
        if tried is not None:
            tried.append(settings)
        return hill(settings), (hill(settings), None)

    return tune_settings(
        out, {"what": about}, Search(SPACE, DEFAULT, sampler, n, seed), objective, Silent(), lambda: 0.0
    )


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_run_in_pieces_is_the_run_in_one(sampler: str, tmp_path: Path) -> None:
    whole = run(tmp_path / "one", 14, sampler)
    for n in (1, 5, 6, 14):
        pieces = run(tmp_path / "two", n, sampler)
    assert pieces == whole
    assert (tmp_path / "one" / JOURNAL).read_bytes() == (tmp_path / "two" / JOURNAL).read_bytes()
    assert whole[0].settings == DEFAULT
    assert [one.place for one in whole] == list(range(14))
    tried: list = []
    assert run(tmp_path / "one", 14, sampler, tried=tried) == whole
    assert tried == []


def test_a_grid_is_walked_once(tmp_path: Path) -> None:
    tried: list = []
    found = run(tmp_path, 100, "grid", tried=tried)
    assert len(found) == 18 == len(tried)
    assert len({json.dumps(one, sort_keys=True) for one in tried}) == 18


def test_seeds_and_samplers_differ_and_values_stay_in_range(tmp_path: Path) -> None:
    one, other = run(tmp_path / "0", 10, "random", 0), run(tmp_path / "1", 10, "random", 1)
    assert [t.settings for t in one[1:]] != [t.settings for t in other[1:]]
    for trial in one:
        assert 0.001 <= float(trial.settings["rate"]) <= 1
        assert trial.settings["leaves"] == int(trial.settings["leaves"])
        assert trial.settings["kind"] in ("a", "b")


def test_bayesian_search_gets_nearer_than_chance(tmp_path: Path) -> None:
    best = [max(t.value for t in run(tmp_path / f"t{seed}", 30, "tpe", seed)) for seed in range(3)]
    chance = [max(t.value for t in run(tmp_path / f"r{seed}", 30, "random", seed)) for seed in range(3)]
    assert sum(best) >= sum(chance)


def test_what_mattered_is_named(tmp_path: Path) -> None:
    found = setting_importance(SPACE, run(tmp_path, 25, "random"), 0)
    assert next(iter(found)) == "rate"
    assert found["rate"] > 0.7
    assert sum(found.values()) == pytest.approx(1, abs=0.01)
    assert setting_importance(SPACE, run(tmp_path, 25, "random")[:3], 0) == {}


def test_other_or_changed_trials_are_refused(tmp_path: Path) -> None:
    run(tmp_path, 3)
    with pytest.raises(UsageError, match=r"another tuning \(other what\)"):
        run(tmp_path, 4, about="y")
    path = tmp_path / JOURNAL
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    with pytest.raises(GraphdetError, match="was changed"):
        run(tmp_path, 4)
    path.write_text("".join(lines) + '{"place": 3, "set')
    assert len(run(tmp_path, 4)) == 4


def test_a_killed_run_goes_on_without_repeating(tmp_path: Path) -> None:
    """A real process, killed while it tries settings."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom tests.lab import test_tuning as t\n"
        "def slow(settings):\n    time.sleep(0.3)\n    return real(settings)\n"
        "real = t.hill; t.hill = slow\nt.run(Path(sys.argv[1]), 12, 'tpe')\n"
    )
    begun = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "killed")],
        cwd=ROOT,
        env={**os.environ},
    )
    journal = tmp_path / "killed" / JOURNAL
    patience = time.monotonic() + 120
    while time.monotonic() < patience and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.05)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    n_before = journal.read_bytes().count(b"\n") - 1
    assert 3 <= n_before < 12
    tried: list = []
    assert run(tmp_path / "killed", 12, tried=tried) == run(tmp_path / "whole", 12)
    assert len(tried) == 12 - n_before


def test_without_optuna_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"graphdet\[tune\]"):
        run(tmp_path, 2)


def test_luck_of_the_best_of_many_is_seen_on_the_other_halves() -> None:
    """Fifty settings that are all alike: the best is ahead where it was picked, and nowhere else."""
    rng = np.random.default_rng(0)
    y, group = (rng.random(2_000) < 0.2).astype(np.int8), np.arange(2_000) // 2
    halves = halves_of(group, 0)
    assert len(halves) == 2 * N_HALVES
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert sorted([*first, *second]) == list(range(2_000))
        assert not set(group[first]) & set(group[second])

    def trial(place: int, score: np.ndarray) -> TuneTrial:
        value = float(average_precision_score(y, score))
        of_half = tuple(float(average_precision_score(y[rows], score[rows])) for rows in halves)
        return TuneTrial(place, {}, value, 0.0, of_half)

    alike = [trial(place, 0.5 * y + rng.normal(size=2_000)) for place in range(50)]
    assert max(one.value for one in alike) - alike[0].value > 0.015
    assert (
        abs(gain_elsewhere(alike))
        < 0.012
        < max(one.value for one in alike) - np.mean([o.value for o in alike])
    )
    better = [*alike, trial(50, 1.0 * y + rng.normal(size=2_000))]
    assert gain_elsewhere(better) > 0.1
    assert gain_elsewhere([replace(alike[0], parts=(0.5, None))]) is None
