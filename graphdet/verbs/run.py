"""run: the whole way from log files to the output folder."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.casework.disclosure import Listener
from graphdet.casework.memory import Remembered, remember, settle_scores
from graphdet.config import Config, config_digest
from graphdet.detect.score import ScoringSettings, score_graph
from graphdet.errors import NotEnoughData, UsageError
from graphdet.evaluation.flag_rule import DEFAULT_FDR, FlagRule
from graphdet.files import make_folder
from graphdet.graph.encode import read_graph
from graphdet.learn.digests import MODEL_DIGEST, model_digest
from graphdet.learn.insufficient import no_scores
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_score import score_labelled
from graphdet.learn.models import load_models
from graphdet.learn.user_labels import given_labels
from graphdet.logs.labels import Labels, read_labels
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.progress import Clock, Progress, Silent, StepsShown
from graphdet.reports.run_facts import write_run_json
from graphdet.rings.find import ring_candidates
from graphdet.store import opened_store
from graphdet.tables import GraphArrays
from graphdet.verbs.forecast import RunForecast, Work
from graphdet.verbs.forget import retention, retention_lines
from graphdet.verbs.ingest import IngestResult, ingest
from graphdet.verbs.report import RUN_INFO, Asked, report
from graphdet.verbs.train import TrainRequest, train, without_training

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
WHEN_TO_TRAIN = ("auto", "never", "always")  # whether networks are trained on the log before it is scored
TRAINING_SKIPPED = "training_skipped"  # key of run.json's model: why nothing was trained
NOT_ENOUGH = "not_enough_data"  # key of run.json: why no finding is possible
NO_MEANING = "There was not enough data to score anybody: every score is 0 and says nothing."


@dataclass(frozen=True)
class RunRequest:
    """How to run.

    store_url: where the graph is kept; None: in the output folder. labels: a file of them. fdr, review: who is flagged,
    see FlagRule. device: "auto", "cpu" or "cuda". model_dir: a trained model; None trains one, if `train` (one of
    WHEN_TO_TRAIN) says so: "auto" where it pays, see untrained_because.
    raw_csv: the tables once more in raw/, ids exactly as the log has them. fresh: the store forgets what it held of
    logs and findings.

    Raises:
        UsageError: fdr, review or train is out of range.
    """

    store_url: str | None = None
    labels: Path | None = None
    fdr: float = DEFAULT_FDR
    review: int | None = None
    seed: int = 0
    device: str = "auto"
    model_dir: Path | None = None
    train: str = WHEN_TO_TRAIN[0]
    raw_csv: bool = False
    fresh: bool = False

    def __post_init__(self) -> None:
        FlagRule(self.fdr, self.review)  # checks them
        if self.train not in WHEN_TO_TRAIN:
            raise UsageError(f"train must be one of {', '.join(WHEN_TO_TRAIN)}, not {self.train!r}")

    @property
    def rule(self) -> FlagRule:
        """Who is flagged."""
        return FlagRule(self.fdr, self.review)


def run(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    request: RunRequest | None = None,
    *,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Ingest, train (unless a model is given), find rings, score users, write back and report.

    listener: hears of the report that is written. changes: fields of the request by name.

    Returns a summary: counts, what became of the rows, the top suspects and rings as rows, how many there are in all,
    warnings, the path of the report, and why training was skipped, if it was. A log too small to learn from gets the
    whole folder too: nobody is flagged, and report and warnings say why.

    Raises:
        GraphdetError and its children, as the verbs do.
    """
    request, clock = replace(request or RunRequest(), **changes), Clock()
    model_dir = request.model_dir
    given = read_labels(request.labels) if request.labels is not None else None
    of_users = given is not None and kind_of(given) == "user"
    if of_users and model_dir is not None:
        raise UsageError("--labels of users train a model and --model brings one: give one of the two")
    if of_users and request.train == "never":
        raise UsageError("--labels of users train a model, and --train never forbids it: give one of the two")
    make_folder(out)
    progress = steps = _in_steps(progress or Silent(), clock, request, given)
    with opened_store(request.store_url or f"duckdb:///{(out / 'graph.duckdb').resolve()}") as store:
        if given is not None and given.key == "event_id":
            store.events()  # a store that keeps none says so before the long work
        with clock.stage("ingest"):
            rejects = out / "rejects.csv"
            read = ingest(store, paths, config, rejects=rejects, fresh=request.fresh, progress=progress)
            notes = retention_lines(retention(store, config.retention, "graphdet run"))
        learned, labelled = dict[str, Any](), dict[str, pa.Table]()
        if given is not None and not of_users:
            given, found = check_against(store, given)
            notes += found
        wanted = TrainRequest(given if of_users else None, seed=request.seed, device=request.device)
        why = untrained_because(store, request.train, wanted, timed=read.timed)
        work = Work(model_dir is None and why is None, model_dir is None, given is not None and not of_users)
        steps.left = (forecast := RunForecast(store, work)).left
        with clock.stage("read"):
            graph = read_graph(store, progress)
        if model_dir is None:
            model_dir = out / "model"
            with clock.stage("train"):
                learned = _learn(store, graph, model_dir, wanted, why, progress)
        if NOT_ENOUGH in learned:
            scores, known = settle_scores(no_scores(graph), remember(store, ()))
            known = replace(known, history=None)  # nobody looked for rings, so none is gone
        else:
            scores, known = _find(store, graph, model_dir, request, clock, progress)
        if given is not None and not of_users:
            with clock.stage("score by labels"):
                labelled[kind_of(given)] = score_labelled(
                    store, graph, scores, given, rule=request.rule, seed=request.seed, progress=progress
                )
        del graph
        with clock.stage("write back"):
            _write_back(store, scores, known, labelled, progress)
        info = _about(store, read.whole, config, learned, request) | {
            "seed": request.seed, "fdr": request.fdr, "review": request.review, MODEL_DIGEST: model_digest(model_dir),
        }  # fmt: skip
        info["warnings"] += [*notes, *known.lines()]
        info |= known.facts()
        store.set_meta(MODEL_DIGEST, info[MODEL_DIGEST] or "")
        store.set_meta(RUN_INFO, json.dumps(info))
        with clock.stage("report"):
            asked = Asked(raw_csv=request.raw_csv)
            page = report(store, out, asked=asked, run_info=info, listener=listener, progress=progress)[0]
        info |= {"stages": clock.stages, "versions": _versions()}
        write_run_json(out, info)
        forecast.keep(clock)
    return _totals(scores, known, info) | {
        "counts": info["counts"],
        "rows": read.whole.rows,
        "suspects": _top(scores),
        "rings": _top(known.rings.rings),
        "warnings": [*info["warnings"], *_too_little(learned)],
        "report": str(page),
        "training": f"skipped: {learned[TRAINING_SKIPPED]}" if TRAINING_SKIPPED in learned else None,
    }


