"""export: a trained model as something that scores accounts without torch, and what that costs in accuracy."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from graphdet.arrays import Float, Float32
from graphdet.errors import GraphdetError, UsageError
from graphdet.evaluation.columns import spearman
from graphdet.evaluation.splits import user_folds
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.files import explain_os_error, make_folder
from graphdet.gnn.inputs import closest_ties
from graphdet.graph.encode import read_graph
from graphdet.judge.model import RingJudge
from graphdet.learn.digests import model_digest
from graphdet.learn.scorers import USER_TREES, load_scorers
from graphdet.learn.user_trees import ARRAYS, load_user_trees
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.scores.trees import Trees, TreeSettings
from graphdet.serving.build import inputs_of
from graphdet.serving.inputs import TieTable
from graphdet.serving.network import DOCUMENT, EXPORTED, WEIGHTS, Network, load_network
from graphdet.serving.onnx_file import to_onnx
from graphdet.serving.packing import Form, Precision, pack, unpack
from graphdet.serving.student import STUDENT, Student, student_inputs

ONNX, EXPORT = "gnn.onnx", "export.json"
SCALING = ("user_scores", "item_scores", "session_scores")
TOP_LOGIT_SHARE = 0.01  # of accounts: are those with the highest logits still the same?
MOST_TAUGHT = 60_000  # accounts that the student learns from: half of them those with the highest logits
STUDENT_SETTINGS = TreeSettings(rounds=300, learning_rate=0.08, leaves=31)
N_STUDENT_FOLDS = 2
_CHUNK = 16_384


@dataclass(frozen=True)
class NetworkView:
    """A log as the network sees it: inputs float32[n_users, n_inputs], ties, a fold per account by its id int64[n]."""

    x: Float32
    ties: TieTable
    fold: NDArray[np.int64]


def export(
    model_dir: Path,
    out: Path,
    *,
    form: Form = Form.plain,
    precision: Precision = Precision.float32,
    store: GraphStore | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a model of users for serving, and measure on the log of a store, if one is given, what was lost.

    The folder is read by serving.build.account_scorer; what an earlier export left in it is replaced. A student is
    made from the log of the store, which it needs; its loss is measured out of fold: on accounts that it has not
    learned from. Returns the document that is also written as export.json.

    Raises:
        UsageError: the options do not go together, or `out` holds a trained model.
        GraphdetError: there is no trained model, it is damaged, or `out` cannot be written.
    """
    if (out / DOCUMENT).exists() and not (out / EXPORT).exists():
        raise UsageError(f"{out} holds a trained model, which would be lost: export into another folder")
    if out.resolve() == model_dir.resolve():
        raise UsageError(f"{out} is the model itself: export into another folder")
    if form == Form.student and store is None:
        raise UsageError("a student learns from a log: name its store with --store")
    if form != Form.plain and precision != Precision.float32:
        raise UsageError(f"--weights {precision} goes with --format plain, not with {form}")
    progress = progress or Silent()
    network, scorers, judge = load_network(model_dir), load_scorers(model_dir), RingJudge.load(model_dir)
    trees = load_user_trees(model_dir) if scorers.has_trees else None
    if form == Form.student and trees is not None:
        raise UsageError(
            "a student learns the mean of all networks, and labelled users must be judged by those that have not seen "
            "their labels: export a model of labels with --format plain"
        )
    seen = look_at(store, network, progress) if store is not None else None
    progress.start("export")
    make_folder(out)
    loss: dict[str, Any] | None = None
    try:
        for name in (DOCUMENT, WEIGHTS, ONNX, STUDENT, USER_TREES, ARRAYS):
            (out / name).unlink(missing_ok=True)
        scorers.save(out)
        if trees is not None:
            trees.save(out)
        judge.save(out)
        if form == Form.student:
            assert seen is not None  # for the type checker: checked above
            student, loss = teach(network, seen, seed)
            student.save(out, {name: network.about[name] for name in SCALING})
        else:
            written = _write_network(network, out, precision)
            if form == Form.onnx:
                (out / ONNX).write_bytes(to_onnx(network))
            if seen is not None:
                teacher = network.logits_of_all(seen.x, seen.ties)
                loss = lost(teacher, written.logits_of_all(seen.x, seen.ties))
        document = {
            "format": str(form),
            "weights": str(precision),
            "model_digest": model_digest(model_dir),
            "files": {
                path.name: path.stat().st_size for path in sorted(out.glob("*")) if path.name != EXPORT
            },
            "loss": loss,
        }
        (out / EXPORT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise explain_os_error(error, out) from error
    progress.done()
    return document


def look_at(store: GraphStore, network: Network, progress: Progress) -> NetworkView:
    """Read a log as the network sees it."""
    graph = read_graph(store, progress)
    windows = find_pairs(graph, store.bench, progress)
    users, items = behaviour(graph, store.bench, progress)
    found = closest_ties(graph, windows)
    x, _ = inputs_of(graph, users, items, found.n_partners, network.scaling)
    ties = TieTable.of(found.src, found.dst, found.attributes, graph.n_users)
    return NetworkView(x, ties, user_folds(graph.user_ids, N_STUDENT_FOLDS))


def lost(teacher: Float, other: Float) -> dict[str, Any]:
    """What other logits are off by. Shapes: both float64[n_users].

    rank_correlation is Spearman's; same_at_top the share of the 1 % with the highest logits that stay among them.
    """
    n_top = max(round(TOP_LOGIT_SHARE * len(teacher)), 1)
    tops = [set(np.lexsort((np.arange(len(each)), -each))[:n_top].tolist()) for each in (teacher, other)]
    off = np.abs(teacher - other)
    rank = float(spearman(np.column_stack([teacher, other]))[0, 1])
    return {
        "n_accounts": len(teacher),
        "max_abs_logit": round(float(off.max()), 6),
        "mean_abs_logit": round(float(off.mean()), 6),
        "rank_correlation": None if np.isnan(rank) else round(rank, 6),
        "same_at_top": round(len(tops[0] & tops[1]) / n_top, 4),
    }


def teach(network: Network, seen: NetworkView, seed: int = 0) -> tuple[Student, dict[str, Any]]:
    """Grow trees that give the network's logits, and what is lost on accounts of the other fold.

    Raises:
        GraphdetError: LightGBM cannot be loaded.
    """
    teacher = network.logits_of_all(seen.x, seen.ties)
    guessed = np.zeros(len(teacher))
    for k in range(N_STUDENT_FOLDS):
        trees = grow(teacher, seen, np.flatnonzero(seen.fold != k), seed)
        mine = np.flatnonzero(seen.fold == k)
        guessed[mine] = guess(trees, seen, mine)
    loss = lost(teacher, guessed)
    trees = grow(teacher, seen, np.arange(len(teacher)), seed)
    about = {"loss_out_of_fold": loss, "n_folds": N_STUDENT_FOLDS}
    return Student(trees, network.scaling, network.n_inputs, about), loss


def grow(teacher: Float, seen: NetworkView, rows: NDArray[np.int64], seed: int) -> Trees:
    """Learn the teacher's logits from some accounts, or of very many from those with the highest and a sample."""
    if len(rows) > MOST_TAUGHT:
        order = rows[np.argsort(-teacher[rows], kind="stable")]
        half = MOST_TAUGHT // 2
        rest = np.random.default_rng((seed, 7)).choice(order[half:], MOST_TAUGHT - half, replace=False)
        rows = np.sort(np.concatenate([order[:half], rest]))
    x = np.concatenate([_student_inputs(seen, part) for part in _chunks(rows)])
    return Trees.fit_values(x, teacher[rows], seed, STUDENT_SETTINGS)


def guess(trees: Trees, seen: NetworkView, rows: NDArray[np.int64]) -> Float:
    """The student's logits of some accounts, float64[len(rows)]."""
    return np.concatenate(
        [np.zeros(0), *(trees.logits(_student_inputs(seen, part)) for part in _chunks(rows))]
    )


def _student_inputs(seen: NetworkView, rows: NDArray[np.int64]) -> Float32:
    layer = seen.ties.layer(rows)
    return student_inputs(seen.x[layer.nodes], layer)


def _chunks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[k : k + _CHUNK] for k in range(0, max(len(rows), 1), _CHUNK)]


def _write_network(network: Network, out: Path, precision: Precision) -> Network:
    """Write gnn.json and gnn.safetensors; the network as it will be read."""
    flat = {
        f"{k}.{name}": value for k, member in enumerate(network.members) for name, value in member.items()
    }
    packed = pack(flat, precision)
    document = {key: value for key, value in network.about.items() if key not in ("history", "format")}
    document |= {"format": EXPORTED, "weights": str(precision)}
    try:
        save_file(packed, out / WEIGHTS)
    except SafetensorError as error:
        raise GraphdetError(f"cannot write {out / WEIGHTS}: {error}") from error
    (out / DOCUMENT).write_text(json.dumps(document, sort_keys=True) + "\n", encoding="utf-8")
    unpacked = unpack(packed)
    members = tuple(
        {name: unpacked[f"{k}.{name}"] for name in member} for k, member in enumerate(network.members)
    )
    return replace(network, members=members, about=document)
