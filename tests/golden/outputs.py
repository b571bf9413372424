"""Every file that the commands write on small seeds, as SHA-256: `python tests/golden/outputs.py WORK [--store URL]`.

It runs as a process of its own, with the arithmetic pinned (one thread, the same kernels on every processor), and
prints one JSON document: {step: {file: digest}}. What no seed decides is left out: seconds, peak memory, package
versions, and the DuckDB file itself.
"""

import argparse
import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

PINNED = {
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",  # fonts in a PDF are written in the order of a set
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
    "GRAPHDET_ANALYST": "golden",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": "1000000000",  # fonts in a PDF hold the time they were written
    "COLUMNS": "120",
}
RUN_ONLY = (
    "stages",
    "versions",
    "peak_mib",
)  # of run.json and eda.json: different each time
OTHER_WORLDS = (
    ("shop", "L3", "parquet"),
    ("payments", "mule_cycle", "jsonl"),
    ("reviews", "demote", "csv.gz"),
)
IGNORED = (".duckdb", ".wal", ".key")


def digest_of(path: Path) -> str:
    """SHA-256 of a file; of run.json and eda.json without what differs from run to run."""
    data = path.read_bytes()
    if path.name in ("run.json", "eda.json"):
        document = json.loads(data)
        for part in (document, document.get("run", {})):
            for key in RUN_ONLY:
                part.pop(key, None)
        data = json.dumps(document, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder, by their path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in IGNORED)
    return {str(path.relative_to(folder)): digest_of(path) for path in files}


def command(*words: str | Path) -> str:
    """Run a command in this process and give what it prints."""
    from typer.testing import CliRunner

    from graphdet.cli.main import app

    done = CliRunner().invoke(app, list(map(str, words)))
    if done.exit_code:
        raise SystemExit(f"graphdet {' '.join(map(str, words))} ended with {done.exit_code}: {done.stderr}")
    return str(done.stdout)


def said(*words: str | Path) -> dict[str, str]:
    """Digest of what a command prints, under the name `stdout`."""
    return {"stdout": hashlib.sha256(command(*words).encode()).hexdigest()}


def label_files() -> None:
    """Labels of users and of items, of every third account and every second item, from the truth."""
    with Path("world/truth.csv").open() as file:
        planted = {row["user_id"] for row in csv.DictReader(file)}
    with Path("world/truth_items.csv").open() as file:
        targets = {row["item_id"] for row in csv.DictReader(file)}
    with Path("run/suspects.csv").open(encoding="utf-8-sig") as file:
        users = sorted(row["user_id"] for row in csv.DictReader(file))[::3]
    Path("users.csv").write_text(
        "\n".join(["user_id,label", *(f"{u},{int(u in planted)}" for u in users)]) + "\n"
    )
    from graphdet.store import open_store

    store = open_store("duckdb:run/graph.duckdb", read_only=True)
    items = sorted(store.items().collect("pyarrow").to_native()["item_id"].to_pylist())[::2]
    store.close()
    Path("items.csv").write_text(
        "\n".join(["item_id,label", *(f"{i},{int(i in targets)}" for i in items)]) + "\n"
    )


def worlds() -> Iterator[tuple[str, dict[str, str]]]:
    """The worlds that the other steps read, and one of each other kind of log."""
    Path("world").mkdir()
    command(
        "simulate", "--out", "world/log.csv", "--users", "1200", "--items", "350", "--days", "14",
        "--campaigns", "4", "--innocents", "--seed", "2",
    )  # fmt: skip
    yield "simulate news", digests(Path("world"))
    for kind, plan, ending in OTHER_WORLDS:
        out = Path(kind)
        out.mkdir()
        command(
            "simulate", "--out", out / f"log.{ending}", "--users", "400", "--items", "120", "--days", "10",
            "--kind", kind, "--plan", plan, "--seed", "3",
        )  # fmt: skip
        yield f"simulate {kind}", digests(out)


