"""eda, third part: behaviour of users and items: what goes together, what lies far out, what moves with time."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import skew

from graphdet.eda.counts import local_start
from graphdet.eda.reading import Desk, collect
from graphdet.evaluation.columns import (
    FAR_IQR,
    FAR_Z,
    alike_together,
    ecod_parts,
    iqr_distances,
    ks,
    moved,
    psi,
    spearman,
    z_scores,
)
from graphdet.features import log_profile as profile
from graphdet.features.behaviour import FEATURE_NAMES, ITEM_FEATURE_NAMES, item_features, user_features
from graphdet.units import DAY_S, WEEK_S

LEAST_ROWS = 20  # users or items from which on distributions of features mean something
TOP_OUTLIER_SHARE = 0.01  # of the users or items each way of finding outliers names, for how far they agree
MOST_SCATTER = 3_000  # dots
MOST_RANKED = 50_000  # rows whose ranks are correlated; more are sampled
CLOSE = 0.9  # |Spearman| from which two features say nearly the same
# These hang on how many users a period has, so they would move with the mere volume.
BY_VOLUME = frozenset({"item_rarity_mean", "item_rarity_std", "rare_item_share"})
MOST_OUTLIERS_SHOWN = 15  # far-out ones on the page
SKEWED = 2.0  # skewness from which z-scores and fences are taken of ln(1 + x)
LEAST_EVENTS, LEAST_USERS = 200, 30  # of a period that is compared
MOST_PERIODS = 15
PERIODS_S = (
    600,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    *(86400 * d for d in (1, 2, 7, 14, 28, 91, 182, 364, 1820)),
)
MOST_KINDS = 30  # values of an attribute whose mix is compared; the others count as one


@dataclass(frozen=True)
class FeatureSheet:
    """Behaviour of users or items. Shapes: x float64[n, d], row by number; names[d]; ids[n] as text, by number."""

    of: str
    x: NDArray[np.float64]
    names: tuple[str, ...]
    ids: pa.Array


def sheets(desk: Desk) -> tuple[FeatureSheet, FeatureSheet]:
    """Behaviour features of all users and of all items."""
    users = collect(user_features(desk.events, desk.entities))
    items = collect(item_features(desk.events))
    return (
        FeatureSheet("user", by_row(users, "user_ix", FEATURE_NAMES), FEATURE_NAMES, _ids(desk, "user")),
        FeatureSheet(
            "item", by_row(items, "item_ix", ITEM_FEATURE_NAMES), ITEM_FEATURE_NAMES, _ids(desk, "item")
        ),
    )


def by_row(table: pa.Table, key: str, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Columns as float64[n, d] in the order of the key, which counts from 0 without gaps."""
    out = np.empty((table.num_rows, len(names)))
    rows = table[key].to_numpy()
    for j, name in enumerate(names):
        out[rows, j] = table[name].to_numpy()
    return out.round(9)


def _ids(desk: Desk, of: str) -> pa.Array:
    frame = {"user": desk.users, "item": desk.items}[of].sort(f"{of}_ix").select(f"{of}_id")
    return collect(frame)[f"{of}_id"].combine_chunks().cast(pa.string())


def varying_features(sheet: FeatureSheet) -> FeatureSheet:
    """Leave out features that are the same for all."""
    kept = np.ptp(sheet.x, axis=0) > 0 if len(sheet.x) else np.zeros(len(sheet.names), bool)
    return FeatureSheet(sheet.of, sheet.x[:, kept], tuple(np.array(sheet.names)[kept].tolist()), sheet.ids)


