"""graphdet as a library: what `import graphdet` offers.

    findings = graphdet.run(frame)              # a log of pandas, polars, pyarrow or DuckDB, or paths of files
    findings = graphdet.open("findings")        # what an earlier run, or the command line, left
    findings.suspects, findings.rings, findings.leads
    ring = findings.ring("R0001")
    ring.members, ring.items, ring.events, ring.reasons, ring.counter_evidence, ring.to_networkx()
    findings.graph(users=[…], hops=2)           # PyG HeteroData

Everything here calls the verbs of the command line; a frame says what a file of the same rows says. Times in frames are
`datetime64` in UTC. All errors are children of `graphdet.GraphdetError`.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from graphdet.config import Config, load_config, parse_config
from graphdet.errors import GraphdetError, UsageError
from graphdet.findings import Evaluation, Findings, Ring, Simulation, opened, to_pandas
from graphdet.logs.frames import to_arrow, write_frame
from graphdet.progress import Progress, Silent
from graphdet.sheets import safe_column
from graphdet.verbs.init import config_of_names

if TYPE_CHECKING:
    from graphdet.verbs.simulate import Made

__all__ = ["Evaluation", "Findings", "Ring", "Simulation", "evaluate", "open", "run", "simulate"]

GRAPH = "graph.duckdb"  # the store in the folder of a run
ConfigLike = Config | Mapping[str, Any] | str | Path | None


def run(
    log: Any,
    config: ConfigLike = None,
    *,
    out: str | Path | None = None,
    store: str | None = None,
    labels: Any = None,
    fdr: float | None = None,
    review: int | None = None,
    seed: int = 0,
    device: str = "auto",
    model: str | Path | None = None,
    train: str = "auto",
    progress: Progress | None = None,
) -> "Findings":
    """Find suspects and rings in a log, as `graphdet run` does.

    A frame with columns named user_id, item_id and timestamp needs no config; session_id, action, event_id, amount,
    quantity, text, item_name, device_id and ip are used where they are there. The unit of the times is told from their
    type; numbers are taken where they lie between 1990 and 2100 in one unit alone (s, ms or us). What was assumed is in
    `Findings.warnings`.

    Args:
        log: a DataFrame of pandas or polars, a pyarrow Table, a DuckDB relation; or a path, a glob, or a list of them.
        config: a TOML file, the name of a config that comes with graphdet, or its tables as a mapping. For a frame
            `columns` and the unit of `time` may be left out: `{"entities": {"device": "device_id"}}` is enough to have
            shared devices count.
        out: the folder for the findings and the report. None: a temporary folder, which is gone when the Findings are.
        store: where the graph is kept; None: in `out`. A store that has a log already gets this one in addition.
        labels: a frame or a CSV file with `label` (1 fraud, 0 clean) and one of user_id, item_id, session_id, event_id.
        fdr: the share of flags that may be false, .05 unless given; or
        review: flag so many of the most suspicious users instead.
        seed: the same log, config and seed give the same findings on a CPU.
        device: "auto", "cpu" or "cuda".
        model: score with this trained model, a folder or ALIAS@FOLDER; None trains one on the log.
        train: "never", "always", or "auto": where the log has times. Without there is no network.
        progress: told of the stages; None says nothing.

    Returns:
        What was found. A log too small to learn from has findings too: nobody is flagged, and `warnings` says why.

    Raises:
        UsageError: an argument is wrong; ConfigError where it is the config.
        InputError: the log or the labels cannot be used.
        StoreError: the store cannot be reached, or another process holds it.

    >>> import graphdet, pandas as pd
    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": ["ann", "bob", "bob"],
    ...         "item_id": ["book", "book", "lamp"],
    ...         "timestamp": pd.to_datetime(["2026-01-05 10:00", "2026-01-05 11:00", "2026-01-06 09:30"], utc=True),
    ...     }
    ... )
    >>> findings = graphdet.run(log)
    >>> findings.suspects[["user_id", "score", "flagged"]]
      user_id  score  flagged
    0     ann    0.0    False
    1     bob    0.0    False
    >>> findings.warnings[0].partition(":")[0]
    'insufficient data'
    """
    from graphdet.verbs.run import run as run_all

    level, model_dir = _level(fdr, review), _model_folder(model)
    folder = Path(tempfile.mkdtemp(prefix="graphdet-") if out is None else out)
    try:
        with _files(log, config, labels, folder, out is None) as files:
            summary = run_all(
                files.paths, files.config, folder, store_url=store, labels=files.labels, **level, seed=seed,
                device=device, model_dir=model_dir, train=train, progress=progress,
            )  # fmt: skip
        url = store or f"duckdb:///{(folder / GRAPH).resolve()}"
        findings = Findings(url, folder, [*files.said, *summary["warnings"]])
    except BaseException:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(findings, shutil.rmtree, folder, ignore_errors=True)
    return findings


def open(folder_or_url: str | Path) -> "Findings":
    """Open the findings of an earlier run, or of any store.

    Args:
        folder_or_url: the `out` folder of a run, a .duckdb file, or the URL of a store (`duckdb:PATH`,
            `neo4j://HOST:PORT`).

    Raises:
        UsageError: there are no findings at this place.
        InputError: the file is no store of graphdet.
        StoreError: the store cannot be reached; StoreBusy where another process writes to it.

    >>> import graphdet, tempfile, pandas as pd
    >>> day = pd.Timestamp("2026-01-05", tz="UTC")
    >>> log = pd.DataFrame({"user_id": ["ann", "bob"], "item_id": ["book", "lamp"], "timestamp": [day, day]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graphdet.run(log, out=folder)
    ...     len(graphdet.open(folder).suspects)
    Findings(2 users, 0 flagged; 0 rings flagged, 0 leads)
    2
    """
    place, folder = str(folder_or_url), None
    if isinstance(folder_or_url, Path) or not ("://" in place or place.startswith("duckdb:")):
        path = Path(folder_or_url).expanduser()
        if path.is_dir():
            folder, path = path, path / GRAPH
            if not path.exists():
                raise UsageError(
                    f"{folder} has no {GRAPH}: it is no folder of a run, or its graph is in another store; "
                    "give that store's URL"
                )
        elif not path.exists():
            raise UsageError(
                f"{path}: there is no such folder or file; give the `out` folder of a run or a URL"
            )
        place = f"duckdb:///{path.resolve()}"
    return Findings(place, folder)


def simulate(
    *,
    n_users: int = 2_000,
    n_items: int = 500,
    days: int = 14,
    kind: str = "news",
    plan: str = "benchmark",
    n_campaigns: int | None = None,
    knobs: Mapping[str, object] | None = None,
    innocents: bool = False,
    seed: int = 0,
    base: "Findings | str | None" = None,
    rating: str | None = None,
    shared_ids: bool = False,
    out: str | Path | None = None,
) -> "Simulation":
    """Make a log with planted campaigns and the truth about them, as `graphdet simulate` does.

    Args:
        n_users, n_items, days: the size of the ordinary traffic.
        kind: "news", "shop", "payments" or "reviews".
        plan: "benchmark" (ten campaigns of six kinds), "training", "unseen", a level "L1" (blatant) … "L5", one kind
            such as "burst" or "mule_cycle", or "none".
        n_campaigns: how many, where the plan leaves it open.
        knobs: changed in all campaigns, for example `{"n_accounts": 20, "density": 0.5}`.
        innocents: also plant groups that only look coordinated.
        seed: the same arguments give the same log.
        base: plant into the log of these findings, or of the store with this URL, instead of a made one.
        rating, shared_ids: with `base`, the attribute that holds ratings, and whether an id is one account as a user
            and as an item.
        out: also write the log there (.parquet, .csv, .csv.gz or .jsonl), and truth.csv, truth_items.csv and
            innocents.csv beside it.

    Raises:
        UsageError: there is no such kind, plan, knob or file ending.
        NotEnoughData: the log is too small for the plan.

    >>> import graphdet
    >>> made = graphdet.simulate(n_users=200, n_items=80, days=5, plan="L1", n_campaigns=1, seed=3)
    >>> list(made.log.columns)
    ['user_id', 'item_id', 'session_id', 'timestamp', 'action', 'device_id', 'ip']
    >>> made.truth["campaign_id"].unique().tolist()
    ['C1']
    """
    from graphdet.simulation.log_files import check_ending
    from graphdet.simulation.row_values import read_values
    from graphdet.verbs import simulate as verb

    if out is not None:
        check_ending(Path(out))
    graph = values = None
    if base is not None:
        from graphdet.graph.encode import read_graph

        with opened(base.url if isinstance(base, Findings) else base) as store:
            graph = read_graph(store, Silent())
            values = read_values(store, graph, rating)
    elif rating is not None or shared_ids:
        raise UsageError("rating and shared_ids are about the log of `base`; made logs know theirs")
    request = verb.SimulateRequest(
        n_users, n_items, days, kind, plan, n_campaigns, knobs or {}, innocents, shared_ids, seed
    )
    made = verb.make(request, graph, values)
    if out is not None:
        verb.write(Path(out), made)
    return _as_frames(made)


def _as_frames(made: "Made") -> Simulation:
    """A made log and its truth as DataFrames."""
    return Simulation(
        log=to_pandas(made.log, "timestamp"),
        truth=to_pandas(made.truth).astype({"hijacked": bool}),
        truth_items=to_pandas(made.truth_items),
        innocents=to_pandas(made.innocents),
        warnings=list(made.warnings),
    )


def evaluate(
    scores: Any,
    labels: Any,
    *,
    out: str | Path | None = None,
    group: str | None = None,
    by: str | None = None,
    threshold: float | None = None,
    trained_on: Any = None,
    cost_missed: float = 1.0,
    cost_false: float = 1.0,
    n_draws: int = 1000,
    seed: int = 0,
) -> "Evaluation":
    """Hold scores against labels that they have not seen, as `graphdet evaluate` does.

    Args:
        scores: Findings, a frame or a CSV file with an id (user_id, item_id, session_id or event_id), `score`, and
            perhaps `flagged`; or a list of up to four, measured on the same ids.
        labels: a frame or a CSV file with the same id and `label` (1 fraud, 0 clean).
        out: a folder for evaluation.html and evaluation.json; None writes nothing.
        group: a column; rows alike in it come together in the draws behind the intervals.
        by: a column; figures for each of its values too (in `Evaluation.document`).
        threshold: flag scores from here on; None: what the scores flag, else from .5 on.
        trained_on: labels used in training; their ids are left out.
        cost_missed, cost_false: what a missed fraud costs, and a clean thing flagged.
        n_draws: how often groups are drawn anew for the 95 % intervals; 0 for none.
        seed: of the draws.

    Raises:
        UsageError: an argument is out of range, or nobody can tell what counts as flagged.
        InputError: a table cannot be used, no id is in both, or there is one class only.

    >>> import graphdet, pandas as pd
    >>> users = [f"u{n}" for n in range(8)]
    >>> scores = pd.DataFrame({"user_id": users, "score": [.9, .8, .7, .6, .4, .3, .2, .1]})
    >>> labels = pd.DataFrame({"user_id": users, "label": [1, 1, 0, 1, 0, 0, 0, 0]})
    >>> found = graphdet.evaluate(scores, labels, n_draws=0)
    >>> found.metrics.set_index("metric").loc[["auroc", "precision", "recall"], "value"].round(3).to_dict()
    {'auroc': 0.933, 'precision': 0.75, 'recall': 1.0}
    """
    from graphdet.evaluation.compare import Costs
    from graphdet.verbs.evaluate import Wanted
    from graphdet.verbs.evaluate import evaluate as measure

    several = list(scores) if isinstance(scores, list | tuple) else [scores]
    with tempfile.TemporaryDirectory(prefix="graphdet-") as scratch, _saying({f"{scratch}/": ""}):
        at = Path(scratch)
        files = [
            _as_csv(
                one.suspects if isinstance(one, Findings) else one,
                at / f"scores{'' if n < 2 else f'-{n}'}.csv",
            )
            for n, one in enumerate(several, start=1)
        ]
        known = None if trained_on is None else _as_csv(trained_on, at / "trained_on.csv")
        wanted = Wanted(
            by=by, group=group, costs=Costs(cost_missed, cost_false), threshold=threshold, trained_on=known,
            n_draws=n_draws, seed=seed,
        )  # fmt: skip
        folder = Path(out) if out is not None else at / "evaluation"
        document = measure(files, _as_csv(labels, at / "labels.csv"), folder, wanted)
    return Evaluation(document, None if out is None else folder / "evaluation.html")


@dataclass(frozen=True)
class _Files:
    """What a run reads: the log's files, their config, a file of labels, and what was assumed about a frame."""

    paths: list[str | Path]
    config: Config
    labels: Path | None
    said: list[str]


@contextmanager
def _files(log: Any, config: ConfigLike, labels: Any, folder: Path, passing: bool) -> Iterator[_Files]:
    """The files that a run reads; frames are written as files, which are gone after the block.

    A log is written below the run's own folder, so that rejects.csv, which names it, is the same each time.
    passing: the run's folder goes too when the block fails.
    """
    beside = folder / ".frame"
    frame = beside / "frame.parquet"
    instead = {str(frame): "the frame"}
    if passing:
        instead[f"all are in {folder / 'rejects.csv'}"] = "give out= to keep all in rejects.csv"
    try:
        with (
            tempfile.TemporaryDirectory(prefix="graphdet-") as scratch,
            _saying(instead | {f"{scratch}/": ""}),
        ):
            given = None if labels is None else _as_csv(labels, Path(scratch) / "labels.csv")
            if _are_paths(log):
                paths = _paths(log)
                settings, said = config_of_names(paths) if config is None else (_config(config), [])
                yield _Files(paths, settings, given, said)
            else:
                known = config if config is None or isinstance(config, Mapping) else _config(config)
                settings, said = write_frame(log, frame, known)
                yield _Files([frame], settings, given, said)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _level(fdr: float | None, review: int | None) -> dict[str, Any]:
    """Check fdr and review; at most one may be given.

    Raises:
        UsageError: both are given, or one is out of range.

    >>> _level(None, None), _level(None, 200)
    ({}, {'review': 200})
    """
    if fdr is not None and review is not None:
        raise UsageError(
            "give fdr or review, not both: one promises an error rate, the other a number of cases"
        )
    if fdr is not None and not 0 < fdr < 1:
        raise UsageError(f"fdr must be between 0 and 1, for example 0.05; not {fdr:g}")
    if review is not None and review < 1:
        raise UsageError(f"review must be at least 1, not {review}")
    given = {"fdr": fdr, "review": review}
    return {name: value for name, value in given.items() if value is not None}


def _model_folder(model: str | Path | None) -> Path | None:
    """The folder of a model, by way of a registry where it is ALIAS@FOLDER."""
    if model is None or "@" not in str(model):
        return None if model is None else Path(model)
    from graphdet.lab.registry import resolve

    return resolve(Path(model))


def _config(config: str | Path | Mapping[str, Any] | Config) -> Config:
    """A whole config.

    Raises:
        ConfigError: it is wrong.
    """
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return parse_config(config, name="given", where="given as a mapping")
    return load_config(config)


def _are_paths(given: Any) -> bool:
    several = given if isinstance(given, list | tuple) else [given]
    return all(isinstance(one, str | Path) for one in several)


def _paths(given: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [given] if isinstance(given, str | Path) else list(given)


@contextmanager
def _saying(instead: Mapping[str, str]) -> Iterator[None]:
    """Say other words in the message of an error that leaves the block: of files that are gone when it is read."""
    try:
        yield
    except GraphdetError as error:
        message = str(error)
        for words, better in instead.items():
            message = message.replace(words, better)
        error.args = (message, *error.args[1:])
        raise


def _as_csv(given: Any, path: Path) -> Path:
    """The file that was named, or a frame written as one.

    Raises:
        UsageError: it is neither.
        InputError: a column cannot be written.
    """
    if isinstance(given, str | Path):
        return Path(given)
    table = to_arrow(given)
    safe = [safe_column(c.combine_chunks()) if pa.types.is_string(c.type) else c for c in table.columns]
    pa_csv.write_csv(pa.table(safe, names=table.column_names), path)  # read back exactly
    return path