def on_store(url: str | None) -> Iterator[tuple[str, dict[str, str]]]:
    """The steps that a store takes part in; `url` is None for the DuckDB file of the run."""
    out = Path("run" if url is None else "run-server")
    log = ("world/log.csv", "--config", "simulated", "--seed", "1")
    named = () if url is None else ("--store", url)
    command("run", *log, "--out", out, *named)
    yield f"run {out}", digests(out)
    store = ("--store", url or f"duckdb:{out}/graph.duckdb")
    trained = ("--model", out / "model")
    yield f"rings {out}", said("rings", *store, *trained, "--json", "--seed", "1")
    if url is None:  # the shipped judge shuffles so small a log, which takes seconds
        yield f"rings shipped {out}", said("rings", *store, "--json", "--seed", "1")
    yield f"score {out}", said("score", *store, *trained, "--json", "--seed", "1")
    command("items", *store, "--out", out / "items")
    yield f"items {out}", digests(out / "items")
    command("report", *store, "--out", out / "reports", "--format", "html,json,csv,graphml,gexf")
    if url is None:  # a PDF is made of the page and takes seconds
        with Path("run/rings.csv").open(encoding="utf-8-sig") as file:
            smallest = min(csv.DictReader(file), key=lambda row: int(row["n_users"]))["ring_id"]
        command("report", *store, "--out", out / "reports", "--format", "pdf", "--ring", smallest)
    yield f"report {out}", digests(out / "reports")
    yield f"queries {out}", said("query", "counts", *store, "--format", "csv")


def learned(store: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Models learned from labels, what they say, and how they leave the program."""
    label_files()
    for what in ("users", "items"):
        yield (
            f"train labels of {what}",
            said(
                "train",
                *store,
                "--model",
                f"by-{what}",
                "--labels",
                f"{what}.csv",
                "--json",
                "--split",
                "random",
            )
            | digests(Path(f"by-{what}")),
        )
        yield f"score by {what}", said("score", *store, "--model", f"by-{what}", "--json")
    command("run", "world/log.csv", "--config", "simulated", "--seed", "1", "--out", "run-items",
            "--model", "run/model", "--labels", "items.csv")  # fmt: skip
    yield "run with labels of items", digests(Path("run-items"))
    for model, form in (("by-users", "plain"), ("run/model", "onnx"), ("run/model", "student")):
        command("export", "--model", model, "--out", f"export-{form}", "--format", form, *store)
        yield f"export {form}", digests(Path(f"export-{form}"))


def looked_at(store: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """The commands that look without learning."""
    with Path("run/suspects.csv").open(encoding="utf-8-sig") as file:
        first = [row["user_id"] for row in csv.DictReader(file)][:3]
    with Path("run/rings.csv").open(encoding="utf-8-sig") as file:
        ring = next(csv.DictReader(file))["ring_id"]
    trained = ("--model", "run/model")
    yield "explain", said("explain", *first, *store, *trained, "--json")
    yield "explain ring", said("explain", "--ring", ring, *store, *trained, "--what-if", "--json")
    command("eda", "world/log.csv", "--config", "simulated", "--out", "eda", "--labels", "users.csv")
    yield "eda", digests(Path("eda"))
    command("evaluate", "run/suspects.csv", "--labels", "users.csv", "--out", "evaluation", "--draws", "100")
    yield "evaluate", digests(Path("evaluation"))
    command("power", "shop/log.parquet", "--config", "simulated", "--out", "power", "--copies", "1")
    yield "power", digests(Path("power"))
    yield "suggest", said("suggest", *store, "--json", *("--labels", "users.csv"))


def main() -> None:
    """Run all steps in a work folder and print their digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--store", help="only the steps that a store takes part in, on this one")
    asked = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PINNED})
    asked.work.mkdir(exist_ok=True)
    with chdir(asked.work):
        if asked.store:
            found = dict([next(worlds()), *on_store(asked.store)])
        else:
            local = ("--store", "duckdb:run/graph.duckdb")
            steps = (worlds(), on_store(None), learned(local), looked_at(local))
            found = {name: files for part in steps for name, files in part}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