def _in_steps(progress: Progress, clock: Clock, request: RunRequest, given: Labels | None) -> StepsShown:
    """Progress that counts the stages of a run; a log that is too small to learn from skips two of them."""
    further = given is not None and kind_of(given) != "user"
    return StepsShown(progress, clock, 6 + (request.model_dir is None) + further)


def _totals(scores: pa.Table, known: Remembered, info: Mapping[str, Any]) -> dict[str, Any]:
    """How many suspects of how many users, rings and leads there are; of nothing, what would have been seen."""
    from graphdet.reports.report_page import command_for_power, nothing_found

    n_suspects, n_rings = (pc.sum(t["flagged"]).as_py() or 0 for t in (scores, known.rings.rings))
    n_leads = sum(not ring.flagged for ring in known.findings)
    found = {"n_users": scores.num_rows, "n_suspects": n_suspects, "n_rings": n_rings, "n_leads": n_leads}
    nothing = not (n_suspects or n_rings or info[NOT_ENOUGH])
    return found | {"would_be_seen": [*nothing_found(info), command_for_power(info)] if nothing else []}


def _top(table: pa.Table) -> list[dict[str, Any]]:
    """The first rows that are flagged."""
    rows: list[dict[str, Any]] = table.filter(table["flagged"]).slice(0, TOP_IN_SUMMARY).to_pylist()
    return rows


