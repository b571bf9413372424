"""Order brushing at Shopee, shops and their buyers, with and without labels: one JSON line per figure.

    python -m benchmarks.cases.brushing --data DATA [--parts …] [--rows FILE] [--figures DIR] [--final]

DATA holds shopee_brushing/. Parts: `labels`, five folds by shop; `no labels`, the scan of single items, which knows no
label and no rule. Half of the shops, by a hash of their id, were looked at while the scan was built; --final measures
the other half.
"""

import argparse
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import recording
from benchmarks.cases.brushing_pictures import draw_windows
from benchmarks.cases.common import _ecod, _forest, _lightgbm, _xgboost, labels_of, store_of
from benchmarks.cases.node_figures import interval
from benchmarks.cases.social_figures import draw, precision_recall
from benchmarks.recording import record
from graphdet.evaluation.intervals import draws
from graphdet.evaluation.intervals import interval as drawn_interval
from graphdet.evaluation.ranking import figures, figures_at
from graphdet.evaluation.splits import TEST, TRAIN, SplitPlan, grouped_folds
from graphdet.items.acts import ItemActs
from graphdet.items.scan import REPEATED_ACTS, ItemFindings, accounts_of, scan_items
from graphdet.learn.labelled_blocks import ItemScanBlock, read_item_acts
from graphdet.learn.labelled_sheets import Sheet, kept_sheet, with_blocks
from graphdet.learn.labelled_task import LabelTask, fit_task, make_label_task
from graphdet.ports import GraphStore

CASE = "brushing"
PARTS = ("labels", "no labels")
FDR = (0.05, 0.1)
AIMED = 0.1  # a precision of .90 is asked for without labels
AIMED_PRECISION = 0.95  # with labels
BY_HOUR = ("most_by_one_user_in_an_hour", "most_per_user_in_an_hour")
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Shops:
    """The shops of the log and their silver verdicts.

    Shapes: ids[n] text; y int8[n], 1 brushing; built_on bool[n], those looked at while building; buyers, per shop
    the ids of the accused.
    """

    ids: list[str]
    y: NDArray[np.int8]
    built_on: Bool
    buyers: list[set[str]]


def read_shops(verdicts: Path, ids: list[str]) -> Shops:
    """The verdicts of the shops that the log has."""
    lines = verdicts.read_text(encoding="utf-8").splitlines()[1:]
    said = dict(line.split(",") for line in lines if line)
    buyers = [set() if said[shop] == "0" else set(said[shop].split("&")) for shop in ids]
    y = np.array([bool(some) for some in buyers], np.int8)
    half = np.array([int(hashlib.sha256(shop.encode()).hexdigest(), 16) % 2 == 0 for shop in ids])
    return Shops(ids, y, half, buyers)


def folds_of(sheet: Sheet, shops: Shops, seed: int) -> list[LabelTask]:
    """Five tasks: each fold of the shops is the test part of one."""
    given = labels_of("item_id", dict(zip(shops.ids, shops.y.tolist(), strict=True)))
    base = make_label_task(sheet, given, SplitPlan("none"), seed, False)
    outer = grouped_folds(base.y, sheet.group, 1_000 + seed)
    out = []
    for k in np.unique(outer):
        part = np.where(outer == k, TEST, TRAIN).astype(np.int8)
        rows = np.flatnonzero(part == TRAIN)
        fold = np.full(len(base.y), -1, np.int64)
        fold[rows] = grouped_folds(base.y[rows], sheet.group[rows], seed)
        out.append(replace(base, part=part, fold=fold))
    return out


def best_f1_cut(y: NDArray[np.integer], score: Float) -> float:
    """The score from which flagging gives the best F1 of brushing shops; for scores out of fold only."""
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(y[order])
    f1 = 2 * found / (np.arange(1, len(y) + 1) + y.sum())
    last = np.append(np.diff(score[order]) != 0, True)
    return float(score[order][np.flatnonzero(last)[int(np.argmax(f1[last]))]])


