"""The loop of tune: ask for settings, try them, note the result; what was noted is never tried again.

trials.jsonl in the output folder is the only state: a line that says what is tuned, then one line per finished trial.
What is tried at place k depends on the seed, on k and on the trials before it, so a run that was killed and goes on
ends as one that never was.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphdet.errors import GraphdetError, UsageError
from graphdet.files import explain_os_error, make_folder
from graphdet.lab.journal import append_line, locked, whole_lines
from graphdet.progress import Progress

if TYPE_CHECKING:
    import optuna

JOURNAL = "trials.jsonl"
SAMPLERS = ("tpe", "random", "grid")
SettingValue = float | int | str
Settings = dict[str, SettingValue]
TrialParts = tuple[float | None, ...]
_STARTS = 8  # random trials before the Bayesian sampler trusts its picture
_MOST_GRID = 1000


@dataclass(frozen=True)
class Range:
    """Values from low to high, on a logarithmic scale where `log`; whole numbers where both ends are.

    grid: the values of grid search.
    """

    low: float | int
    high: float | int
    log: bool
    grid: tuple[SettingValue, ...]

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def distribution(self) -> "optuna.distributions.BaseDistribution":
        """As Optuna calls it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    grid: tuple[str, ...]

    def distribution(self) -> "optuna.distributions.BaseDistribution":
        """As Optuna calls it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.grid)


Space = Mapping[str, Range | Choice]


@dataclass(frozen=True)
class TuneTrial:
    """Settings that were tried: place from 0 (the defaults), their value (higher is better), seconds it took.

    parts: their values on parts of what they were tried on, the same for every trial; None where there is none.
    """

    place: int
    settings: Settings
    value: float
    seconds: float
    parts: TrialParts = ()


# The value of settings, and their values on parts.
Objective = Callable[[Settings], tuple[float, TrialParts]]


@dataclass(frozen=True)
class Search:
    """Which settings are tried: the ranges, the defaults, the sampler, how many trials, and the seed of the draws."""

    space: Space
    default: Settings
    sampler: str
    n_trials: int
    seed: int


def load_optuna() -> None:
    """Check that Optuna is there, and keep it quiet.

    Raises:
        UsageError: it is not.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError("tune needs Optuna, which is not installed: pip install 'graphdet[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def tune_settings(
    out: Path,
    about: Mapping[str, Any],
    search: Search,
    objective: Objective,
    progress: Progress,
    clock: Callable[[], float],
) -> list[TuneTrial]:
    """Try settings until there are n_trials of them (grid: at most as many as the grid has), the defaults first.

    about: what is tuned, as JSON; a folder with trials of
    something else is refused. A place that comes to settings which were tried before takes their value without trying
    them again.

    Raises:
        UsageError: the folder's trials are of something else, or the grid is too large.
        GraphdetError: the folder cannot be written, or the journal was changed.
    """
    load_optuna()
    make_folder(out)
    grid = grid_of(search.space, search.default) if search.sampler == "grid" else None
    n = search.n_trials if grid is None else min(search.n_trials, len(grid))
    try:
        with locked(out):
            trials = _resumed(out / JOURNAL, dict(about))
            progress.start("try settings", n)
            progress.advance(min(len(trials), n))
            while len(trials) < n:
                place = len(trials)
                settings = grid[place] if grid is not None else proposed(search, trials)
                known = next((one for one in trials if one.settings == settings), None)
                begun = clock()
                value, parts = objective(settings) if known is None else (known.value, known.parts)
                seconds = round(clock() - begun, 3) if known is None else 0.0
                trial = TuneTrial(place, settings, value, seconds, parts)
                _append(out / JOURNAL, asdict(trial))
                trials.append(trial)
                progress.advance()
            progress.done()
    except OSError as error:
        raise explain_os_error(error, out / JOURNAL) from error
    return trials


def grid_of(space: Space, default: Settings) -> list[Settings]:
    """All combinations of the grids' values, the defaults first.

    Raises:
        UsageError: there are more than a thousand.
    """
    n = 1
    for each in space.values():
        n *= len(each.grid)
    if n > _MOST_GRID:
        raise UsageError(
            f"a grid over {', '.join(space)} has {n:,} combinations; name fewer with --over, or use --sampler tpe"
        )
    found = [
        dict(zip(space, values, strict=True))
        for values in itertools.product(*(s.grid for s in space.values()))
    ]
    return [default, *(one for one in found if one != default)]


def proposed(search: Search, trials: Sequence[TuneTrial]) -> Settings:
    """What to try next: the defaults first, then what the sampler says of the trials so far."""
    if not trials:
        return dict(search.default)
    import optuna

    chosen: optuna.samplers.BaseSampler
    # A seed of its own for each place, so that it does not matter how often the run was killed before.
    own = search.seed * 1_000_003 + len(trials)
    if search.sampler == "random":
        chosen = optuna.samplers.RandomSampler(seed=own)
    else:
        chosen = optuna.samplers.TPESampler(seed=own, n_startup_trials=_STARTS)
    study = optuna.create_study(direction="maximize", sampler=chosen)
    distributions = {name: each.distribution() for name, each in search.space.items()}
    for one in trials:
        study.add_trial(
            optuna.trial.create_trial(params=one.settings, distributions=distributions, value=one.value)
        )
    asked = study.ask(distributions)
    return {name: _short(asked.params[name], each) for name, each in search.space.items()}


def setting_importance(space: Space, trials: Sequence[TuneTrial], seed: int) -> dict[str, float]:
    """How much of the values' spread each setting explains, by functional ANOVA (Hutter 2014); empty of few trials."""
    if len(trials) < max(2 * len(space), 6) or len({one.value for one in trials}) < 3 or len(space) < 2:
        return {}
    import optuna

    study = optuna.create_study(direction="maximize")
    distributions = {name: each.distribution() for name, each in space.items()}
    for one in trials:
        study.add_trial(
            optuna.trial.create_trial(params=one.settings, distributions=distributions, value=one.value)
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: round(float(value), 4) for name, value in found.items()}


def _short(value: Any, each: Range | Choice) -> SettingValue:
    """Four significant digits, so that what is written is what was tried."""
    if isinstance(each, Choice) or each.whole:
        return value  # type: ignore[no-any-return]
    return min(max(float(f"{value:.4g}"), each.low), each.high)


def _append(path: Path, document: Mapping[str, Any]) -> None:
    append_line(path, json.dumps(document, sort_keys=True))


def _resumed(path: Path, about: dict[str, Any]) -> list[TuneTrial]:
    """The trials of an earlier run; a half line that a killed one left is cut off."""
    lines = whole_lines(path, mend=True)
    about = json.loads(json.dumps(about))
    if not lines:
        _append(path, {"tuned": about})
        return []
    try:
        first, *rest = (json.loads(line) for line in lines)
        before = first["tuned"]
        trials = [TuneTrial(**(one | {"parts": tuple(one["parts"])})) for one in rest]
        if [one.place for one in trials] != list(range(len(trials))):
            raise ValueError("trials are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise GraphdetError(f"{path} was changed ({error}); choose another folder") from error
    if before != about:
        differs = sorted(key for key in {*before, *about} if before.get(key) != about.get(key))
        raise UsageError(
            f"{path.parent} holds trials of another tuning (other {', '.join(differs)}); choose another folder to "
            "begin anew"
        )
    return trials
