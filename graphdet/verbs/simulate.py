"""graphdet simulate: a log with planted campaigns, as files, with the truth beside it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from graphdet import schema
from graphdet.errors import UsageError
from graphdet.files import replacing
from graphdet.ports import GraphStore
from graphdet.simulation import (
    CAMPAIGN_KINDS,
    LEVELS,
    Campaign,
    Planted,
    PlantedGroup,
    RowValues,
    benchmark_plan,
    campaign_of_level,
    innocent_plan,
    organic,
    organic_values,
    plant,
    planted_values,
    training_plan,
    unseen_plan,
    with_knobs,
)
from graphdet.simulation import (
    kind as campaign_kind,
)
from graphdet.tables import GraphArrays

LOG_FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
PLANS = ("benchmark", "training", "unseen", *LEVELS, *CAMPAIGN_KINDS, "none")
DEFAULT_CAMPAIGNS = {"training": 12, "unseen": 10, **dict.fromkeys((*LEVELS, *CAMPAIGN_KINDS), 3)}
SIMULATED_ENTITY_COLUMNS = {"device": "device_id", "ip": "ip"}
WRITE_BATCH_ROWS = 100_000
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
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """A log with planted campaigns and the truth about it, not written yet.

    Shapes: log has user_id, item_id, session_id, timestamp (int64, ms), action, and the columns that `make` names;
    truth user_id, campaign_id, kind, level, hijacked (int8); truth_items campaign_id, item_id, user_id; innocents
    user_id, group_id, kind.
    """

    planted: Planted
    log: pa.Table
    truth: pa.Table
    truth_items: pa.Table
    innocents: pa.Table
    warnings: tuple[str, ...]


def simulate(
    out: Path,
    *,
    base: GraphArrays | None = None,
    values: RowValues | None = None,
    n_users: int = 20_000,
    n_items: int = 2_000,
    days: int = 30,
    kind: str = "news",
    plan: str = "benchmark",
    n_campaigns: int | None = None,
    knobs: Mapping[str, str] | None = None,
    innocents: bool = False,
    shared_ids: bool = False,
    seed: int = 0,
) -> SimulateResult:
    """Write a log with planted campaigns to `out`, and truth.csv, truth_items.csv, innocents.csv beside it.

    The arguments are those of `make`. Same arguments, same bytes.

    Raises:
        UsageError: an unknown plan, knob or file ending, or a column of ratings that cannot be used.
        NotEnoughData: a log too small for the plan.
        GraphdetError: a file cannot be written.
    """
    check_ending(out)
    made = make(
        base=base, values=values, n_users=n_users, n_items=n_items, days=days, kind=kind, plan=plan,
        n_campaigns=n_campaigns, knobs=knobs, innocents=innocents, shared_ids=shared_ids, seed=seed,
    )  # fmt: skip
    return write(out, made)


def check_ending(out: Path) -> None:
    """Check that a log can be written under this name.

    Raises:
        UsageError: it ends like no format that can be written.
    """
    if not str(out.name).endswith(LOG_FORMATS):
        raise UsageError(
            f"cannot tell how to write {out.name}; end the name with one of {', '.join(LOG_FORMATS)}"
        )


def make(
    *,
    base: GraphArrays | None = None,
    values: RowValues | None = None,
    n_users: int = 20_000,
    n_items: int = 2_000,
    days: int = 30,
    kind: str = "news",
    plan: str = "benchmark",
    n_campaigns: int | None = None,
    knobs: Mapping[str, str] | None = None,
    innocents: bool = False,
    shared_ids: bool = False,
    seed: int = 0,
) -> Made:
    """Make a log with planted campaigns.

    base: the log to plant into, with values per edge where it has some; without one a log of n_users, n_items, days
    and kind is made. plan: "benchmark", "training", "unseen" (kinds that no judge is trained on), a level "L1" … "L5",
    a kind of campaign with its plain knobs, or "none"; n_campaigns: how many (the first ones of the benchmark); knobs:
    changed in all of them, by name. shared_ids: an id is the same account as a user and as an item; so it is in
    generated payments. The log has the columns user_id, item_id, session_id, timestamp (ms), action, device_id and ip
    where the log has such entities, amount and the column of ratings where it has these, sorted by time.

    Raises:
        UsageError: an unknown plan or knob, or a column of ratings that cannot be used.
        NotEnoughData: a log too small for the plan.
    """
    campaigns = [with_knobs(campaign, knobs or {}) for campaign in _campaigns(plan, n_campaigns, seed)]
    if base is None:
        graph = organic(n_users, n_items, days, seed, kind)
        values, shared_ids = organic_values(graph, kind, seed), shared_ids or kind == "payments"
    else:
        graph = base
    planted = plant(graph, campaigns, seed, innocent_plan(seed) if innocents else (), shared_ids=shared_ids)
    return Made(
        planted,
        _log(planted.graph, planted_values(values or RowValues(), planted, seed), seed),
        _truth(planted),
        _truth_items(planted),
        _innocents(planted),
        tuple(_warnings(planted, values or RowValues())),
    )


def write(out: Path, made: Made) -> SimulateResult:
    """Write a log and the truth beside it.

    Raises:
        UsageError: the name ends like no format that can be written.
        GraphdetError: a file cannot be written.
    """
    check_ending(out)
    with replacing(out) as path:
        _WRITERS[next(ending for ending in LOG_FORMATS if out.name.endswith(ending))](made.log, path)
    beside = {name: out.parent / f"{name}.csv" for name in ("truth", "truth_items", "innocents")}
    for name, file in beside.items():
        with replacing(file) as path:
            pa_csv.write_csv(getattr(made, name), path)
    planted = made.planted
    return SimulateResult(
        log=out,
        **beside,
        n_users=planted.graph.n_users,
        n_items=planted.graph.n_items,
        n_sessions=planted.graph.n_sessions,
        n_events=made.log.num_rows,
        n_campaigns=len(planted.campaigns),
        n_planted_users=int((planted.campaign_of_user >= 0).sum()),
        n_hijacked_users=int(planted.hijacked.sum()),
        n_innocent_users=int((planted.innocent_of_user >= 0).sum()),
        campaigns=tuple(planted.campaigns),
        innocent_groups=tuple(planted.innocents),
        warnings=made.warnings,
    )


def _warnings(planted: Planted, values: RowValues) -> Iterator[str]:
    """Say what of the campaigns does not show in a log without the columns for it."""
    if values.amount is None and any(group.asked.flow for group in planted.campaigns):
        yield "the log has no amounts: mules show by who pays whom and when, not by sums"
    if values.rating is None and any(group.asked.polarity for group in planted.campaigns):
        yield "the log has no ratings: campaigns that promote or demote show by who reviews what and when only"


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
    if plan == "unseen":
        return unseen_plan(seed, wanted)
    if plan in CAMPAIGN_KINDS:
        return [campaign_kind(plan)] * wanted
    rng = np.random.default_rng((seed, LEVELS.index(plan)))
    return [campaign_of_level(plan, rng) for _ in range(wanted)]


def read_values(store: GraphStore, graph: GraphArrays, rating: str | None = None) -> RowValues:
    """Read what the rows of a store's log carry: amounts, and ratings from the attribute of that name.

    graph: the store's, as `encode` gives it. Where several events make an edge, each has an even share of their
    sum as its amount, and the rating is the first in byte order.

    Raises:
        UsageError: the log has no such attribute, or the store keeps no events.
    """
    key = ["user_id", "session_id", "item_id", "action"]
    sums = store.interactions().select(*key, "amount", "n").collect("pyarrow").to_native()
    amount = None
    if sums["amount"].null_count < len(sums):
        sums = sums.take(_in_edge_order(sums, graph))
        share = pc.divide(sums["amount"], pc.cast(sums["n"], pa.float64()))
        amount = np.array(pc.fill_null(share, np.nan).to_numpy(), np.float64)
    if rating is None:
        return RowValues(amount)
    events = store.events()
    names = [
        name for name in events.collect_schema().names() if name not in (*schema.EVENT_COLUMNS, "source_ix")
    ]
    if rating not in names:
        raise UsageError(
            f"the log has no attribute {rating!r} to take ratings from; it has {', '.join(names) or 'none'}; "
            "name columns to keep in [attributes] of its config"
        )
    first = events.group_by(*key).agg(nw.col(rating).min()).collect("pyarrow").to_native()
    texts = first.take(_in_edge_order(first, graph))[rating].combine_chunks()
    return RowValues(amount, pc.cast(texts, pa.string()), rating)


def _in_edge_order(table: pa.Table, graph: GraphArrays) -> pa.Array:
    """Find for each edge of a graph its row in a table keyed by user, session, item and action: int64[n_edges]."""
    sets = {
        "action": pa.array(graph.actions, pa.string()),
        "item_id": graph.item_ids,
        "session_id": graph.session_ids,
        "user_id": graph.user_ids,
    }
    places = [
        np.asarray(pc.index_in(pc.cast(table[name].combine_chunks(), pa.string()), value_set=ids))
        for name, ids in sets.items()
    ]
    rows = np.lexsort(places)
    edges = np.lexsort((graph.action_ix, graph.item_ix, graph.session_ix, graph.user_ix))
    order = np.empty(len(edges), np.int64)
    order[edges] = rows
    return pa.array(order)


def _log(graph: GraphArrays, values: RowValues, seed: int) -> pa.Table:
    """All events in time order."""
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
    for kind, name in SIMULATED_ENTITY_COLUMNS.items():
        entity = _entity_of_session(graph, kind, np.random.default_rng((seed, 49_979_687)))
        if entity is not None:
            columns[name] = graph.entity_ids.take(
                pa.array(entity[graph.session_ix[row]], mask=entity[graph.session_ix[row]] < 0)
            )
    if values.amount is not None:
        columns["amount"] = pa.array(values.amount[row], from_pandas=True)
    if values.rating is not None:
        if values.rating_name in columns:
            raise UsageError(
                f"the column of ratings is {values.rating_name!r}, which the log has for something else"
            )
        columns[values.rating_name] = values.rating.take(pa.array(row))
    return pa.table(columns)


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
    """campaign_id, item_id of every target; user_id, the mule that is paid there, where there is one."""
    campaign = [f"C{k + 1}" for k, items in enumerate(planted.targets) for _ in items]
    items = [int(item) for targets in planted.targets for item in np.sort(targets)]
    ids = planted.graph.item_ids.take(pa.array(items, pa.int64()))
    mule = planted.user_of_item[items]
    users = planted.graph.user_ids.take(pa.array(mule, mask=mule < 0))
    return pa.table({"campaign_id": pa.array(campaign, pa.string()), "item_id": ids, "user_id": users})


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
    pq.write_table(table, path, compression="zstd", row_group_size=WRITE_BATCH_ROWS)


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
    for batch in table.to_batches(max_chunksize=WRITE_BATCH_ROWS):
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
