"""Serving without torch: the network in NumPy and ONNX, packed weights, damaged files; on random networks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from graphdet.clustering.centres import NormalScores
from graphdet.errors import GraphdetError, InputError
from graphdet.features.behaviour import FEATURE_NAMES
from graphdet.gnn.network import TrainedGnn, build, infer
from graphdet.gnn.sampling import TieIndex
from graphdet.gnn.settings import GnnSettings
from graphdet.serving.accounts import N_ENTITY_FEATURES
from graphdet.serving.acts import AccountActs, NewAct, parse_acts, with_new
from graphdet.serving.inputs import OwnTies, TieTable
from graphdet.serving.network import DOCUMENT, WEIGHTS, load_network
from graphdet.serving.onnx_file import to_onnx
from graphdet.serving.packing import Precision, pack, unpack

N, N_INPUTS, N_ATTRIBUTES = 120, 9, 5
CLOSE = 1e-5


def trained(seed: int = 0, n_attributes: int = N_ATTRIBUTES) -> TrainedGnn:
    """Two networks with random weights, norms and scalings."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    settings = GnnSettings(width=16, n_gates=4)
    nets = []
    for _ in range(2):
        net = build(settings, N_INPUTS, n_attributes)
        for layer in net.rounds:
            torch.nn.init.normal_(layer.norm.weight)
            torch.nn.init.normal_(layer.norm.bias)
        nets.append(net.eval())
    ranks = NormalScores.fit(rng.normal(size=(50, 3)))
    mean = rng.normal(size=n_attributes).astype(np.float32)
    std = rng.uniform(0.5, 2, n_attributes).astype(np.float32)
    return TrainedGnn(settings, tuple(nets), ranks, ranks, ranks, mean, std)


def random_graph(seed: int) -> tuple[np.ndarray, TieTable, np.ndarray]:
    """Inputs and ties of N accounts, the last of which neither speak nor listen; (src, dst) of the ties."""
    rng = np.random.default_rng(seed)
    key = np.unique(rng.integers(0, (N - 20) * N, 500))
    dst, src = key // N, key % N
    kept = src < N - 20
    src, dst = src[kept], dst[kept]
    attributes = rng.normal(size=(len(src), N_ATTRIBUTES)).astype(np.float32)
    x = rng.normal(size=(N, N_INPUTS)).astype(np.float32)
    return x, TieTable.of(src, dst, attributes, N), np.stack([src, dst])


def by_torch(model: TrainedGnn, x: np.ndarray, ties: TieTable, edges: np.ndarray) -> np.ndarray:
    scaled = torch.from_numpy((ties.attributes - model.tie_mean) / model.tie_std)
    index = TieIndex(torch.from_numpy(edges), scaled, N)
    return np.mean([infer(net, x, index, torch.device("cpu"))[0] for net in model.members], axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_numpy_gives_the_logits_of_torch_whole_and_one_by_one(seed: int, tmp_path: Path) -> None:
    model = trained(seed)
    model.save(tmp_path)
    network = load_network(tmp_path)
    x, ties, edges = random_graph(seed)
    wanted = by_torch(model, x, ties, edges)
    assert np.abs(network.logits_of_all(x, ties) - wanted).max() < CLOSE
    for row in range(N):
        layers = ties.around(row, network.n_rounds)
        assert layers[0].nodes[0] == row
        assert network.logits(x[layers[0].nodes], layers)[0] == pytest.approx(wanted[row], abs=CLOSE)


def test_a_network_without_ties_scores_accounts_alone(tmp_path: Path) -> None:
    model = trained(n_attributes=0)
    model.save(tmp_path)
    network = load_network(tmp_path)
    assert network.n_rounds == 0
    x = np.random.default_rng(0).normal(size=(7, N_INPUTS)).astype(np.float32)
    with torch.no_grad():
        wanted = np.mean([net(torch.from_numpy(x), ()).numpy() for net in model.members], axis=0)
    assert np.abs(network.logits(x, ()) - wanted).max() < CLOSE


def test_own_ties_take_the_place_of_those_of_the_table(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path)
    network = load_network(tmp_path)
    x, ties, edges = random_graph(0)
    src, dst = edges
    row = int(np.bincount(dst).argmax())
    others = dst != row
    new_src = np.arange(3) + (row < 3) * 3
    new = OwnTies(new_src, np.ones((3, N_ATTRIBUTES), np.float32))
    all_src, all_dst = np.r_[src[others], new_src], np.r_[dst[others], np.full(3, row)]
    attributes = np.concatenate([ties.attributes[others], new.attributes])
    order = np.lexsort((all_src, all_dst))
    changed = TieTable.of(all_src[order], all_dst[order], attributes[order], N)
    layers = ties.around(row, 2, new)
    wanted = network.logits_of_all(x, changed)[row]
    assert network.logits(x[layers[0].nodes], layers)[0] == pytest.approx(wanted, abs=CLOSE)
    # A stranger to the log, who listens to the same three: the same logit as an account that nobody listens to.
    stranger = ties.around(N, 2, new)
    assert stranger[0].nodes[0] == N
    grown = TieTable.of(
        np.r_[src, new_src],
        np.r_[dst, np.full(3, N)],
        np.concatenate([ties.attributes, new.attributes]),
        N + 1,
    )
    own = np.full((1, N_INPUTS), 0.5, np.float32)
    inputs = np.concatenate([x, own])
    wanted = network.logits_of_all(inputs, grown)[N]
    assert network.logits(inputs[stranger[0].nodes], stranger)[0] == pytest.approx(wanted, abs=CLOSE)


@pytest.mark.parametrize("precision", list(Precision))
def test_packed_weights_come_back_within_half_a_step(precision: Precision) -> None:
    weights = {"a.weight": np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)}
    weights |= {"a.bias": np.array([0.1, -3.0], np.float32), "zero.weight": np.zeros((2, 2), np.float32)}
    packed = pack(weights, precision)
    found = unpack(packed)
    assert found.keys() == weights.keys()
    most = np.abs(weights["a.weight"]).max(axis=1, keepdims=True)
    step = {"float32": 0.0, "float16": 2.0**-11, "int8": 0.5 / 127}[precision]
    assert (np.abs(found["a.weight"] - weights["a.weight"]) <= step * most * 1.001).all()
    assert (found["zero.weight"] == 0).all()
    assert packed["a.weight"].dtype == np.dtype(str(precision))


