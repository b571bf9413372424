"""The options that several commands share, and their checks."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli.guard import say
from graphdet.errors import UsageError
from graphdet.evaluation.flag_rule import DEFAULT_FDR

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from graphdet.config import Config
    from graphdet.ports import Store

STORE_VARIABLE = "GRAPHDET_STORE"


class Device(StrEnum):
    """Where the models run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Train(StrEnum):
    """Whether networks are trained on a log before it is scored."""

    auto = "auto"
    never = "never"
    always = "always"


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


Logs = Annotated[
    list[str],
    typer.Argument(
        metavar="LOG",
        help="Log files or globs: CSV, TSV, JSON lines or Parquet, plain, .gz or .zst.",
        show_default=False,
    ),
]
GivenConfig = Annotated[
    str,
    typer.Option(
        "--config", metavar="NAME|PATH", help="What the log's columns mean: a shipped config or a TOML file."
    ),
]
ConfigName = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="NAME|PATH",
        help="What the log's columns mean: a shipped config or a TOML file, as graphdet init writes one. Without it "
        "columns are known by common names (user_id, item_id, timestamp, …).",
    ),
]


def settings_of(logs: list[str], config: str | None) -> "Config":
    """The config that was named; without one, columns known by their names, which is said.

    Raises:
        ConfigError: the config is wrong, or the names do not tell enough.
        InputError: the log cannot be read.
    """
    if config is not None:
        from graphdet.config import load_config

        return load_config(config)
    from graphdet.verbs.init import config_of_names

    found, said = config_of_names(logs)
    for line in said:
        say(f"Note: {line}")
    return found


StoreUrl = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="duckdb:PATH or neo4j://HOST:PORT.", envvar=STORE_VARIABLE),
]
LabelFileOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="CSV of label (1 fraud, 0 clean) and user, item, session or event id.",
    ),
]
ModelDir = Annotated[
    Path,
    typer.Option(
        "--model", metavar="DIR", help="Folder of the trained model, or ALIAS@DIR of graphdet models."
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", metavar="FILE", help="How to train: TOML or JSON, as graphdet tune writes it."
    ),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        "--models", metavar="DIR", help="Register the model in this folder too: see graphdet models."
    ),
]
Fdr = Annotated[
    float | None,
    typer.Option(
        "--fdr", metavar="SHARE", help=f"Share of flags that may be false [default: {DEFAULT_FDR}]."
    ),
]
Review = Annotated[
    int | None,
    typer.Option(
        "--review", metavar="N", help="Flag the N most suspicious users instead, as many as you can review."
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="Same input, config and seed: same result.", min=0)
]
DeviceName = Annotated[
    Device, typer.Option("--device", help="Where the models run; auto takes a GPU if there is one.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, words on stderr.")]


def cut(fdr: float | None, review: int | None) -> dict[str, Any]:
    """Check --fdr and --review; at most one may be given.

    Raises:
        UsageError: both are given, or one is out of range.

    >>> cut(None, None), cut(None, 200)
    ({'fdr': 0.05, 'review': None}, {'fdr': 0.05, 'review': 200})
    """
    if fdr is not None and review is not None:
        raise UsageError(
            "give --fdr or --review, not both: one promises an error rate, the other a number of cases"
        )
    if review is not None and review < 1:
        raise UsageError(f"--review must be at least 1, not {review}")
    return {"fdr": check_fdr(fdr), "review": review}


def check_fdr(fdr: float | None) -> float:
    """Check --fdr.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if fdr is None:
        return DEFAULT_FDR
    if not 0 < fdr < 1:
        raise UsageError(f"--fdr must be between 0 and 1, for example 0.05; not {fdr:g}")
    return fdr


def model_folder(model: Path) -> Path:
    """The folder that --model names, by way of a registry where it is NAME@DIR.

    Raises:
        UsageError: the registry has no such model.
        GraphdetError: its files were changed.
    """
    if "@" not in str(model):
        return model
    from graphdet.lab.registry import resolve

    return resolve(model)


def store_of(folder: Path | None, store: str | None) -> str | None:
    """The URL of the store in the folder of a run, else the one that was given.

    Raises:
        UsageError: the folder has no store.
    """
    if folder is None:
        return store
    graph = folder / "graph.duckdb"
    if not graph.exists():
        raise UsageError(f"{folder} has no {graph.name}: give the folder of a run, or the store with --store")
    return f"duckdb:///{graph.resolve()}"


def opened(
    url: str | None, *, read_only: bool = False, create: bool = False
) -> "AbstractContextManager[Store]":
    """Open the store of a URL, closed again at the end of the block; only `create` makes one that is absent.

    Raises:
        UsageError: no store was named, or there is none at the path.
        StoreError, StoreBusy, InputError: it cannot be opened.
    """
    from graphdet.store import opened_store

    if not url:
        raise UsageError(
            f"name a store: --store duckdb:PATH or --store neo4j://HOST:PORT, or set {STORE_VARIABLE}"
        )
    return opened_store(url, read_only=read_only, create=create)


RawCsv = Annotated[
    bool,
    typer.Option(
        "--raw-csv",
        help="Write the tables once more into DIR/raw, ids exactly as in the log: for programs.",
    ),
]

Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="First forget what the store holds of logs, scores and rings; decisions and the audit log stay.",
    ),
]
