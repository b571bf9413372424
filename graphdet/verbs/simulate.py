"""graphdet simulate: a log with planted campaigns, as files, with the truth beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from graphdet.files import replacing
from graphdet.simulation import (
    Planted,
    PlantedGroup,
    RowValues,
    innocent_plan,
    organic,
    organic_values,
    plant,
    planted_values,
    with_knobs,
)
from graphdet.simulation.campaigns import planned_campaigns
from graphdet.simulation.log_files import LOG_FORMATS, LOG_WRITERS, check_ending
from graphdet.simulation.log_tables import (
    REPEAT_MS,
    innocents_table,
    labels_table,
    log_table,
    truth_items_table,
    truth_table,
)
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class SimulateRequest:
    """What to make.

    n_users, n_items, days and kind: of a log that is generated; kind is news, shop, payments or reviews. plan:
    "benchmark", "training", "unseen" (kinds that no judge is trained on), a level "L1" … "L5", a kind of campaign with
    its plain knobs, or "none". n_campaigns: how many (the first ones of the benchmark); None: as many as the plan has.
    knobs: changed in all of them, by name; values are numbers or words, or their text. innocents: also plant groups
    that only look coordinated.
    shared_ids: an id is the same account as a user and as an item; so it is in generated payments.
    """

    n_users: int = 20_000
    n_items: int = 2_000
    days: int = 30
    kind: str = "news"
    plan: str = "benchmark"
    n_campaigns: int | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    innocents: bool = False
    shared_ids: bool = False
    seed: int = 0


@dataclass(frozen=True)
class SimulateResult:
    """What was written: the log, the truth beside it, how much of what, and what became of every group."""

    log: Path
    truth: Path
    truth_items: Path
    innocents: Path
    labels: Path
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
    user_id, group_id, kind; labels user_id, label (int8) of every account.
    """

    planted: Planted
    log: pa.Table
    truth: pa.Table
    truth_items: pa.Table
    innocents: pa.Table
    labels: pa.Table
    warnings: tuple[str, ...]


def simulate(
    out: Path,
    request: SimulateRequest | None = None,
    *,
    base: GraphArrays | None = None,
    values: RowValues | None = None,
    **changes: Any,
) -> SimulateResult:
    """Write a log with planted campaigns to `out`, and truth.csv, truth_items.csv, innocents.csv, labels.csv beside it.

    `changes` are fields of the request, for calls from Python; base and values are those of `make`. The same arguments
    give the same bytes.

    Raises:
        UsageError: an unknown plan, knob or file ending, or a column of ratings that cannot be used.
        NotEnoughData: a log too small for the plan.
        GraphdetError: a file cannot be written.
    """
    check_ending(out)
    return write(out, make(replace(request or SimulateRequest(), **changes), base, values))


def make(request: SimulateRequest, base: GraphArrays | None = None, values: RowValues | None = None) -> Made:
    """Make a log with planted campaigns.

    base: the log to plant into, with values per edge where it has some; without one a log is made as the request says.
    The log has the columns user_id, item_id, session_id, timestamp (ms), action, device_id and ip where the log has
    such entities, amount, item_name and the column of ratings where it has these, sorted by time.

    Raises:
        UsageError: an unknown plan or knob, or a column of ratings that cannot be used.
        NotEnoughData: a log too small for the plan.
    """
    seed, shared_ids = request.seed, request.shared_ids
    knobs = {name: str(value) for name, value in request.knobs.items()}
    planned = planned_campaigns(request.plan, request.n_campaigns, seed)
    campaigns = [with_knobs(campaign, knobs) for campaign in planned]
    if base is None:
        graph = organic(request.n_users, request.n_items, request.days, seed, request.kind)
        values, shared_ids = (
            organic_values(graph, request.kind, seed),
            shared_ids or request.kind == "payments",
        )
    else:
        graph = base
    innocents = innocent_plan(seed) if request.innocents else ()
    planted = plant(graph, campaigns, seed, innocents, shared_ids=shared_ids)
    carried = planted_values(values or RowValues(), planted, seed)
    if values is not None and not shared_ids:  # else items get other ids, and a name would tell which
        carried = replace(carried, item_name=values.item_name)
    return Made(
        planted,
        log_table(planted.graph, carried, seed),
        truth_table(planted),
        truth_items_table(planted),
        innocents_table(planted),
        labels_table(planted),
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
        LOG_WRITERS[next(ending for ending in LOG_FORMATS if out.name.endswith(ending))](made.log, path)
    beside = {name: out.parent / f"{name}.csv" for name in ("truth", "truth_items", "innocents", "labels")}
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
    if planted.graph.resolution_ms > REPEAT_MS and int(planted.graph.n.max(initial=1)) > 1:
        yield (
            "the log's times are too coarse to tell repeated events apart: read the new log with [reject] duplicates = "
            "false"
        )
    if values.amount is None and any(group.asked.flow for group in planted.campaigns):
        yield "the log has no amounts: mules show by who pays whom and when, not by sums"
    if values.rating is None and any(group.asked.polarity for group in planted.campaigns):
        yield "the log has no ratings: campaigns that promote or demote show by who reviews what and when only"
