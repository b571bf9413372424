"""Figures of a case on nodes: measures of a score, their mean and interval over seeds, rows and pictures."""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks import recording
from benchmarks.pictures import page
from benchmarks.recording import record
from graphdet.reports import svg

Float = NDArray[np.float64]
GRID = np.linspace(0, 1, 101)
MEASURES = ("auprc", "auroc", "precision_at_n_frauds", "recall_at_precision_90")


def measures(y: NDArray[np.integer], score: Float) -> dict[str, float]:
    """MEASURES of one score; precision_at_n_frauds flags as many nodes as there are frauds."""
    precision, recall, _ = precision_recall_curve(y, score)
    top = np.argsort(-score, kind="stable")[: int(y.sum())]
    good = recall[precision >= 0.9]
    return {
        "auprc": float(average_precision_score(y, score)),
        "auroc": float(roc_auc_score(y, score)),
        "precision_at_n_frauds": float(y[top].mean()),
        "recall_at_precision_90": float(good.max()) if len(good) else 0.0,
    }


def interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % t interval over seeds (0 for one).

    Random splits share nodes, so the seeds are not independent and the truth is somewhat wider.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return mean, 0.0
    return mean, float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def case_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of a case, with those that all cases on nodes take; rows go to --rows from here on."""
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figures", type=Path, help="folder for SVG pictures")
    parser.add_argument("--rows", type=Path, help="file for the JSON lines instead of results.jsonl")
    parser.add_argument(
        "--splits", type=Path, help="folder that keeps each split as it is done, to go on from"
    )
    parser.add_argument("--page", type=Path, help="Markdown page whose tables are replaced")
    given = parser.parse_args()
    if given.rows:
        recording.RESULTS = given.rows
    return given


def stem_of(case: str, task: str) -> str:
    """Name of the files of a task, without an ending."""
    return f"{case}-{task}".replace(" % ", "-percent-").replace(" ", "-").replace("/", "-")


def write_table(page: Path, task: str, table: str) -> None:
    """Put a table between the lines <!-- TASK --> and <!-- end --> of a Markdown page, in place of what is there."""
    text = page.read_text(encoding="utf-8")
    before, mark, rest = text.partition(f"<!-- {task} -->\n")
    if not mark or "<!-- end -->" not in rest:
        raise SystemExit(f"{page} has no place for the table of {task}: <!-- {task} --> … <!-- end -->")
    after = rest[rest.index("<!-- end -->") :]
    page.write_text(f"{before}{mark}\n{table}\n\n{after}", encoding="utf-8")


class Table:
    """Collects what every method does on every split of a task, then gives rows, text and pictures.

    With `kept`, a file of JSON lines, each split is written as soon as it is done, and a later run goes on from there:
    take a new folder when code or settings have changed.
    """

    def __init__(self, case: str, kept: Path | None = None) -> None:
        self.case, self.kept = case, kept
        self.found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
        self.curves: dict[tuple[str, str], list[Float]] = defaultdict(list)
        self.base: dict[str, float] = {}
        self.done: set[tuple[str, int]] = set()
        self.fresh: list[dict[str, object]] = []
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
        if kept and kept.exists():
            for line in kept.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def add(self, task: str, method: str, y: NDArray[np.integer], score: Float, **more: float) -> None:
        """One method on one split: y and its scores on the test rows only."""
        precision, recall, _ = precision_recall_curve(y, score)
        curve = np.interp(GRID, recall[::-1], precision[::-1]).round(4).tolist()
        found = {name: round(value, 6) for name, value in (measures(y, score) | more).items()}
        self.fresh.append(
            {"task": task, "method": method, "base": float(y.mean()), "found": found, "curve": curve}
        )

    def timed(
        self,
        task: str,
        method: str,
        y: NDArray[np.integer],
        rows: NDArray[np.bool_],
        run: Callable[[], Float],
    ) -> None:
        """Run a method and add it with its seconds of processor time."""
        started = time.process_time()
        score = run()
        self.add(task, method, y[rows], score[rows], seconds=time.process_time() - started)

    def close(self, seed: int) -> None:
        """A split is done: keep what was added."""
        fresh = [row | {"seed": seed} for row in self.fresh]
        self.fresh = []
        if self.kept:
            with self.kept.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in fresh)
        for row in fresh:
            self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        at = row["task"], row["method"]
        self.found[at].append(row["found"])
        self.curves[at].append(np.array(row["curve"]))
        self.base[row["task"]] = row["base"]
        self.done.add((row["task"], row["seed"]))

    def record(self, **more: object) -> None:
        """One row per task and method; prints a table too."""
        for (task, method), rows in self.found.items():
            values: dict[str, object] = {"seeds": len(rows), "base_rate": round(self.base[task], 4)}
            for name in rows[0]:
                mean, half = interval([row[name] for row in rows])
                values[name] = round(mean, 4)
                if name in MEASURES:
                    values[f"{name}_interval"] = round(half, 4)
            record(self.case, task=task, method=method, **values, **more)
        print("\n" + self.text(), flush=True)

    def text(self) -> str:
        """The table as Markdown."""
        lines = [
            "| task | method | AUPRC | AUROC | precision at n frauds | seeds |",
            "|---|---|---|---|---|---|",
        ]
        for (task, method), rows in self.found.items():
            cells = [
                "{:.3f} ± {:.3f}".format(*interval([row[name] for row in rows])) for name in MEASURES[:3]
            ]
            lines.append(f"| {task} | {method} | {' | '.join(cells)} | {len(rows)} |")
        return "\n".join(lines)

    def draw(self, folder: Path, measure: dict[str, str]) -> None:
        """Bars of each task (the measure it is named with) and its precision–recall curves, as SVG files."""
        folder.mkdir(parents=True, exist_ok=True)
        for task, name in measure.items():
            stem = stem_of(self.case, task)
            (folder / f"{stem}-bars.svg").write_text(self.bars(task, name) + "\n", encoding="utf-8")
            (folder / f"{stem}-curves.svg").write_text(self.curve(task) + "\n", encoding="utf-8")

    def bars(self, task: str, name: str) -> str:
        """Bars with intervals; the dashed line is what a blind guess gets."""
        methods = [method for at, method in self.found if at == task]
        left, width, step = 230, 400, 24
        blind = 0.5 if name == "auroc" else self.base[task]
        values = {m: interval([row[name] for row in self.found[task, m]]) for m in methods}
        top = max(*(mean + half for mean, half in values.values()), blind) * 1.1
        parts, height = [], 40 + step * len(methods)
        for k, method in enumerate(methods):
            mean, half = values[method]
            y, end = 34 + k * step, left + width * mean / top
            low, high = (left + width * max(v, 0) / top for v in (mean - half, mean + half))
            parts += [
                svg.tag("text", method, x=left - 8, y=y + 11, text_anchor="end"),
                svg.tag("rect", x=left, y=y, width=float(end - left), height=15, fill=_colour(method)),
                svg.tag("line", x1=float(low), x2=float(high), y1=y + 7.5, y2=y + 7.5, stroke="#222"),
                svg.tag("text", f"{mean:.3f}", x=float(high + 6), y=y + 12),
            ]
        at = float(left + width * blind / top)
        parts.append(svg.tag("line", x1=at, x2=at, y1=26, y2=height, stroke="#777", stroke_dasharray="4 3"))
        title = f"{task}: {name.upper()}, mean and 95 % interval over seeds"
        return page(parts, left + width + 60, height + 8, title)

    def curve(self, task: str) -> str:
        """Precision over recall, mean over the seeds."""
        left, top, size = 46, 46, 300
        parts = [svg.tag("rect", x=left, y=top, width=size, height=size, fill="none", stroke="#999")]
        for k in range(6):
            text = f"{k / 5:.1f}"
            parts.append(
                svg.tag("text", text, x=left + size * k / 5, y=top + size + 16, text_anchor="middle")
            )
            parts.append(
                svg.tag("text", text, x=left - 6, y=top + size - size * k / 5 + 4, text_anchor="end")
            )
        parts.append(svg.tag("text", "recall", x=left + size / 2, y=top + size + 32, text_anchor="middle"))
        parts.append(svg.tag("text", "precision", x=left, y=top - 6))
        methods = [m for at, m in self.curves if at == task and not m.startswith(_NOT_DRAWN)]
        for k, method in enumerate(methods):
            mean = np.mean(self.curves[task, method], axis=0)
            points = " ".join(
                f"{left + size * r:.1f},{top + size * (1 - p):.1f}" for r, p in zip(GRID, mean, strict=True)
            )
            dash = None if k < len(_PALETTE) else "5 3"
            look = {
                "fill": "none",
                "stroke": _PALETTE[k % len(_PALETTE)],
                "stroke_width": 2,
                "stroke_dasharray": dash,
            }
            parts.append(svg.tag("polyline", points=points, **look))
            y = top + 10 + 20 * k
            parts.append(svg.tag("line", x1=left + size + 16, x2=left + size + 40, y1=y, y2=y, **look))
            parts.append(svg.tag("text", method, x=left + size + 46, y=y + 4))
        height = max(top + size + 44, top + 24 + 20 * len(methods))
        return page(parts, left + size + 300, height, f"{task}: precision and recall on the test part")


_NOT_DRAWN = ("rule: ", "graphdet view ")  # in the bars; here they would hide the others
_PALETTE = ("#0b5fa5", "#d1495b", "#2e8b57", "#8a5a00", "#6f42c1", "#00798c", "#b23a8f", "#4a4a4a")


def _colour(method: str) -> str:
    return "#0b5fa5" if method.startswith("graphdet") else "#9fb4c7"
