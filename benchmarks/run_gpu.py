"""What a GPU is worth to the network: the same training and inference on a CPU and on CUDA, in one run.

    python -m benchmarks.run_gpu prepare LOG TASK --config globo [--seed 0]
    python -m benchmarks.run_gpu measure TASK [--seeds 0 1]

`prepare` plants campaigns into a copy of the log, as `graphdet train` does, and writes the graph as Parquet tables to
the folder TASK, so that the machine with the GPU needs no log and no DuckDB. `measure` writes one JSON line per device
and one on how far their scores agree: with the same weights, and trained anew. CPU work is held to two cores.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from benchmarks.recording import record
from graphdet.gnn import training
from graphdet.gnn.network import TrainedGnn, infer
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.training import train_gnn

CORES = 2
TURNS = 5  # of inference; the median counts
NODES, ENDS = ("user", "item", "session"), ("src", "dst")
ACTED = ("session", "acted", "item")


def prepare(arguments: argparse.Namespace) -> None:
    """Write the graph that `train` would learn from."""
    from benchmarks.recording import command
    from graphdet.gnn.heterodata import graph_in_pyg
    from graphdet.graph.encode import read_graph
    from graphdet.learn.ring_lessons import planted_copy
    from graphdet.learn.user_learning import behaviour
    from graphdet.progress import Silent
    from graphdet.store import open_store

    arguments.task.mkdir(parents=True, exist_ok=True)
    where = f"duckdb:///{arguments.task.resolve()}/store.duckdb"
    command("ingest", arguments.log, "--config", arguments.config, "--store", where)
    store = open_store(where, read_only=True)
    planted, windows, _ = planted_copy(read_graph(store, Silent()), store.bench, arguments.seed, Silent())
    features = behaviour(planted.graph, store.bench, Silent())
    data = graph_in_pyg(planted.graph, *features, windows, Silent())
    campaign, n_partners = planted.campaign_of_user, data["user"].n_partners.numpy()
    for name in NODES:
        more = {"campaign": campaign, "n_partners": n_partners} if name == "user" else {}
        _write(arguments.task / f"{name}.parquet", data[name].x.numpy(), more)
    acted = [
        data[kind].edge_index.numpy()
        for kind in data.edge_types
        if kind[0] == "session" and kind[2] == "item"
    ]
    started = data["user", "started", "session"].edge_index.numpy()
    ties = data["user", "co_acted", "user"]
    for name, index, attributes in (
        ("started", started, np.zeros((started.shape[1], 0), np.float32)),
        ("acted", np.hstack(acted), np.zeros((sum(each.shape[1] for each in acted), 0), np.float32)),
        ("ties", ties.edge_index.numpy(), ties.edge_attr.numpy()),
    ):
        ends = dict(zip(ENDS, index.astype(np.int32), strict=True))
        _write(arguments.task / f"{name}.parquet", attributes, ends)
    store.close()
    (arguments.task / "store.duckdb").unlink()


def _write(path: Path, matrix: np.ndarray, more: dict[str, np.ndarray]) -> None:
    columns = {f"x{k}": matrix[:, k] for k in range(matrix.shape[1])} | more
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19)


def _read(path: Path) -> tuple[torch.Tensor, pa.Table]:
    table = pq.read_table(path)
    matrix = [table[name].to_numpy() for name in table.column_names if name.startswith("x")]
    dense = np.column_stack(matrix) if matrix else np.zeros((len(table), 0), np.float32)
    return torch.from_numpy(dense), table


def load(task: Path) -> tuple[HeteroData, np.ndarray, np.ndarray]:
    """The graph, labels and campaigns that `prepare` wrote."""
    data = HeteroData()
    for name in NODES:
        data[name].x, table = _read(task / f"{name}.parquet")
        if name == "user":
            campaign = table["campaign"].to_numpy()
            data[name].n_partners = torch.from_numpy(table["n_partners"].to_numpy().copy())
    for name, kind in (("started", ("user", "started", "session")), ("acted", ACTED)):
        data[kind].edge_index = _ends(_read(task / f"{name}.parquet")[1])
    attributes, table = _read(task / "ties.parquet")
    ties = data["user", "co_acted", "user"]
    ties.edge_index, ties.edge_attr = _ends(table), attributes
    return data, (campaign >= 0).astype(np.int8), campaign


def _ends(table: pa.Table) -> torch.Tensor:
    return torch.from_numpy(np.stack([table[name].to_numpy().astype(np.int64) for name in ENDS]))


def _train(
    data: HeteroData, y: np.ndarray, campaign: np.ndarray, seed: int, device: str
) -> tuple[TrainedGnn, dict[str, float]]:
    """A trained network, its seconds and those of the steps alone, and epochs: passes over the clean users drawn.

    A step ends with its loss on the host, so the host's clock sees all of it.
    """
    one_step, spent = training._step, []

    def timed(*given: object) -> float:
        started = time.perf_counter()
        loss = one_step(*given)
        spent.append(time.perf_counter() - started)
        return loss

    training._step = timed
    try:
        started = time.perf_counter()
        gnn = train_gnn(data, y, campaign, seed=seed, device=device)
        seconds = time.perf_counter() - started
    finally:
        training._step = one_step
    how = gnn.settings
    clean = how.batch_size - round(how.batch_size * how.positive_share)
    epochs = len(spent) * clean / min(how.n_negatives, int((y == 0).sum()))
    return gnn, {
        "train_s": round(seconds, 2),
        "steps_s": round(sum(spent), 2),
        "step_ms": round(float(np.median(spent)) * 1e3, 2),
        "epochs_per_s": round(epochs / sum(spent), 3),
        "average_precision": round(float(average_precision_score(y, gnn.out_of_fold)), 4),
    }


def _infer(gnn: TrainedGnn, data: HeteroData, device: torch.device) -> dict[str, float]:
    """Median seconds to score all users with one network, inputs and ties being at hand."""
    inputs, ties = gnn.prepare(data)
    spent = []
    for _ in range(TURNS):
        started = time.perf_counter()
        infer(gnn.members[0], inputs, ties, device)
        spent.append(time.perf_counter() - started)
    return {"infer_s": round(float(np.median(spent)), 3)}


def measure(arguments: argparse.Namespace) -> None:
    """Train and score on both devices."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    torch.set_num_threads(CORES)
    data, y, campaign = load(arguments.task)
    size = {"users": len(y), "ties": data["user", "co_acted", "user"].num_edges, "planted": int(y.sum())}
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    name = torch.cuda.get_device_name() if len(devices) > 1 else ""
    if len(devices) > 1:  # the first call of a process loads the libraries
        train_gnn(data, y, campaign, seed=99, device="cuda")
    for seed in arguments.seeds:
        trained: dict[str, TrainedGnn] = {}
        for device in devices:
            trained[device], facts = _train(data, y, campaign, seed, device)
            facts |= _infer(trained[device], data, torch.device(device))
            record(
                "gnn_device",
                device=device,
                gpu=name,
                cpu_cores=CORES,
                seed=seed,
                torch=torch.__version__,
                **size,
                **facts,
            )
        if len(devices) > 1:
            again, _ = _train(data, y, campaign, seed, "cuda")
            record("gnn_agreement", gpu=name, seed=seed, **_agreement(trained, again, data, y))