def precise_cut(y: NDArray[np.integer], score: Float) -> float:
    """The lowest score from which flagging is as precise as AIMED_PRECISION; for scores out of fold only."""
    order = np.argsort(-score, kind="stable")
    precision = np.cumsum(y[order]) / np.arange(1, len(y) + 1)
    last = np.append(np.diff(score[order]) != 0, True)
    good = np.flatnonzero(last & (precision >= AIMED_PRECISION))
    return float(score[order][good[-1]]) if len(good) else float("inf")


def ours_precise(task: LabelTask, seed: int) -> tuple[Float, Bool]:
    """The same as `ours`, cut where the out-of-fold scores of the training part are precise enough."""
    fitted = fit_task(task, seed)
    score = fitted.model.score(task.scored(np.flatnonzero(task.part == TEST))).score
    return score, score >= precise_cut(task.y[task.learned], fitted.score)


def ours(task: LabelTask, seed: int) -> tuple[Float, Bool]:
    """graphdet's labelled road: scores of the test part and what is flagged, by a cut from out-of-fold scores."""
    fitted = fit_task(task, seed)
    test = np.flatnonzero(task.part == TEST)
    score = fitted.model.score(task.scored(test)).score
    return score, score >= best_f1_cut(task.y[task.learned], fitted.score)


def peer(
    fit: Callable[..., Float], columns: Float, labelled: bool
) -> Callable[[LabelTask, int], tuple[Float, Bool]]:
    """A peer on some columns, float[n, d]; its cut is of inner folds, or, without labels, at the training share."""

    def run(task: LabelTask, seed: int) -> tuple[Float, Bool]:
        learned, test = np.flatnonzero(task.learned), np.flatnonzero(task.part == TEST)
        score = fit(columns[learned], task.y[learned], columns[test], seed)
        if not labelled:
            cut = np.quantile(score, 1 - task.y[learned].mean())
            return score, score >= cut
        inner = np.full(len(task.y), np.nan)
        for k in np.unique(task.fold[learned]):
            into, out = learned[task.fold[learned] != k], learned[task.fold[learned] == k]
            inner[out] = fit(columns[into], task.y[into], columns[out], seed)
        return score, score >= best_f1_cut(task.y[learned], inner[learned])

    return run


