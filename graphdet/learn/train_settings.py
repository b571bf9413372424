"""Settings of training from a file: TOML or JSON with the tables [gnn] and [trees]; what tune writes, train takes."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from graphdet.errors import ConfigError
from graphdet.gnn.settings import LEARNING_RATES, SCHEDULES, GnnSettings
from graphdet.progress import Progress, Silent
from graphdet.scores.trees import TreeSettings

OPTIMISERS = tuple(LEARNING_RATES)
_FRACTION = (0.0, 1.0)
# Least and most of each number; None: no limit.
_GNN_LIMITS: dict[str, tuple[float, float | None]] = {
    "width": (4, 1024),
    "n_gates": (1, 64),
    "n_rounds": (0, 2),
    "dropout": (0, 0.95),
    "input_dropout": (0, 0.95),
    "robustness": _FRACTION,
    "learning_rate": (1e-7, 10),
    "momentum": (0, 0.999),
    "l1": (0, 1),
    "weight_decay": (0, 10),
    "n_steps": (1, 100_000),
    "warm_up_share": (0, 0.9),
    "batch_size": (8, 1_000_000),
    "positive_share": (0.001, 0.9),
    "n_negatives": (1, None),
    "clip_norm": (1e-6, None),
    "eval_every": (1, None),
    "watched_share": (0, 0.5),
    "patience": (1, None),
    "n_folds": (2, 10),
}
_TREE_LIMITS: dict[str, tuple[float, float | None]] = {
    "rounds": (1, 10_000),
    "learning_rate": (1e-4, 1),
    "leaves": (2, 1024),
    "min_rows_in_leaf": (1, None),
    "l1": (0, None),
    "l2": (0, None),
    "row_share": (0.05, 1),
    "feature_share": (0.05, 1),
    "bins": (2, 65_535),
}
_CHOICES = {"optimiser": OPTIMISERS, "schedule": SCHEDULES}


@dataclass(frozen=True)
class TrainSettings:
    """How the models are trained; what a file leaves out has its default."""

    gnn: GnnSettings = field(default_factory=GnnSettings)
    trees: TreeSettings = field(default_factory=TreeSettings)

    def changed(self, table: str) -> dict[str, dict[str, Any]]:
        """What of a table, gnn or trees, is not as by default: {table: {key: value}}, empty of nothing."""
        usual, now = asdict(getattr(TrainSettings(), table)), asdict(getattr(self, table))
        found = {key: value for key, value in now.items() if value != usual[key]}
        return {table: found} if found else {}


@dataclass(frozen=True)
class Training:
    """How one training goes: the settings, the seed of every draw, where networks run, who hears of the stages."""

    settings: TrainSettings = field(default_factory=TrainSettings)
    seed: int = 0
    device: str = "auto"
    progress: Progress = field(default_factory=Silent)


def load_train_settings(path: Path) -> TrainSettings:
    """Read settings of training.

    [gnn]: the fields of gnn.settings.GnnSettings, for labels of users and for none. A learning rate that is not
    given is the one that suits the optimiser. [trees]: those of scores.trees.TreeSettings, for labels of anything,
    users too.

    Raises:
        ConfigError: the file cannot be read, a table or key is unknown, or a value is of the wrong kind or
            out of range.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"settings {path}: cannot be read ({error})") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"settings {path}: must hold the tables gnn or trees")
    return parse_train_settings(raw, str(path))


def parse_train_settings(raw: Mapping[str, Any], where: str) -> TrainSettings:
    """Check tables and make the settings; `where` is what messages call them.

    Raises:
        ConfigError: as load_train_settings.
    """
    for table, body in raw.items():
        if table not in ("gnn", "trees"):
            raise ConfigError(
                f"settings {where}: unknown table or key [{table}]; the tables are gnn and trees"
            )
        if not isinstance(body, dict):
            raise ConfigError(f"settings {where}: {table} must be a table")
    return TrainSettings(gnn_settings(raw.get("gnn", {}), where), tree_settings(raw.get("trees", {}), where))


def tree_settings(body: Mapping[str, Any], where: str) -> TreeSettings:
    """Settings of trees from a table.

    Raises:
        ConfigError: as load_train_settings.
    """
    known = {each.name: each.default for each in fields(TreeSettings)}
    found: dict[str, Any] = {}
    for key, value in body.items():
        _check_key("trees", key, known, where)
        found[key] = checked_number(value, known[key], _TREE_LIMITS[key], f"settings {where}: [trees] {key}")
    return TreeSettings(**found)


def _check_key(table: str, key: str, known: Mapping[str, Any], where: str) -> None:
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"settings {where}: [{table}] has no key {key}{hint}; its keys are {', '.join(known)}")


def gnn_settings(body: Mapping[str, Any], where: str) -> GnnSettings:
    """Settings of the GNN from a table.

    Raises:
        ConfigError: as load_train_settings.
    """
    known = {each.name: each.default for each in fields(GnnSettings)}
    found: dict[str, Any] = {}
    for key, value in body.items():
        _check_key("gnn", key, known, where)
        if key == "fan_outs":
            found[key] = _fan_outs(value, where)
        elif key in _CHOICES:
            if value not in _CHOICES[key]:
                raise ConfigError(
                    f"settings {where}: [gnn] {key} must be one of {', '.join(_CHOICES[key])}, not {value!r}"
                )
            found[key] = value
        else:
            found[key] = checked_number(value, known[key], _GNN_LIMITS[key], f"settings {where}: [gnn] {key}")
    if "optimiser" in found:
        found.setdefault("learning_rate", LEARNING_RATES[found["optimiser"]])
    settings = GnnSettings(**found)
    if settings.width % settings.n_gates:
        raise ConfigError(
            f"settings {where}: [gnn] width ({settings.width}) must be a multiple of n_gates ({settings.n_gates})"
        )
    if settings.n_rounds and len(settings.fan_outs) != settings.n_rounds:
        raise ConfigError(
            f"settings {where}: [gnn] fan_outs needs one number for each of the {settings.n_rounds} rounds"
        )
    return settings


def checked_number(value: Any, default: Any, limits: tuple[float, float | None], where: str) -> int | float:
    """A number of the kind of its default, within limits.

    Raises:
        ConfigError: it is none; says what is wanted.
    """
    whole = isinstance(default, int)
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if good and whole and value != int(value):
        good = False
    least, most = limits
    if not good or value < least or (most is not None and value > most):
        kind = "a whole number" if whole else "a number"
        up = f" to {most:g}" if most is not None else " on"
        raise ConfigError(f"{where} must be {kind} from {least:g}{up}, not {value!r}")
    return int(value) if whole else float(value)


def _fan_outs(value: Any, where: str) -> tuple[int, ...]:
    good = isinstance(value, list | tuple) and all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in value
    )
    if not good:
        raise ConfigError(
            f"settings {where}: [gnn] fan_outs must be a list of whole numbers from 1 on, not {value!r}"
        )
    return tuple(value)
