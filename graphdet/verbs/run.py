"""run: the whole way from log files to the output folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from graphdet.casework.disclosure import Listener
from graphdet.casework.memory import Remembered, remember, settle_scores
from graphdet.config import Config, config_digest
from graphdet.detect.score import score_graph
from graphdet.errors import NotEnoughData, UsageError
from graphdet.files import make_folder
from graphdet.gnn.network import pick_device
from graphdet.graph.encode import read_graph
from graphdet.learn.digests import MODEL_DIGEST, model_digest
from graphdet.learn.insufficient import no_scores
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_score import score_labelled
from graphdet.learn.models import load_models
from graphdet.logs.labels import read_labels
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.progress import Clock, Progress, Silent
from graphdet.reports.run_facts import write_run_json
from graphdet.rings.find import ring_candidates
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import IngestResult, ingest
from graphdet.verbs.report import RUN_INFO, report
from graphdet.verbs.train import train

RECORDED_PACKAGES = (
    "duckdb",
    "narwhals",
    "numpy",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "torch",
    "torch-geometric",
    "igraph",
)
TOP_IN_SUMMARY = 20
NOT_ENOUGH = "not_enough_data"  # key of run.json: why no finding is possible
NO_MEANING = "There was not enough data to score anybody: every score is 0 and says nothing."


def run(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    *,
    store_url: str | None = None,
    labels: Path | None = None,
    fdr: float = 0.05,
    review: int | None = None,
    seed: int = 0,
    device: str = "auto",
    model_dir: Path | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ingest, train (unless `model_dir` holds a model), find rings, score users, write back and report.

    Returns a summary: counts, the top suspects and rings as rows, warnings, and the path of the report. A log
    too small to learn from gets the whole folder too: nobody is flagged, and report and warnings say why.

    Raises:
        GraphdetError and its children, as the verbs do.
    """
    progress = progress or Silent()
    given = read_labels(labels) if labels is not None else None
    of_users = given is not None and kind_of(given) == "user"
    if of_users and model_dir is not None:
        raise UsageError("--labels of users train a model and --model brings one: give one of the two")
    make_folder(out)
    clock = Clock()
    store = open_store(store_url or f"duckdb:///{(out / 'graph.duckdb').resolve()}")
    try:
        if given is not None and given.key == "event_id":
            store.events()  # a store that keeps none says so before the long work
        with clock.stage("ingest"):
            read = ingest(store, paths, config, rejects=out / "rejects.csv", progress=progress)
        learned: dict[str, Any] = {}
        said: list[str] = []
        if given is not None and not of_users:
            given, said = check_against(store, given)
        if model_dir is None:
            model_dir = out / "model"
            with clock.stage("train"):
                of_user = labels if of_users else None
                learned = _learn(store, model_dir, of_user, seed, device, progress)
        with clock.stage("read"):
            graph = read_graph(store, progress)
        if NOT_ENOUGH in learned:
            scores, known = settle_scores(no_scores(graph), remember(store, ()))
            known = replace(known, history=None)  # nobody looked for rings, so none is gone
        else:
            scores, known = _find(store, graph, model_dir, fdr, review, seed, device, clock, progress)
        labelled: dict[str, pa.Table] = {}
        if given is not None and not of_users:
            with clock.stage("score by labels"):
                labelled[kind_of(given)] = score_labelled(
                    store, graph, scores, given, fdr=fdr, review=review, seed=seed, progress=progress
                )
        del graph
        with clock.stage("write back"):
            progress.start("write scores and rings")
            store.write_scores(scores)
            store.write_rings(known.rings, known.history)
            store.write_labelled(labelled)
            progress.done()
        info = _about(store, read, config, learned, device, labels) | {
            "seed": seed, "fdr": fdr, "review": review, MODEL_DIGEST: model_digest(model_dir),
        }  # fmt: skip
        info["warnings"] += [*said, *known.lines()]
        info |= known.facts()
        store.set_meta(MODEL_DIGEST, info[MODEL_DIGEST] or "")
        store.set_meta(RUN_INFO, json.dumps(info))
        with clock.stage("report"):
            page = report(store, out, run_info=info, listener=listener, progress=progress)[0]
        info["stages"] = clock.stages
        info["versions"] = {name: version(name) for name in RECORDED_PACKAGES}
        write_run_json(out, info)
    finally:
        store.close()
    suspects = scores.filter(scores["flagged"]).slice(0, TOP_IN_SUMMARY).to_pylist()
    return {
        "counts": info["counts"],
        "suspects": suspects,
        "rings": known.rings.rings.filter(known.rings.rings["flagged"]).slice(0, TOP_IN_SUMMARY).to_pylist(),
        "warnings": [*info["warnings"], *_too_little(learned)],
        "report": str(page),
    }


def _learn(
    store: CaseworkStore, model_dir: Path, labels: Path | None, seed: int, device: str, progress: Progress
) -> dict[str, Any]:
    """Train and give the facts; of a log that is too small to learn from, NOT_ENOUGH says why."""
    try:
        return train(store, model_dir, labels=labels, seed=seed, device=device, progress=progress)
    except NotEnoughData as error:
        progress.done()  # the stage that was cut short
        return {"learned_from": "nothing", NOT_ENOUGH: str(error)}


def _too_little(learned: dict[str, Any]) -> list[str]:
    """The warning that a log was too small to learn from, if it was."""
    return [f"insufficient data: {learned[NOT_ENOUGH]}"] if NOT_ENOUGH in learned else []


def _find(
    store: CaseworkStore,
    graph: GraphArrays,
    model_dir: Path,
    fdr: float,
    review: int | None,
    seed: int,
    device: str,
    clock: Clock,
    progress: Progress,
) -> tuple[pa.Table, Remembered]:
    """Find rings and score users with a trained model."""
    models = load_models(model_dir)
    with clock.stage("candidates"):
        windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    with clock.stage("score"):
        return score_graph(
            store, graph, windows, candidates, models, fdr, review, device, progress, explained=True
        )


def _about(
    store: GraphStore,
    read: IngestResult,
    config: Config,
    learned: dict[str, Any],
    device: str,
    labels: Path | None,
) -> dict[str, Any]:
    """What the run says of itself, the same each time: see reports/run_facts.py for the keys."""
    span = store.interactions().select(
        nw.col("at_ms").min().alias("first_ms"), nw.col("at_ms").max().alias("last_ms")
    )
    return {
        "config": {**asdict(config), "digest": config_digest(config)},
        "inputs": [
            {"file": Path(file).name, "sha256": digest, "n_rows": n} for file, digest, n in read.files
        ],
        "n_rows": read.n_rows,
        "n_rejects": read.n_rejects,
        "rejects_by_reason": read.rejects_by_reason,
        "period": span.collect("pyarrow").to_native().to_pylist()[0],
        "counts": store.counts(),
        "device": str(pick_device(device)),
        "model": {key: value for key, value in learned.items() if key != NOT_ENOUGH} or "given",
        NOT_ENOUGH: learned.get(NOT_ENOUGH),
        "score_meaning": NO_MEANING if NOT_ENOUGH in learned else None,
        "labels": {"file": labels.name} if labels else None,
        "warnings": [*read.warnings, *learned.get("warnings", [])],
    }
