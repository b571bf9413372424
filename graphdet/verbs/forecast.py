"""How long a run will take: as the last one over the same store did, or as other logs of its size did."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graphdet import words
from graphdet.ports import Store
from graphdet.progress import Clock

RUN_SECONDS = "run_seconds"  # meta key: what a run was and how long its stages took, a JSON document
LEAST_FORECAST_S = 10.0  # less is over before it is read
PACE_WEIGHT_S = 10.0  # of the forecast itself, when what is done says how fast this machine is
# Seconds of a stage: fixed, and for a million interactions. Middle values of some thirty logs of 1,000 to 3,000,000
# interactions on 2 cores (run.json has the stages of each); between logs of one size they differ by the factors below.
_RATES = {
    "read": (0.1, 3.0),
    "candidates": (0.5, 18.0),
    "score": (1.5, 25.0),
    "score by labels": (1.0, 25.0),
    "write back": (0.1, 0.3),
    "report": (0.5, 3.0),
}
_TRAINED, _UNTRAINED = (15.0, 65.0), (1.0, 5.0)
_OTHER_LOGS, _LAST_RUN = (0.4, 2.5), (0.7, 1.5)


@dataclass(frozen=True)
class Forecast:
    """How long stages of a clock will take.

    expected: stage → seconds, in their order. least, most: what they are taken times at both ends. basis: what it is
    forecast from, in words.
    """

    expected: Mapping[str, float]
    least: float
    most: float
    basis: str

    def left(self, done: Mapping[str, float], running_s: float) -> str | None:
        """How long it still takes, in words; None where that is not worth a word.

        done: seconds of the stages that are done. running_s: seconds of the one that runs, the first that is not done.

        >>> forecast = Forecast({"train": 60.0, "score": 20.0}, 0.5, 2.0, "by other logs")
        >>> forecast.left({}, 0.0)
        'some 40 s to 3 min left by other logs'
        >>> forecast.left({"train": 130.0}, 5.0)
        'some 15 s to 75 s left by other logs'
        >>> forecast.left({"train": 60.0}, 50.0)
        'longer than other logs took'
        """
        known = [name for name in self.expected if name in done]
        pace = (sum(done[name] for name in known) + PACE_WEIGHT_S) / (
            sum(self.expected[name] for name in known) + PACE_WEIGHT_S
        )
        now, *later = [seconds * pace for name, seconds in self.expected.items() if name not in done] or [0.0]
        if running_s > now * self.most and running_s > LEAST_FORECAST_S:
            return f"longer than {self.basis.removeprefix('by ')} took"
        low, high = (max(now * part - running_s, 0.0) + sum(later) * part for part in (self.least, self.most))
        if high < LEAST_FORECAST_S:
            return None
        ends = [words.duration(_rounded(seconds)) for seconds in (low, high)]
        return f"some {' to '.join(dict.fromkeys(ends))} left {self.basis}"


def _rounded(seconds: float) -> float:
    """Seconds as exactly as a forecast knows them."""
    step = 5 if seconds < 120 else 60
    return max(round(seconds / step), 1) * step


@dataclass(frozen=True)
class Work:
    """What a run has to do, as far as that decides how long it takes.

    trains: networks. makes_model: none is given. by_labels: labels of items, sessions or events are learned too.
    """

    trains: bool
    makes_model: bool
    by_labels: bool


class RunForecast:
    """The forecast of a run, for as long as it runs.

    Made when the log is in the store and before anything else is done.
    """

    def __init__(self, store: Store, work: Work) -> None:
        self._store, self._work = store, work
        self._n_ties = store.counts()["interactions"]
        self.left = forecast(_last(store), work, self._n_ties).left

    def keep(self, clock: Clock) -> None:
        """Keep what the stages took, for the forecast of the next run over the store."""
        stages = {name: cost["seconds"] for name, cost in clock.stages.items() if name != "ingest"}
        kept = {"work": asdict(self._work), "n_ties": self._n_ties, "stages": stages}
        self._store.set_meta(RUN_SECONDS, json.dumps(kept))


def forecast(last: Mapping[str, Any], work: Work, n_ties: int) -> Forecast:
    """What the stages after reading the log are likely to take, for a store of so many interactions.

    last: what RunForecast.keep kept of the run before, {} where there was none.
    """
    if last.get("work") == asdict(work) and last.get("n_ties"):
        grown = n_ties / last["n_ties"]
        seconds = {name: s * grown for name, s in last["stages"].items()}
        return Forecast(seconds, *_LAST_RUN, "by the last run over this store")
    train = {"train": _TRAINED if work.trains else _UNTRAINED} if work.makes_model else {}
    rates = {"read": _RATES["read"]} | train | _RATES
    if not work.by_labels:
        del rates["score by labels"]
    expected = {name: fixed + each * n_ties / 1e6 for name, (fixed, each) in rates.items()}
    return Forecast(expected, *_OTHER_LOGS, "by other logs")


def _last(store: Store) -> Mapping[str, Any]:
    try:
        found = json.loads(store.meta(RUN_SECONDS) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