def flat_counts(acts: ItemActs) -> NDArray[np.float32]:
    """What anybody would count of a shop: orders, buyers, orders per buyer, most by one buyer, hours with any, span."""
    n = acts.n_items
    orders = np.bincount(acts.item_ix, minlength=n)
    pair, count = np.unique(acts.item_ix * acts.n_users + acts.user_ix, return_counts=True)
    buyers = np.bincount(pair // acts.n_users, minlength=n)
    most = np.zeros(n)
    np.maximum.at(most, pair // acts.n_users, count)
    hours = np.unique(acts.item_ix * 10_000 + acts.at_ms // 3_600_000) // 10_000
    first, last = np.full(n, acts.span_ms), np.zeros(n)
    np.minimum.at(first, acts.item_ix, acts.at_ms)
    np.maximum.at(last, acts.item_ix, acts.at_ms)
    return np.column_stack(
        [orders, buyers, orders / buyers, most, np.bincount(hours, minlength=n), last - first]
    ).astype(np.float32)


def with_labels(store: GraphStore, shops: Shops, acts: ItemActs, n_seeds: int, only: list[str]) -> None:
    """Five folds by shop, every method on the same folds."""
    plain = kept_sheet(store, "item")
    scanned = with_blocks(store, plain, [ItemScanBlock()])
    kept = [j for j, name in enumerate(plain.names) if name not in BY_HOUR]
    no_hours = replace(plain, x=plain.x[:, kept], names=tuple(plain.names[j] for j in kept))
    flat, every = flat_counts(acts), np.nan_to_num(plain.x)
    methods: dict[str, tuple[Sheet, Callable[[LabelTask, int], tuple[Float, Bool]]]] = {
        "graphdet, items": (plain, ours),
        "graphdet, items + scan": (scanned, ours),
        "graphdet, items + scan, cut for precision .95": (scanned, ours_precise),
        "graphdet, items without hourly counts": (no_hours, ours),
        "LightGBM, flat counts": (plain, peer(_lightgbm, flat, True)),
        "XGBoost, flat counts": (plain, peer(_xgboost, flat, True)),
        "XGBoost, graphdet's item features": (plain, peer(_xgboost, every, True)),
        "IsolationForest, item features (no labels)": (plain, peer(_forest, every, False)),
        "ECOD, item features (no labels)": (plain, peer(_ecod, every, False)),
    }
    for method, (sheet, run) in methods.items():
        if only and method not in only:
            continue
        found, intervals, started = [], {}, time.perf_counter()
        for seed in range(n_seeds):
            score, flagged, y = _over_folds(folds_of(sheet, shops, seed), run, seed)
            found.append(figures(y, score) | figures_at(y, flagged))
            if seed == 0:
                intervals = _drawn(y, flagged)
        seconds = round((time.perf_counter() - started) / n_seeds, 1)
        told = {name: [round(v, 4) for v in interval([one[name] for one in found])] for name in found[0]}
        record(
            CASE, part="labels", method=method, n=len(shops.ids), n_fraud=int(shops.y.sum()), seeds=n_seeds,
            **told, drawn=intervals, seconds=seconds,
        )  # fmt: skip


def _over_folds(
    tasks: list[LabelTask], run: Callable[[LabelTask, int], tuple[Float, Bool]], seed: int
) -> tuple[Float, Bool, NDArray[np.int8]]:
    """Scores and flags of all shops, each from the fold that it is tested in. Scores are ranks within the fold."""
    n = len(tasks[0].y)
    score, flagged = np.zeros(n), np.zeros(n, bool)
    for task in tasks:
        test = np.flatnonzero(task.part == TEST)
        said, flags = run(task, seed)
        score[test], flagged[test] = np.argsort(np.argsort(said)) / len(test), flags
    return score, flagged, tasks[0].y


def _drawn(y: NDArray[np.integer], flagged: Bool) -> dict[str, list[float]]:
    """95 % intervals of precision and recall from 1,000 draws of shops with replacement."""
    drawn = np.array(
        [
            (
                w[flagged & (y == 1)].sum() / max(w[flagged].sum(), 1),
                w[flagged & (y == 1)].sum() / w[y == 1].sum(),
            )
            for w in draws(np.arange(len(y)), 1_000, 0)
        ]
    )
    pairs = {name: drawn_interval(drawn[:, j]) for j, name in enumerate(("precision", "recall"))}
    return {name: [round(v, 4) for v in pair] for name, pair in pairs.items() if pair}


def without_labels(
    shops: Shops, acts: ItemActs, user_ids: list[str], some: Bool, store: GraphStore, n_seeds: int
) -> dict[str, Float]:
    """The scan on the whole log, measured on the shops `some`; peers beside it. Gives the scores for the curves."""
    y = shops.y
    part = "no labels, " + ("building half" if np.array_equal(some, shops.built_on) else "held-out half")
    started = time.perf_counter()
    repeats, throwaway = scan_items(acts)
    seconds = round(time.perf_counter() - started, 1)
    shown = {"scan of single items, repeats": -np.log(repeats.strongest.p)}
    for fdr in FDR:
        both = (repeats.q <= fdr) | (throwaway.q <= fdr)
        for method, flagged in (("scan, repeats", repeats.q <= fdr), ("scan, either kind", both)):
            values = figures(y[some], -np.log(repeats.strongest.p[some])) if flagged is not both else {}
            values |= figures_at(y[some], flagged[some])
            told = {name: round(value, 4) for name, value in values.items()}
            record(
                CASE, part=part, method=method, fdr=fdr, n=int(some.sum()), n_fraud=int(y[some].sum()),
                n_flagged=int(flagged[some].sum()), **told, drawn=_drawn(y[some], flagged[some]), seconds=seconds,
            )  # fmt: skip
        record(CASE, part=part, method="scan, repeats", what="buyers", fdr=fdr,
               **buyers(shops, acts, repeats, user_ids, some, fdr))  # fmt: skip
    share = float(y[some].mean())
    record(CASE, part=part, method="every shop", precision=round(share, 4), recall=1.0)
    columns = np.nan_to_num(kept_sheet(store, "item").x)
    for method, fit in (("IsolationForest, given the share", _forest), ("ECOD, given the share", _ecod)):
        found = []
        for seed in range(n_seeds if fit is _forest else 1):
            score = fit(columns, y, columns, seed)
            cut = np.quantile(score[some], 1 - share)
            found.append(figures(y[some], score[some]) | figures_at(y[some], score[some] >= cut))
        told = {name: [round(v, 4) for v in interval([one[name] for one in found])] for name in found[0]}
        record(CASE, part=part, method=method, seeds=len(found), **told)
        shown[method.split(",")[0]] = score
    counts = flat_counts(acts)
    shown["orders per buyer"] = counts[:, 2].astype(np.float64)
    for method, column in (
        ("orders per buyer, given the share", 2),
        ("most orders of one buyer, given the share", 3),
    ):
        score = counts[:, column].astype(np.float64)
        flagged = score >= np.quantile(score[some], 1 - share)
        told = figures(y[some], score[some]) | figures_at(y[some], flagged[some])
        record(CASE, part=part, method=method, **{name: round(value, 4) for name, value in told.items()})
    return shown


def buyers(
    shops: Shops, acts: ItemActs, found: ItemFindings, user_ids: list[str], some: Bool, fdr: float
) -> dict[str, float]:
    """Accused buyers of the flagged shops against those of the verdicts, as (shop, buyer) pairs."""
    assert found.kind == REPEATED_ACTS
    accused = {
        (shops.ids[shop], user_ids[user])
        for shop in np.flatnonzero(some & (found.q <= fdr)).tolist()
        for user in accounts_of(acts, found, shop).user.tolist()
    }
    true = {(shops.ids[k], buyer) for k in np.flatnonzero(some) for buyer in shops.buyers[k]}
    hit = len(accused & true)
    return {
        "n_accused": len(accused),
        "n_true": len(true),
        "precision": round(hit / max(len(accused), 1), 4),
        "recall": round(hit / max(len(true), 1), 4),
    }


def pictures(folder: Path, acts: ItemActs, shops: Shops, some: Bool, shown: dict[str, Float]) -> None:
    """Curves of what ranks without labels on the shops `some`, and the strongest and the last flagged windows."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = {name: precision_recall(score[some], shops.y[some]) for name, score in shown.items()}
    draw(folder / "brushing-precision-recall.svg", curves, "recall", "precision", 0.0)
    repeats = scan_items(acts)[0]
    order = np.argsort(repeats.strongest.p, kind="stable")
    n = int((repeats.q <= AIMED).sum())
    rows = [*order[: n // 2 : max(n // 10, 1)].tolist(), *order[n - 5 : n].tolist()]
    title = f"Shopee: windows of flagged shops, from the surest to the last of {n} (false discovery rate {AIMED:g})"
    draw_windows(folder / "brushing-windows.svg", acts, repeats, rows, title)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds shopee_brushing/")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--methods", nargs="*", default=[], help="with labels, only these")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--final", action="store_true", help="measure the half that was held out")
    parser.add_argument("--figures", type=Path, help="folder for SVG pictures")
    parser.add_argument("--rows", type=Path, help="file for the JSON lines instead of results.jsonl")
    given = parser.parse_args()
    if given.rows:
        recording.RESULTS = given.rows
    folder = given.data / "shopee_brushing"
    with store_of(folder / "orders.csv", "shopee_orders") as store:
        acts, item_ids, user_ids, _ = read_item_acts(store)
        shops = read_shops(folder / "verdicts.csv", item_ids.to_pylist())
        if "labels" in given.parts:
            with_labels(store, shops, acts, given.seeds, given.methods)
        if "no labels" in given.parts:
            some = ~shops.built_on if given.final else shops.built_on
            users = user_ids.to_pylist()
            shown = without_labels(shops, acts, users, some, store, given.seeds)
            if given.figures:
                pictures(given.figures, acts, shops, some, shown)


if __name__ == "__main__":
    main()
