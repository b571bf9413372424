"""graphdet simulate: a log with planted campaigns, as files, with the truth beside it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from graphdet.errors import UsageError
from graphdet.reports.files import replacing
from graphdet.simulate import (
    LEVELS,
    Campaign,
    Planted,
    PlantedGroup,
    benchmark_plan,
    innocent_plan,
    level,
    organic,
    plant,
    training_plan,
)
from graphdet.tables import GraphArrays

FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
PLANS = ("benchmark", "training", *LEVELS, "none")
DEFAULT_CAMPAIGNS = {"training": 12, **dict.fromkeys(LEVELS, 3)}
ENTITY_COLUMNS = {"device": "device_id", "ip": "ip"}
BATCH_ROWS = 100_000
REPEAT_MS = 1000  # an interaction that stands for n events is written as n rows, a second apart


@dataclass(frozen=True)
class SimulateResult:
    """What was written: the log, the truth beside it, how much of what, and what became of every group."""

    log: Path
    truth: Path
    truth_items: Path
    innocents: Path
    n_users: int
    n_items: int
    n_sessions: int
    n_events: int
    n_campaigns: int
    n_planted_users: int
    n_hijacked_users: int
    n_innocent_users: int
    campaigns: tuple[PlantedGroup, ...]
    innocent_groups: tuple[PlantedGroup, ...]


def simulate(
    out: Path,
    *,
    base: GraphArrays | None = None,
    n_users: int = 20_000,
    n_items: int = 2_000,
    days: int = 30,
    kind: str = "news",
    plan: str = "benchmark",
    n_campaigns: int | None = None,
    innocents: bool = False,
    seed: int = 0,
) -> SimulateResult:
    """Write a log with planted campaigns to `out`, and truth.csv, truth_items.csv, innocents.csv beside it.

    base: the log to plant into; without one a log of n_users, n_items, days and kind is made. plan:
    "benchmark", "training", a level "L1" … "L5", or "none"; n_campaigns: how many (the first ones of the
    benchmark). The log has the columns user_id, item_id, session_id, timestamp (ms), action, and device_id
    and ip where the log has such entities, sorted by time. Same arguments, same bytes.

    Raises:
        UsageError: an unknown plan or file ending.
        NotEnoughData: a log too small for the plan.
        GraphdetError: a file cannot be written.
    """
    if not str(out.name).endswith(FORMATS):
        raise UsageError(
            f"cannot tell how to write {out.name}; end the name with one of {', '.join(FORMATS)}"
        )
    campaigns = _campaigns(plan, n_campaigns, seed)
    graph = organic(n_users, n_items, days, seed, kind) if base is None else base
    planted = plant(graph, campaigns, seed, innocent_plan(seed) if innocents else ())
    n_events = _write_log(out, planted.graph, seed)
    beside = {name: out.parent / f"{name}.csv" for name in ("truth", "truth_items", "innocents")}
    for name, table in (
        ("truth", _truth(planted)),
        ("truth_items", _truth_items(planted)),
        ("innocents", _innocents(planted)),
    ):
        with replacing(beside[name]) as path:
            pa_csv.write_csv(table, path)
    return SimulateResult(
        log=out,
        **beside,
        n_users=planted.graph.n_users,
        n_items=planted.graph.n_items,
        n_sessions=planted.graph.n_sessions,
        n_events=n_events,
        n_campaigns=len(planted.campaigns),
        n_planted_users=int((planted.campaign_of_user >= 0).sum()),
        n_hijacked_users=int(planted.hijacked.sum()),
        n_innocent_users=int((planted.innocent_of_user >= 0).sum()),
        campaigns=tuple(planted.campaigns),
        innocent_groups=tuple(planted.innocents),
    )


def _campaigns(plan: str, n: int | None, seed: int) -> list[Campaign]:
    """List the campaigns of a plan."""
    if plan not in PLANS:
        raise UsageError(f"there is no plan {plan!r}; use one of {', '.join(PLANS)}")
    if n is not None and n < 1:
        raise UsageError(f"the number of campaigns is {n}, it must be at least 1 (or use the plan none)")
    if plan == "none":
        return []
    if plan == "benchmark":
        return benchmark_plan(seed)[:n]
    wanted = n or DEFAULT_CAMPAIGNS[plan]
    if plan == "training":
        return training_plan(seed, wanted)
    rng = np.random.default_rng((seed, LEVELS.index(plan)))
    return [level(plan, rng) for _ in range(wanted)]


def _write_log(out: Path, graph: GraphArrays, seed: int) -> int:
    """Write all events in time order; gives how many."""
    row = np.repeat(np.arange(graph.n_edges), graph.n)
    repeat = np.arange(len(row)) - np.repeat(np.cumsum(graph.n) - graph.n, graph.n)
    at_ms = graph.at_ms[row] + repeat * REPEAT_MS
    order = np.lexsort((row, at_ms))
    row, at_ms = row[order], at_ms[order]
    columns: dict[str, Any] = {
        "user_id": graph.user_ids.take(pa.array(graph.user_ix[row])),
        "item_id": graph.item_ids.take(pa.array(graph.item_ix[row])),
        "session_id": graph.session_ids.take(pa.array(graph.session_ix[row])),
        "timestamp": pa.array(at_ms),
        "action": pa.array(graph.actions, pa.string()).take(pa.array(graph.action_ix[row])),
    }
    for kind, name in ENTITY_COLUMNS.items():
        entity = _entity_of_session(graph, kind, np.random.default_rng((seed, 49_979_687)))
        if entity is not None:
            columns[name] = graph.entity_ids.take(
                pa.array(entity[graph.session_ix[row]], mask=entity[graph.session_ix[row]] < 0)
            )
    table = pa.table(columns)
    with replacing(out) as path:
        _WRITERS[next(ending for ending in FORMATS if out.name.endswith(ending))](table, path)
    return len(row)


def _entity_of_session(
    graph: GraphArrays, kind: str, rng: np.random.Generator
) -> np.ndarray[Any, Any] | None:
    """Draw which of its user's devices (or addresses) each session is on: int64[n_sessions], −1 for none.

    Every link is used at least once while the user has a session left for it. None where the log has no
    such entities.
    """
    of_kind = np.array([k == kind for k in graph.entity_kinds.to_pylist()], bool)
    if not of_kind.any():
        return None
    links = np.flatnonzero(of_kind[graph.entity_ix])
    links = links[np.argsort(graph.entity_user_ix[links], kind="stable")]
    first = np.searchsorted(graph.entity_user_ix[links], np.arange(graph.n_users + 1))
    owner = np.zeros(graph.n_sessions, np.int64)
    owner[graph.session_ix] = graph.user_ix
    by_user = np.argsort(owner, kind="stable")
    turn = np.empty(graph.n_sessions, np.int64)
    turn[by_user] = np.arange(graph.n_sessions) - np.searchsorted(owner[by_user], owner[by_user])
    count = (first[1:] - first[:-1])[owner]
    some = np.where(turn < count, turn, (rng.random(graph.n_sessions) * count).astype(np.int64))
    place = np.minimum(first[owner] + some, len(links) - 1)
    return np.where(count > 0, graph.entity_ix[links[place]], -1).astype(np.int64)


def _truth(planted: Planted) -> pa.Table:
    """user_id, campaign_id, kind, level, hijacked of every planted account, by user."""
    users = np.flatnonzero(planted.campaign_of_user >= 0)
    groups = [planted.campaigns[k] for k in planted.campaign_of_user[users]]
    return pa.table(
        {
            "user_id": planted.graph.user_ids.take(pa.array(users)),
            "campaign_id": pa.array([f"C{k + 1}" for k in planted.campaign_of_user[users]], pa.string()),
            "kind": pa.array([g.kind for g in groups], pa.string()),
            "level": pa.array([g.level for g in groups], pa.string()),
            "hijacked": pa.array(planted.hijacked[users].astype(np.int8)),
        }
    )


def _truth_items(planted: Planted) -> pa.Table:
    """campaign_id, item_id of every target."""
    campaign = [f"C{k + 1}" for k, items in enumerate(planted.targets) for _ in items]
    items = [int(item) for targets in planted.targets for item in np.sort(targets)]
    ids = planted.graph.item_ids.take(pa.array(items, pa.int64()))
    return pa.table({"campaign_id": pa.array(campaign, pa.string()), "item_id": ids})


def _innocents(planted: Planted) -> pa.Table:
    """user_id, group_id, kind of every member of a hard-innocent group."""
    users = np.flatnonzero(planted.innocent_of_user >= 0)
    group = planted.innocent_of_user[users]
    return pa.table(
        {
            "user_id": planted.graph.user_ids.take(pa.array(users)),
            "group_id": pa.array([f"I{k + 1}" for k in group], pa.string()),
            "kind": pa.array([planted.innocents[k].kind for k in group], pa.string()),
        }
    )


def _write_parquet(table: pa.Table, path: Path) -> None:
    """Write Parquet."""
    pq.write_table(table, path, compression="zstd", row_group_size=BATCH_ROWS)


@contextmanager
def _gzipped(path: Path) -> Iterator[Any]:
    """Open a gzip file without name or time in its header, so that the same rows give the same bytes."""
    with path.open("wb") as raw, GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        yield packed


def _write_csv(table: pa.Table, path: Path) -> None:
    """Write CSV."""
    pa_csv.write_csv(table, path)


def _write_csv_gz(table: pa.Table, path: Path) -> None:
    """Write gzipped CSV."""
    with _gzipped(path) as packed:
        pa_csv.write_csv(table, packed)


def _json_lines(table: pa.Table) -> Iterator[bytes]:
    """Give JSON lines in batches."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        rows = batch.to_pylist()
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write_jsonl(table: pa.Table, path: Path) -> None:
    """Write JSON lines."""
    with path.open("wb") as file:
        file.writelines(_json_lines(table))


def _write_jsonl_gz(table: pa.Table, path: Path) -> None:
    """Write gzipped JSON lines."""
    with _gzipped(path) as packed:
        packed.writelines(_json_lines(table))


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".csv.gz": _write_csv_gz,
    ".jsonl": _write_jsonl,
    ".jsonl.gz": _write_jsonl_gz,
}
