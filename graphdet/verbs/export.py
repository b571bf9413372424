"""export: a trained model as something that scores accounts without torch, and what that costs in accuracy."""

import json
from pathlib import Path
from typing import Any

from graphdet.errors import UsageError
from graphdet.files import explain_os_error, make_folder, replacing, write_text
from graphdet.judge.model import RingJudge
from graphdet.lab.models import CARD
from graphdet.learn.digests import model_digest
from graphdet.learn.scorers import USER_TREES, load_scorers
from graphdet.learn.user_trees import ARRAYS, load_user_trees
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.serving.network import DOCUMENT, EXPORTED, WEIGHTS, first_alone, load_network, write_network
from graphdet.serving.onnx_file import to_onnx
from graphdet.serving.packing import Form, Precision
from graphdet.serving.student import STUDENT
from graphdet.serving.teaching import logit_loss, network_view, teach

ONNX, EXPORT = "gnn.onnx", "export.json"
SCALING = ("user_scores", "item_scores", "session_scores")


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
    _check(model_dir, out, form, precision, store)
    progress = progress or Silent()
    network, scorers, judge = load_network(model_dir), load_scorers(model_dir), RingJudge.load(model_dir)
    trees = load_user_trees(model_dir) if scorers.has_trees else None
    if form in (Form.student, Form.pruned) and trees is not None:
        raise UsageError(
            f"{form} has no network of its own for each fold, and labelled users must be judged by those that have not "
            "seen their labels: export a model of labels with --format plain"
        )
    view = network_view(store, network, progress) if store is not None else None
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
            assert view is not None  # for the type checker: checked above
            student, loss = teach(network, view, seed)
            student.save(out, {name: network.about[name] for name in SCALING})
        else:
            kept = first_alone(network) if form == Form.pruned else network
            written = write_network(kept, out, precision)
            if form == Form.onnx:
                with replacing(out / ONNX) as temporary:
                    temporary.write_bytes(to_onnx(network))
            if view is not None:
                teacher = network.logits_of_all(view.x, view.ties)
                loss = logit_loss(teacher, written.logits_of_all(view.x, view.ties))
        document = {
            "format": str(form),
            "weights": str(precision),
            "model_digest": model_digest(model_dir),
            "files": {
                path.name: path.stat().st_size for path in sorted(out.glob("*")) if path.name != EXPORT
            },
            "loss": loss,
        }
        write_text(out / EXPORT, json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise explain_os_error(error, out) from error
    progress.done()
    return document


def _holds_trained(out: Path) -> bool:
    """Whether a folder has a model that train or run made, and not what an export, or the start of one, left."""
    if (out / EXPORT).exists():
        return False
    try:
        document = json.loads((out / DOCUMENT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return (
            out / CARD
        ).exists()  # nothing was trained but the model is kept: the judge and what scores by rarity
    except (OSError, ValueError):
        return True
    return not isinstance(document, dict) or document.get("format") != EXPORTED


def _check(model_dir: Path, out: Path, form: Form, precision: Precision, store: GraphStore | None) -> None:
    if _holds_trained(out):
        raise UsageError(f"{out} holds a trained model, which would be lost: export into another folder")
    if out.resolve() == model_dir.resolve():
        raise UsageError(f"{out} is the model itself: export into another folder")
    if form == Form.student and store is None:
        raise UsageError("a student learns from a log: name its store with --store")
    if form not in (Form.plain, Form.pruned) and precision != Precision.float32:
        raise UsageError(f"--weights {precision} goes with --format plain or pruned, not with {form}")