def _write_back(
    store: CaseworkStore,
    scores: pa.Table,
    known: Remembered,
    labelled: dict[str, pa.Table],
    progress: Progress,
) -> None:
    progress.start("write scores and rings")
    store.write_scores(scores)
    store.write_rings(known.rings, known.history)
    store.write_labelled(labelled)
    progress.done()


def untrained_because(store: CaseworkStore, how: str, request: TrainRequest, *, timed: bool) -> str | None:
    """Why nothing is trained, in words; None: training it is.

    how: one of WHEN_TO_TRAIN. With "auto" a log with times, labels of users or verdicts is trained on, where torch is
    installed or labels of users ask for it. Campaigns that
    are planted into a log without times teach a network nothing that holds: real accounts were ranked better without
    (docs/laboratory/real-worlds.md), and the judge of rings adapts to logs with times alone.
    """
    if how == "never":
        return "--train never"
    if how == "auto" and request.labels is None and find_spec("torch") is None:
        return "torch is not installed; pip install 'graphdet[gnn]' to train networks on the log"
    if how == "always" or timed or request.labels is not None or given_labels(store, None).verdicts.label:
        return None
    return "the log has no times, and what is planted into such a log teaches little; use --train always to do it"


def _device(learned: dict[str, Any], name: str) -> str:
    """Where networks run; on the CPU where there is none, and then torch, which takes seconds, is not imported."""
    if TRAINING_SKIPPED in learned or NOT_ENOUGH in learned or find_spec("torch") is None:
        return "cpu"
    from graphdet.gnn.network import pick_device

    return str(pick_device(name))


def _versions() -> dict[str, str]:
    """The versions of the packages that decide figures, of those that are installed."""
    found = {}
    for name in RECORDED_PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _learn(
    store: CaseworkStore,
    graph: GraphArrays,
    model_dir: Path,
    request: TrainRequest,
    untrained: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train and give the facts; of a log that is too small to learn from, NOT_ENOUGH says why.

    untrained: why nothing is to be trained, None to train.
    """
    try:
        if untrained is not None:
            facts = without_training(store, graph, model_dir, seed=request.seed, progress=progress)
            return facts | {TRAINING_SKIPPED: untrained}
        return train(store, model_dir, request, progress, graph)
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
    request: RunRequest,
    clock: Clock,
    progress: Progress,
) -> tuple[pa.Table, Remembered]:
    """Find rings and score users with a trained model."""
    models = load_models(model_dir)
    with clock.stage("candidates"):
        windows, candidates = ring_candidates(graph, store.bench, request.seed, progress)
    with clock.stage("score"):
        settings = ScoringSettings(request.rule, request.device, explained=True)
        return score_graph(store, graph, windows, candidates, models, settings, progress)


def _about(
    store: GraphStore,
    read: IngestResult,
    config: Config,
    learned: dict[str, Any],
    request: RunRequest,
) -> dict[str, Any]:
    """What the run says of itself, the same each time: see reports/run_facts.py for the keys."""
    period: dict[str, int | None] = {"first_ms": None, "last_ms": None}  # as it stays in a log without times
    if read.timed:
        ends = (nw.col("at_ms").min().alias("first_ms"), nw.col("at_ms").max().alias("last_ms"))
        period = store.interactions().select(*ends).collect("pyarrow").to_native().to_pylist()[0]
    return {
        "config": {**asdict(config), "digest": config_digest(config)},
        "inputs": [
            {"file": Path(file).name, "sha256": digest, "n_rows": n} for file, digest, n in read.files
        ],
        **read.rows,
        "rejects_by_reason": read.rejects_by_reason,
        "period": period,
        "counts": store.counts(),
        "device": _device(learned, request.device),
        "model": {key: value for key, value in learned.items() if key != NOT_ENOUGH} or "given",
        NOT_ENOUGH: learned.get(NOT_ENOUGH),
        "score_meaning": NO_MEANING if NOT_ENOUGH in learned else None,
        "labels": {"file": request.labels.name} if request.labels else None,
        "warnings": [*read.warnings, *learned.get("warnings", [])],
    }