def test_onnx_gives_the_same_logits(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = trained()
    model.save(tmp_path)
    network = load_network(tmp_path)
    x, ties, (src, dst) = random_graph(0)
    session = runtime.InferenceSession(to_onnx(network), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": x, "listener": dst, "speaker": src, "tie": ties.attributes})[0]
    assert np.abs(found - network.logits_of_all(x, ties)).max() < CLOSE
    none = np.zeros(0, np.int64)
    alone = session.run(None, {"x": x, "listener": none, "speaker": none, "tie": ties.attributes[:0]})[0]
    wanted = network.logits_of_all(x, TieTable.of(none, none, ties.attributes[:0], N))
    assert np.abs(alone - wanted).max() < CLOSE


@pytest.mark.slow
def test_serving_loads_no_torch() -> None:
    code = (
        "import sys, graphdet.serving.build, graphdet.verbs.export, graphdet.cli.main\n"
        "sys.exit(any(name.split('.')[0] in ('torch', 'torch_geometric') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def cut_short(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def no_json(folder: Path) -> None:
    (folder / DOCUMENT).write_text("{")


def other_format(folder: Path) -> None:
    (folder / DOCUMENT).write_text('{"format": 99}')


def lacking(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["1.head.3.bias"]
    save_file(tensors, folder / WEIGHTS)


def other_shape(folder: Path) -> None:
    document = json.loads((folder / DOCUMENT).read_text())
    document["n_inputs"] += 1
    (folder / DOCUMENT).write_text(json.dumps(document))


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (cut_short, "cannot be read"),
        (no_json, "cannot be read"),
        (other_format, "unknown format"),
        (lacking, "1.head.3.bias"),
        (other_shape, "has shape"),
        (no_weights, "is missing; run train or export"),
    ],
)
def test_a_damaged_folder_is_told_as_such(damage, wanted: str, tmp_path: Path) -> None:
    trained().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(GraphdetError, match=wanted) as caught:
        load_network(tmp_path)
    assert str(tmp_path) in str(caught.value)


OLD = AccountActs(
    *(np.array(v) for v in ([0, 1], [0, 0], [0, 0], [1_000, 61_000], [2, 1])), np.zeros(2, bool)
)


def acts_of(*new: NewAct) -> list[tuple[int, ...]]:
    found = with_new(OLD, ["s0"], new, {"a": 0, "b": 1}, ("view",))
    return list(
        zip(
            *(c.tolist() for c in (found.item, found.session, found.action, found.at_ms, found.n)),
            strict=True,
        )
    )


def test_new_acts_join_interactions_and_sessions() -> None:
    assert acts_of(NewAct("a", 62_000, session_id="s0")) == [(0, 0, 0, 1_000, 3), (1, 0, 0, 61_000, 1)]
    assert acts_of(NewAct("b", 70_000))[1] == (1, 0, 0, 61_000, 2)  # within the gap: the same session
    late = 61_000 + 1_800_001
    assert acts_of(NewAct("b", late))[2] == (1, 1, 0, late, 1)  # a session of its own
    assert acts_of(NewAct("new", 62_000, "buy"), NewAct("newer", 62_001))[2:] == [
        (2, 0, 1, 62_000, 1),
        (3, 0, 0, 62_001, 1),
    ]


def test_what_acts_do_not_change_are_the_last_features() -> None:
    assert FEATURE_NAMES[-N_ENTITY_FEATURES:] == ("n_entities", "entity_users_log_max")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({}, "must be a list"),
        ([1], "act 0 of the list is no object"),
        ([{"item_id": "a", "at_ms": 1}, {"item_id": "a"}], "act 1 of the list needs at_ms"),
        ([{"item_id": "", "at_ms": 1}], "needs item_id"),
        ([{"item_id": "a", "at_ms": 1.5}], "needs at_ms"),
        ([{"item_id": "a", "at_ms": True}], "needs at_ms"),
        ([{"item_id": "a", "at_ms": 1, "when": 2}], "unknown key 'when'"),
        ([{"item_id": "a", "at_ms": 1, "action": 3}], "are texts"),
    ],
)
def test_bad_acts_are_named(found: object, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        parse_acts(found)
