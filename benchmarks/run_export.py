"""What smaller models lose (packed weights, pruned weights, a student) on planted truth that none learned from.

    python -m benchmarks.run_export LOG --config globo [--seeds 41 42]
    python -m benchmarks.run_export --planted DIR DIR --model DIR

Two logs are made of LOG, each with ten campaigns of its own. The teacher is trained on the first (on campaigns that
training plants itself). The student learns the teacher's logits on the first: of the campaigns' accounts and of half
of the ordinary accounts. All are judged on the second: its campaigns, and the other half of the ordinary accounts.
Figures are of the network's logit alone, without rings and the other scorers. One JSON line each, appended to
benchmarks/results.jsonl.
"""

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from benchmarks.recording import command, record
from graphdet.progress import Silent
from graphdet.serving.network import Network, load_network
from graphdet.serving.packing import Precision, pack, unpack
from graphdet.serving.teaching import NetworkView, grow, guess, logit_loss, network_view
from graphdet.store import open_store

PRUNED = (0.3, 0.5, 0.7, 0.9)


def planted(log: str, folder: Path, seed: int) -> None:
    command(
        "simulate",
        "--store",
        log,
        "--out",
        f"{folder}/log.parquet",
        "--plan",
        "benchmark",
        "--seed",
        str(seed),
    )
    command(
        "ingest",
        f"{folder}/log.parquet",
        "--config",
        "simulated",
        "--store",
        f"duckdb:///{folder}/graph.duckdb",
    )


def look(folder: Path, network: Network) -> tuple[NetworkView, np.ndarray]:
    """A planted log as the network sees it, and which accounts are planted, bool[n_users]."""
    store = open_store(f"duckdb:///{folder}/graph.duckdb", read_only=True)
    seen = network_view(store, network, Silent())
    ids = (
        store.interactions().select("user_id").unique().collect("pyarrow").to_native()["user_id"].to_pylist()
    )
    store.close()
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        guilty = {row["user_id"] for row in csv.DictReader(file)}
    return seen, np.array([name in guilty for name in sorted(ids, key=str.encode)])


def changed(network: Network, weights: dict[str, np.ndarray]) -> Network:
    members = tuple(
        {name: weights[f"{k}.{name}"] for name in member} for k, member in enumerate(network.members)
    )
    return replace(network, members=members)


def flat(network: Network) -> dict[str, np.ndarray]:
    return {
        f"{k}.{name}": value for k, member in enumerate(network.members) for name, value in member.items()
    }


def pruned(network: Network, share: float) -> Network:
    """Without the smallest weights of each matrix, by magnitude."""
    weights = {}
    for name, value in flat(network).items():
        if value.ndim == 2:
            value = np.where(np.abs(value) > np.quantile(np.abs(value), share), value, 0).astype(np.float32)
        weights[name] = value
    return changed(network, weights)


def size(weights: dict[str, np.ndarray]) -> int:
    return sum(value.nbytes for value in weights.values())


def sparse_size(network: Network) -> int:
    """Bytes of the weights that are left, each with a two-byte column, or all of them where that is less."""
    return sum(min(value.nbytes, int(np.count_nonzero(value)) * 6) for value in flat(network).values())


def compare(first: Path, second: Path, model: Path) -> None:
    network = load_network(model)
    seen, is_planted = look(first, network)
    teacher = network.logits_of_all(seen.x, seen.ties)
    trees = grow(teacher, seen, np.flatnonzero((seen.fold == 0) | is_planted), 0)
    record(
        "export_teacher",
        auprc_own_log=round(average_precision_score(is_planted, teacher), 4),
        n_users=len(teacher),
    )
    del seen
    seen, is_planted = look(second, network)
    rows = np.flatnonzero((seen.fold == 1) | is_planted)
    teacher = network.logits_of_all(seen.x, seen.ties)[rows]

    def told(name: str, logits: np.ndarray, n_bytes: int) -> None:
        auprc = average_precision_score(is_planted[rows], logits)
        record("export", what=name, n_planted=int(is_planted.sum()), auprc=round(float(auprc), 4), bytes=n_bytes,
               **logit_loss(teacher, logits))  # fmt: skip

    told("teacher, float32", teacher, size(flat(network)))
    for precision in (Precision.float16, Precision.int8):
        packed = pack(flat(network), precision)
        told(
            str(precision),
            changed(network, unpack(packed)).logits_of_all(seen.x, seen.ties)[rows],
            size(packed),
        )
    for share in PRUNED:
        smaller = pruned(network, share)
        told(f"pruned {share:.0%}", smaller.logits_of_all(seen.x, seen.ties)[rows], sparse_size(smaller))
    told("student", guess(trees, seen, rows), len(trees.text.encode()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", nargs="?")
    parser.add_argument("--config", default="globo")
    parser.add_argument("--seeds", type=int, nargs=2, default=[41, 42])
    parser.add_argument(
        "--planted", type=Path, nargs=2, help="folders with log.parquet, truth.csv and graph.duckdb"
    )
    parser.add_argument("--model", type=Path, help="trained on the first")
    given = parser.parse_args()
    if given.planted:
        compare(*given.planted, given.model)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command("ingest", given.log, "--config", given.config, "--store", f"duckdb:///{folder}/log.duckdb")
        for place, seed in enumerate(given.seeds):
            planted(f"duckdb:///{folder}/log.duckdb", folder / str(place), seed)
        command("train", "--store", f"duckdb:///{folder}/0/graph.duckdb", "--model", str(folder / "model"))
        compare(folder / "0", folder / "1", folder / "model")


if __name__ == "__main__":
    main()