def _agreement(
    trained: dict[str, TrainedGnn], again: TrainedGnn, data: HeteroData, y: np.ndarray
) -> dict[str, object]:
    """How far logits of all users are apart: the same weights on both devices; trained on each; on CUDA twice."""
    of_cpu = trained["cpu"].predict(data, "cpu")
    same = trained["cpu"].predict(data, "cuda")
    anew = trained["cuda"].predict(data, "cuda")
    top = np.argsort(-of_cpu)[: int(y.sum())]
    return {
        "same_weights_max_logit": float(f"{np.abs(of_cpu - same).max():.2e}"),
        "same_weights_spearman": round(float(spearmanr(of_cpu, same).statistic), 6),
        "trained_anew_spearman": round(float(spearmanr(of_cpu, anew).statistic), 4),
        "trained_anew_top_shared": round(float(np.isin(top, np.argsort(-anew)[: int(y.sum())]).mean()), 4),
        "cuda_twice_max_logit": float(f"{np.abs(anew - again.predict(data, 'cuda')).max():.2e}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("prepare")
    verb.add_argument("log")
    verb.add_argument("task", type=Path)
    verb.add_argument("--config", default="globo")
    verb.add_argument("--seed", type=int, default=0)
    verb.set_defaults(do=prepare)
    verb = verbs.add_parser("measure")
    verb.add_argument("task", type=Path)
    verb.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    verb.set_defaults(do=measure)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    sys.exit(main())