def rank_correlations(sheet: FeatureSheet, rng: np.random.Generator) -> dict[str, Any]:
    """Spearman's correlation of the features that vary, in an order that puts like beside like."""
    constant = sorted(set(sheet.names) - set(varying_features(sheet).names))
    if len(sheet.x) < LEAST_ROWS:
        return {"of": sheet.of, "n": len(sheet.x), "note": too_few(sheet), "constant": constant}
    rows = _sampled(len(sheet.x), MOST_RANKED, rng)
    sheet = varying_features(FeatureSheet(sheet.of, sheet.x[rows], sheet.names, sheet.ids))
    if len(sheet.names) < 2:
        note = f"All {sheet.of}s behave the same in all but {len(sheet.names)} of the features: nothing to compare."
        return {"of": sheet.of, "n": len(sheet.x), "note": note, "constant": constant}
    r = spearman(sheet.x)
    order = alike_together(r)
    r = r[np.ix_(order, order)].round(4)
    names = [sheet.names[j] for j in order]
    pairs = [(names[i], names[j], float(r[i, j])) for i in range(len(names)) for j in range(i)]
    pairs.sort(key=lambda pair: (-abs(pair[2]), pair[0], pair[1]))
    return {
        "of": sheet.of,
        "n": len(sheet.x),
        "note": None,
        "constant": constant,
        "names": names,
        "r": r.tolist(),
        "close_pairs": [list(pair) for pair in pairs if abs(pair[2]) >= CLOSE],
        "strongest": [list(pair) for pair in pairs[:5]],
    }


def too_few(sheet: FeatureSheet) -> str:
    """Say that there are too few to compare."""
    s = "" if len(sheet.x) == 1 else "s"
    return f"The log has only {len(sheet.x)} {sheet.of}{s}; this takes {LEAST_ROWS} or more."


