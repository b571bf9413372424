"""Regularisation, optimisers, schedules and early stopping of the GNN do what they say; wrong settings are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from graphdet.errors import ConfigError, InputError
from graphdet.gnn.folds import user_folds
from graphdet.gnn.layers import RingNet
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.settings import LEARNING_RATES, SCHEDULES, GnnSettings
from graphdet.gnn.training import (
    Examples,
    l1_norm,
    make_optimiser,
    make_schedule,
    train_gnn,
    train_member,
    watched_users,
)
from graphdet.learn.train_settings import load_train_settings, parse_train_settings

SMALL = GnnSettings(
    width=8,
    n_gates=2,
    input_dropout=0.1,
    robustness=0.0,
    n_steps=80,
    batch_size=64,
    eval_every=20,
    positive_share=0.3,
)


def world(n: int = 160) -> tuple[HeteroData, np.ndarray]:
    """Users without ties of whom every fourth differs in one feature."""
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 4 == 0).astype(int)
    data = HeteroData()
    x = rng.normal(size=(n, 3))
    x[:, 1:] += 4 * y[:, None]
    data["user"].x = torch.tensor(x, dtype=torch.float32)
    for kind in ("item", "session"):
        data[kind].x = torch.tensor(rng.normal(size=(n, 2)), dtype=torch.float32)
    rows = torch.arange(n)
    data["user", "started", "session"].edge_index = torch.stack([rows, rows])
    data["session", "acted", "item"].edge_index = torch.stack([rows, rows])
    return data, y


def trained(settings: GnnSettings) -> tuple[float, float, int]:
    """Average precision out of fold, mean L1 norm of the networks, evaluations of the first fold."""
    data, y = world()
    model = train_gnn(data, y, np.where(y == 1, np.arange(len(y)), -1), settings, device="cpu")
    norm = float(np.mean([l1_norm(net).item() for net in model.members]))
    n = sum(row["fold"] == 0 for row in model.history)
    return float(average_precision_score(y, model.out_of_fold)), norm, n


@pytest.mark.parametrize("optimiser", list(LEARNING_RATES))
def test_every_optimiser_learns_at_its_own_rate(optimiser: str) -> None:
    settings = parse_train_settings({"gnn": {"optimiser": optimiser}}, "test").gnn
    assert settings.learning_rate == LEARNING_RATES[optimiser]
    found, _, _ = trained(replace(SMALL, optimiser=optimiser, learning_rate=settings.learning_rate))
    assert found > 0.8  # a quarter by chance


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_learns_and_ends_where_it_should(schedule: str) -> None:
    settings = replace(SMALL, schedule=schedule, learning_rate=0.02)
    found, _, _ = trained(settings)
    assert found > 0.8
    net = torch.nn.Linear(2, 1)
    optimiser = make_optimiser(settings, net)
    steps = make_schedule(settings, optimiser)
    rates = []
    for _ in range(settings.n_steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        steps.step()
    assert max(rates) == pytest.approx(settings.learning_rate, rel=0.02)
    assert rates[0] < rates[8]  # it warms up
    ends = {"one_cycle": 0.001, "constant": 1, "cosine": 0.001, "step": 0.01, "exponential": 0.01}
    assert rates[-1] / settings.learning_rate == pytest.approx(ends[schedule], abs=0.002)


@pytest.mark.slow
def test_penalties_shrink_weights() -> None:
    _, plain, _ = trained(replace(SMALL, weight_decay=0.0))
    _, lasso, _ = trained(replace(SMALL, weight_decay=0.0, l1=0.01))
    _, ridge, _ = trained(replace(SMALL, weight_decay=5.0))
    assert lasso < 0.8 * plain
    assert ridge < 0.8 * plain


def test_dropout_is_that_of_the_network() -> None:
    net = RingNet(4, 0, 8, 2, 0, 0.25, 0.4)
    found = [module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    assert found == [0.4, 0.25, 0.25]


def test_early_stopping_stops() -> None:
    settings = replace(SMALL, n_steps=100, eval_every=5, learning_rate=1e-7)
    _, _, patient = trained(replace(settings, patience=100))
    _, _, hasty = trained(replace(settings, patience=2))
    assert patient == 20
    assert hasty < 10


def test_labels_of_the_held_out_have_no_say_in_their_network() -> None:
    """Neither in its weights nor in when it stops: whatever they are, it is the same bytes."""
    data, y = world()
    group = np.where(y == 1, np.arange(len(y)), -1)
    held_out = np.arange(len(y)) // 4 % 2 == 0
    settings = replace(SMALL, n_steps=60, eval_every=5, patience=100)
    prepared = train_gnn(data, y, group, replace(settings, n_steps=1), device="cpu").prepare(data)
    found = []
    for labels in (y, np.where(held_out, 1 - y, y)):
        watched = watched_users(labels, group, held_out, settings.watched_share, 0)
        assert 0 < watched.sum() < (~held_out).sum() / 3
        assert not (watched & held_out).any()
        assert {0, 1} == set(y[watched].tolist())
        examples = Examples(*prepared, labels)
        found.append(train_member(examples, held_out, watched, settings, 0, torch.device("cpu")))
    (one, history), (other, again) = found
    assert history == again
    assert len({row["average_precision"] for row in history}) > 1
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, other.state_dict()[name])


def test_too_few_to_watch_take_all_steps() -> None:
    settings = replace(SMALL, n_steps=60, eval_every=20, patience=1)
    data, y = world(24)  # three groups of frauds outside either fold, of which a fifth is nobody
    model = train_gnn(data, y, np.where(y == 1, np.arange(len(y)), -1), settings, device="cpu")
    assert [row["step"] for row in model.history] == [20, 40, 60] * 2
    assert all("average_precision" not in row for row in model.history)


def test_settings_are_read_from_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[gnn]\noptimiser = "momentum"\nschedule = "cosine"\nl1 = 1e-5\nfan_outs = [8, 2]\n'
    )
    (tmp_path / "s.json").write_text(
        '{"gnn": {"optimiser": "momentum", "schedule": "cosine", "l1": 1e-5, "fan_outs": [8, 2]}}'
    )
    one, other = (load_train_settings(tmp_path / name) for name in ("s.toml", "s.json"))
    assert one == other
    assert one.gnn == replace(
        GnnSettings(), optimiser="momentum", schedule="cosine", l1=1e-5, fan_outs=(8, 2), learning_rate=0.05
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[gnn]\nlearnin_rate = 1", "did you mean 'learning_rate'"),
        ("[model]\na = 1", r"unknown table or key \[model\]"),
        ("gnn = 3", "gnn must be a table"),
        ('[gnn]\noptimiser = "rmsprop"', "one of adamw, adam, momentum, sgd"),
        ('[gnn]\nschedule = "linear"', "one of one_cycle"),
        ("[gnn]\ndropout = 1.5", "dropout must be a number from 0 to 0.95, not 1.5"),
        ("[gnn]\nn_steps = 1.5", "n_steps must be a whole number"),
        ("[gnn]\nl1 = nan", "l1 must be a number"),
        ("[gnn]\nwidth = true", "width must be a whole number"),
        ("[gnn]\nwidth = 9", "multiple of n_gates"),
        ("[gnn]\nfan_outs = [1]", "one number for each of the 2 rounds"),
        ('[gnn]\nfan_outs = "4"', "list of whole numbers"),
        ("[gnn", "cannot be read"),
    ],
)
def test_wrong_settings_are_told(text: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ConfigError, match=wanted):
        load_train_settings(tmp_path / "s.toml")


def test_clean_users_in_one_fold_only_are_told() -> None:
    data, y = world()
    group = np.where(y == 1, np.arange(len(y)), -1)
    first = np.flatnonzero((y == 0) & (user_folds(y, group, SMALL.n_folds, 0) == 0))[:5]
    given = np.where(y == 1, 1, -1)
    given[first] = 0
    with pytest.raises(InputError, match="clean users in at least two folds"):
        train_gnn(data, given, group, SMALL, device="cpu")
