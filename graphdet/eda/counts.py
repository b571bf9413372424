"""eda, second part: when things happen, how numbers are spread, how heavy their tails are, and what repeats."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from graphdet.eda.reading import Desk, collect
from graphdet.evaluation.tails import PowerLaw, expected_tail, fit_power_law, gini, top_share
from graphdet.features import log_profile as profile
from graphdet.tables import Frame
from graphdet.units import HOUR_MS

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.99)
MOST_BINS = 150  # of the time line
MOST_CALENDAR_DAYS = 366 * 12  # of the calendar
WIDTHS_S = (
    1,
    10,
    60,
    600,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    *(86400 * d for d in (1, 7, 28, 91, 364, 3640)),
)
MOST_CCDF = 160  # points of a tail
TOP_VALUES = 8
Counts = tuple[NDArray[np.int64], NDArray[np.int64]]  # distinct counts, and how many things have each


def totals(desk: Desk) -> dict[str, Any]:
    """How many of everything, and from when to when; first_ms and last_ms are None in a log without times."""
    ends = desk.events.select(nw.col("at_ms").min().alias("a"), nw.col("at_ms").max().alias("b"))
    first, last = ends.to_native().fetchall()[0]
    sizes = {
        name: frame.select(n=nw.len()).collect().item()
        for name, frame in (("users", desk.users), ("items", desk.items), ("sessions", desk.sessions))
    }
    log = desk.log
    return {
        "rows": log.n_rows,
        "events": log.n_events,
        "rejects": log.n_rejects,
        "duplicates": log.n_duplicates,
        "filtered": log.n_filtered,
        **{name: int(n) for name, n in sizes.items()},
        "first_ms": int(first) if last else None,
        "last_ms": int(last) if last else None,
    }


def times(desk: Desk, zone: str, counts: dict[str, Any]) -> dict[str, Any]:
    """Events by weekday and hour in a zone, by day, and along time; nothing of a log without times."""
    if counts["first_ms"] is None:
        nothing: dict[str, Any] = {"width_s": WIDTHS_S[0], "origin_ms": None, "events": [], "users": []}
        week = np.zeros((7, 24), np.int64)
        return {"zone": zone, "by_weekday_and_hour": week.tolist(), "by_day": [], "n_days": 0, "days_only": False,
                "line": nothing}  # fmt: skip
    table = collect(profile.per_hour(desk.events))
    local = ZoneInfo(zone)
    week = np.zeros((7, 24), np.int64)
    days: dict[str, int] = {}
    for hour, n in zip(table["hour"].to_pylist(), table["events"].to_pylist(), strict=True):
        at = _moment(int(hour) * HOUR_MS).astimezone(local)
        week[at.weekday(), at.hour] += n
        day = at.date().isoformat()
        days[day] = days.get(day, 0) + n
    moments = (
        desk.events.select((nw.col("at_ms") % HOUR_MS).alias("m")).select(nw.col("m").n_unique()).collect()
    )
    span_s = (counts["last_ms"] - counts["first_ms"]) / 1000
    return {
        "zone": zone,
        "by_weekday_and_hour": week.tolist(),
        "by_day": sorted(days.items()) if len(days) <= MOST_CALENDAR_DAYS else [],
        "n_days": len(days),
        "days_only": int((week.sum(axis=0) > 0).sum()) == 1 and int(moments.item()) == 1 and len(days) > 1,
        "line": _line(desk, counts, span_s, local),
    }


def _moment(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def local_start(at_ms: int, width_s: int, zone: ZoneInfo) -> int:
    """The last round time at or before a moment: of local days from midnight, of weeks from Monday; milliseconds."""
    at = _moment(at_ms).astimezone(zone)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if width_s >= 7 * 86400:
        midnight -= timedelta(days=midnight.weekday())
    start = round(midnight.timestamp() * 1000)
    return start + (at_ms - start) // (width_s * 1000) * (width_s * 1000)


def _line(desk: Desk, counts: dict[str, Any], span_s: float, zone: ZoneInfo) -> dict[str, Any]:
    width_s = next((w for w in WIDTHS_S if span_s / w <= MOST_BINS), WIDTHS_S[-1])
    origin = local_start(counts["first_ms"], width_s, zone)
    table = collect(profile.per_span(desk.events, origin, width_s * 1000))
    spans = table["span"].to_numpy()
    n = int(spans.max()) + 1
    events, users = np.zeros(n, np.int64), np.zeros(n, np.int64)
    events[spans], users[spans] = table["events"].to_numpy(), table["users"].to_numpy()
    return {"width_s": width_s, "origin_ms": origin, "events": events.tolist(), "users": users.tolist()}


def tails(desk: Desk) -> list[dict[str, Any]]:
    """How many events users, items and sessions have: tails, exponents and concentration."""
    found = []
    for of in ("user", "item", "session"):
        k, things = count_table(profile.count_of_counts(desk.events, f"{of}_ix"))
        law = fit_power_law(k, things)
        share = np.cumsum(things[::-1])[::-1] / things.sum()
        wanted = np.searchsorted(k, np.geomspace(k[0], k[-1], MOST_CCDF))
        shown = np.unique(
            np.minimum(wanted, len(k) - 1)
        )  # the last of geomspace may pass the largest by a bit
        found.append(
            {
                "of": of,
                "n": int(things.sum()),
                "most": int(k[-1]),
                "ccdf": [[int(k[i]), float(share[i])] for i in shown],
                "power_law": None if law is None else asdict(law) | {"line": _line_of(law, k, share)},
                "gini": gini(k, things),
                "top_1_percent_share": top_share(k, things, 0.01),
            }
        )
    return found


def _line_of(law: PowerLaw, k: NDArray[np.int64], share: NDArray[np.float64]) -> list[list[float]]:
    """The fitted law as a line of the picture: from x_min to the largest count, [k, share of all]."""
    at = np.geomspace(law.x_min, k[-1], 24)
    whole = share[np.searchsorted(k, law.x_min)]
    return [[float(a), float(b)] for a, b in zip(at, expected_tail(law, at) * whole, strict=True)]


def count_table(frame: Frame) -> Counts:
    """Take (k, things) from the bench."""
    table = collect(frame)
    return table["k"].to_numpy().astype(np.int64), table["things"].to_numpy().astype(np.int64)


def distributions(desk: Desk) -> list[dict[str, Any]]:
    """How numbers of the log are spread: counts per thing, times, amounts."""
    events = desk.events
    found = [
        _of_counts("events_per_user", count_table(profile.count_of_counts(events, "user_ix"))),
        _of_counts("items_per_user", count_table(profile.items_per_user(events))),
        _of_counts("events_per_item", count_table(profile.count_of_counts(events, "item_ix"))),
        _of_counts("events_per_session", count_table(profile.count_of_counts(events, "session_ix"))),
        _of_values("session_seconds", profile.session_sizes(events)),
        _of_values("gap_seconds", profile.user_gaps(events)),
    ]
    for name in ("amount", "quantity", "text_length"):
        values = events.select(nw.col(name).alias("value"))
        if one := _of_values(name, values):
            found.append(one | {"n_missing": desk.log.n_events - one["n"]})
    return [one for one in found if one is not None]


def _of_counts(name: str, counts: Counts) -> dict[str, Any]:
    k, things = counts
    upto = np.cumsum(things)
    quantiles = {f"{q:g}": int(k[np.searchsorted(upto, q * upto[-1])]) for q in QUANTILES}
    bins = np.floor(np.log10(k) * profile.BINS_A_DECADE + 1e-9).astype(np.int64)
    binned = np.bincount(bins, things).astype(np.int64)
    return {
        "name": name,
        "n": int(things.sum()),
        "n_zero": 0,
        "n_negative": 0,
        "low": int(k[0]),
        "high": int(k[-1]),
        "quantiles": quantiles,
        "top_1_percent_share": top_share(k, things, 0.01),
        "log_bins": [[int(b), int(n)] for b, n in enumerate(binned) if n],
    }


def _of_values(name: str, values: Frame) -> dict[str, Any] | None:
    row = collect(profile.summary(values, QUANTILES)).to_pylist()[0]
    if not row["n"]:
        return None
    table = collect(profile.log_bins(values))
    return {
        "name": name,
        "n": int(row["n"]),
        "n_zero": int(row["n_zero"] or 0),
        "n_negative": int(row["n_negative"] or 0),
        "low": float(row["low"]),
        "high": float(row["high"]),
        "quantiles": {f"{q:g}": float(row[f"q{i}"]) for i, q in enumerate(QUANTILES)},
        "log_bins": [
            [int(b), int(n)]
            for b, n in zip(table["bin"].to_pylist(), table["things"].to_pylist(), strict=True)
        ],
    }


def values(desk: Desk) -> list[dict[str, Any]]:
    """The commonest actions and values of attributes."""
    named = desk.events.join(desk.actions, on="action_ix", how="inner")
    found = []
    for name, frame in (("action", named), *((name, desk.events) for name in desk.attributes)):
        counts = profile.value_counts(frame, name)
        n = (
            counts.select(n=nw.len(), known=nw.col("events").sum())
            .collect("pyarrow")
            .to_native()
            .to_pylist()[0]
        )
        top = collect(counts.head(TOP_VALUES))
        known = int(n["known"] or 0)
        found.append(
            {
                "column": name,
                "n_distinct": int(n["n"]),
                "n_missing": desk.log.n_events - known,
                "top": [
                    [str(v), int(k)]
                    for v, k in zip(top["value"].to_pylist(), top["events"].to_pylist(), strict=True)
                ],
            }
        )
    return found


def repetition(desk: Desk) -> dict[str, Any]:
    """What repeats that is no exact duplicate: the same user on the same item, the same text."""
    row = collect(profile.repeats(desk.events)).to_pylist()[0]
    n = int(row["events"])
    found: dict[str, Any] = {
        "user_item_again": n - int(row["user_item"]),
        "session_item_again": n - int(row["session_item"]),
        "user_item_same_moment": n - int(row["user_item_moment"]),
        "texts": None,
    }
    n_texts = desk.events.select(nw.col("text_length").count()).collect().item()
    if n_texts:
        shared = profile.shared_texts(desk.clean)
        sums = collect(shared.select(n=nw.len(), events=nw.col("events").sum())).to_pylist()[0]
        found["texts"] = {
            "n": int(n_texts),
            "n_shared_texts": int(sums["n"]),
            "n_events_with_shared_text": int(sums["events"] or 0),
            "top": [
                {"text": row["text"][:200], "events": int(row["events"]), "users": int(row["users"])}
                for row in collect(shared.head(5)).to_pylist()
            ],
        }
    return found