def _sampled(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def tamed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln(1 + x) of the features that are never negative and skewed, the others as they are."""
    x = x.copy()
    long_tailed = (x.min(axis=0) >= 0) & (skew(x, axis=0) > SKEWED)
    x[:, long_tailed] = np.log1p(x[:, long_tailed])
    return x


@dataclass(frozen=True)
class Far:
    """Those that lie far out: what is told of them, a table of the first thousand (None if too few), and their rows.

    The table has of, id, rank, and per way its value, the feature it is most in, and in_top: how many ways name it.
    """

    found: dict[str, Any]
    table: pa.Table | None = None
    rows: tuple[int, ...] = ()


def outliers(sheet: FeatureSheet) -> Far:
    """Users or items that lie far out by z-score, fences and ECOD, and how far the three agree."""
    plain = varying_features(sheet)
    n = len(sheet.x)
    if n < LEAST_ROWS or not plain.names:
        note = (
            too_few(sheet)
            if n < LEAST_ROWS
            else f"All {sheet.of}s behave exactly alike, so none lies far out."
        )
        return Far({"of": sheet.of, "n": n, "note": note})
    parts, score, where = _three(plain)
    k = max(5, round(TOP_OUTLIER_SHARE * n))
    # The place of each in each list; equal ones by number, so that lists have exactly k.
    place = {name: _places(values) for name, values in score.items()}
    named = {name: at < k for name, at in place.items()}
    together = np.stack(list(named.values())).sum(axis=0)
    rank = np.lexsort((np.arange(n), np.sum(list(place.values()), axis=0), -together))
    masks = sum(named[name].astype(np.int64) << bit for bit, name in enumerate(score))
    regions = np.bincount(np.asarray(masks), minlength=8)
    methods = tuple(score)
    top = [
        {"id": plain.ids[int(i)].as_py(), "in_top": int(together[i])}
        | {name: float(score[name][i]) for name in methods}
        | {f"{name}_by": plain.names[int(where[name][i])] for name in methods}
        for i in rank[:MOST_OUTLIERS_SHOWN]
    ]
    found = {
        "of": sheet.of,
        "n": n,
        "note": None,
        "n_features": len(plain.names),
        "k": k,
        "beyond": {"z": int((score["z"] > FAR_Z).sum()), "iqr": int((score["iqr"] > FAR_IQR).sum())},
        "far_z": FAR_Z,
        "far_iqr": FAR_IQR,
        "agreement": [
            {
                "methods": [name for bit, name in enumerate(methods) if mask >> bit & 1],
                "n": int(regions[mask]),
            }
            for mask in range(1, 8)
        ],
        "rank_correlation": spearman(np.column_stack(list(score.values()))).round(4).tolist(),
        "methods": list(methods),
        "drives_ecod": _drivers(parts["ecod"], named["ecod"], plain.names),
        "top": top,
    }
    kept = rank[: min(n, 1000)]
    table = pa.table(
        {
            "of": [sheet.of] * len(kept),
            "id": plain.ids.take(pa.array(kept)),
            "rank": np.arange(1, len(kept) + 1),
        }
        | {name: score[name][kept] for name in methods}
        | {f"{name}_by": [plain.names[int(j)] for j in where[name][kept]] for name in methods}
        | {"in_top": together[kept]}
    )
    return Far(found, table, tuple(int(i) for i in rank[:MOST_OUTLIERS_SHOWN]))


def _three(
    sheet: FeatureSheet,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]:
    """Parts by feature, scores, and the feature that is furthest out, by way of finding."""
    calm = tamed(sheet.x)
    parts = {"z": z_scores(calm), "iqr": iqr_distances(calm), "ecod": ecod_parts(sheet.x)}
    parts = {name: values.round(9) for name, values in parts.items()}
    score = {
        name: values.sum(axis=1) if name == "ecod" else values.max(axis=1) for name, values in parts.items()
    }
    return parts, {n: v.round(6) for n, v in score.items()}, {n: v.argmax(axis=1) for n, v in parts.items()}


def _places(values: NDArray[np.float64]) -> NDArray[np.int64]:
    place = np.empty(len(values), np.int64)
    place[np.lexsort((np.arange(len(values)), -values))] = np.arange(len(values))
    return place


def _drivers(parts: NDArray[np.float64], named: NDArray[np.bool_], names: tuple[str, ...]) -> list[list[Any]]:
    """Which features make the ECOD score of those it names, as shares of their sum."""
    mass = parts[named].sum(axis=0)
    order = np.argsort(-mass, kind="stable")[:6]
    return [[names[j], float((mass[j] / max(mass.sum(), 1e-300)).round(4))] for j in order]


def scatter_sample(
    sheet: FeatureSheet,
    across: str,
    up: str,
    far: Far,
    label: NDArray[np.int8] | None,
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    """Dots of two features, at most MOST_SCATTER: far-out and labelled ones first, the rest by chance.

    label: int8[n], 1 fraud, 0 clean, -1 unknown, or None where nothing of this kind is labelled.
    """
    j, i = sheet.names.index(across), sheet.names.index(up)
    if len(sheet.x) < LEAST_ROWS or np.ptp(sheet.x[:, j]) == 0 or np.ptp(sheet.x[:, i]) == 0:
        return None
    fraud = np.flatnonzero(label == 1) if label is not None else np.zeros(0, np.int64)
    some = fraud[_sampled(len(fraud), MOST_SCATTER // 4, rng)]
    rest = np.setdiff1d(np.arange(len(sheet.x)), some)
    rows = np.sort(np.concatenate([some, rest[_sampled(len(rest), MOST_SCATTER - len(some), rng)]]))
    ranked = sheet.x[_sampled(len(sheet.x), MOST_RANKED, rng)][:, (j, i)]
    r = float(spearman(ranked)[0, 1])
    return {
        "of": sheet.of,
        "x": across,
        "y": up,
        "n": len(sheet.x),
        "spearman": r if r == r else None,
        "dots": sheet.x[rows][:, (j, i)].round(4).tolist(),
        "fraud": np.flatnonzero(np.isin(rows, fraud)).tolist(),
        "far": [[*sheet.x[p, (j, i)].round(4).tolist(), sheet.ids[p].as_py()] for p in far.rows],
        "n_fraud": len(fraud),
    }


def feature_drift(desk: Desk, counts: dict[str, Any], zone: str) -> dict[str, Any]:
    """How much the behaviour of users and the mix of events move from one period to the next: PSI and KS."""
    if counts["first_ms"] is None:
        least_sizes = {"least_events": LEAST_EVENTS, "least_users": LEAST_USERS}
        note = "The log has no times, so nothing can move with it."
        return {"width_s": DAY_S, "zone": zone, "periods": [], **least_sizes, "rows": [], "note": note}
    span_s = (counts["last_ms"] - counts["first_ms"]) / 1000
    # Nights differ from days and Sundays from Mondays: periods are whole days of a log of days, whole weeks of a long
    # one.
    least = WEEK_S if span_s >= 4 * WEEK_S else DAY_S if span_s >= 3 * DAY_S else 0
    fitting = (w for w in PERIODS_S if w >= least and span_s / w <= MOST_PERIODS - 1)
    width_s = next(fitting, PERIODS_S[-1])
    origin = local_start(counts["first_ms"], width_s, ZoneInfo(zone))
    width = width_s * 1000
    spans = collect(profile.per_span(desk.events, origin, width)).to_pylist()
    enough = [s["span"] for s in spans if s["events"] >= LEAST_EVENTS and s["users"] >= LEAST_USERS]
    whole = [span for span in enough if _is_whole(origin + int(span) * width, width, counts)]
    enough = whole if len(whole) > 1 else enough
    found: dict[str, Any] = {
        "width_s": width_s,
        "zone": zone,
        "periods": [
            {
                "first_ms": origin + int(s["span"]) * width,
                "events": int(s["events"]),
                "users": int(s["users"]),
                "compared": s["span"] in set(enough),
            }
            for s in spans
        ],
        "least_events": LEAST_EVENTS,
        "least_users": LEAST_USERS,
        "rows": [],
        "note": None,
    }
    if len(enough) < 2:
        found["note"] = (
            f"There are not two periods with {LEAST_EVENTS} events of {LEAST_USERS} users or more to compare."
        )
        return found
    steps = list(pairwise(enough))
    found["steps"] = [[origin + int(a) * width, origin + int(b) * width] for a, b in steps]
    found["rows"] = [*_behaviour_moves(desk, enough, origin, width), *_mix_moves(desk, enough, origin, width)]
    found["rows"].sort(key=lambda row: (-max(row["psi"]), row["name"]))
    return found


def _is_whole(start_ms: int, width: int, counts: dict[str, Any]) -> bool:
    """Whether the log covers a period: one cut short at either end of the log differs for that alone."""
    slack = width // 20
    return bool(start_ms >= counts["first_ms"] - slack and start_ms + width <= counts["last_ms"] + slack)


def _behaviour_moves(desk: Desk, spans: list[int], origin: int, width: int) -> list[dict[str, Any]]:
    """PSI and KS of each feature of users, worked out anew within each period."""
    names = [name for name in FEATURE_NAMES if name not in BY_VOLUME]
    found: list[list[tuple[float, float]]] = [[] for _ in names]
    before: NDArray[np.float64] | None = None
    for span in spans:
        since = origin + span * width
        table = collect(user_features(desk.events, desk.entities, since_ms=since, until_ms=since + width))
        now = np.column_stack([table[name].to_numpy() for name in names]).round(9)
        if before is not None:
            for j, row in enumerate(found):
                row.append(moved(before[:, j], now[:, j]))
        before = now
    return [
        {
            "name": name,
            "what": "behaviour of users",
            "psi": [s[0] for s in steps],
            "ks": [s[1] for s in steps],
        }
        for name, steps in zip(names, found, strict=True)
        if max(s[1] for s in steps) > 0
    ]


def _mix_moves(desk: Desk, spans: list[int], origin: int, width: int) -> list[dict[str, Any]]:
    """PSI of hours, actions, sizes of amounts and values of attributes, over events; KS where there is an order."""
    wanted = [
        ("hour_of_day", profile.hour_of_day(), False),
        ("action", nw.col("action_ix").cast(nw.Int64), False),
    ]
    wanted += [(n, profile.size_class(n), True) for n in ("amount", "quantity", "text_length")]
    wanted += [(n, nw.col(n), False) for n in desk.attributes]
    rows = []
    for name, what, ordered in wanted if width >= DAY_S * 1000 else wanted[1:]:
        table = collect(profile.mix(desk.events, what, origin, width))
        kinds, codes = np.unique(np.array(table["kind"].to_pylist()), return_inverse=True)
        if len(kinds) < 2:
            continue
        counts = np.zeros((max(spans) + 1, len(kinds)), np.int64)
        places = table["span"].to_numpy()
        inside = places <= max(spans)
        counts[places[inside], codes[inside]] = table["events"].to_numpy()[inside]
        if not ordered and len(kinds) > MOST_KINDS:
            order = np.argsort(-counts.sum(axis=0), kind="stable")
            counts = np.column_stack(
                [counts[:, order[:MOST_KINDS]], counts[:, order[MOST_KINDS:]].sum(axis=1)]
            )
        steps = [(counts[a], counts[b]) for a, b in pairwise(spans)]
        distances = [ks(a, b) for a, b in steps] if ordered else [None for _ in steps]
        rows.append(
            {"name": name, "what": "mix of events", "psi": [psi(a, b) for a, b in steps], "ks": distances}
        )
    return rows
