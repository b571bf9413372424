"""tune: which settings learn best from the user's labels, by validation that never looks at a test part.

Tuned are trees, or with labels of users the network where it is asked for. How settings are validated is said in
lab.tune_validation.
"""

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from graphdet import __version__
from graphdet.errors import UsageError
from graphdet.evaluation.splits import SplitPlan
from graphdet.files import write_json, write_text
from graphdet.lab.models import data_digest
from graphdet.lab.tune_result import best_of, best_toml, objective_of, tune_document
from graphdet.lab.tune_spaces import TUNED_LEARNERS, space_of
from graphdet.lab.tune_validation import Validation, of_things, of_users_by_network, of_users_by_trees
from graphdet.lab.tuning import SAMPLERS, Search, tune_settings
from graphdet.learn.labelled import kind_of
from graphdet.logs.labels import Labels
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.reports.tune_page import write_tune_page


@dataclass(frozen=True)
class TuneRequest:
    """What to tune, and how.

    plan: as for train, whose test part is left alone; labels of users are not split. learner: "trees", or for labels of
    users "gnn", the network. over: names of settings to vary (none: all; of a grid three).

    Raises:
        UsageError: n_trials is below 1, or there is no such sampler or learner.
    """

    plan: SplitPlan = field(default_factory=SplitPlan)
    learner: str = "trees"
    sampler: str = "tpe"
    n_trials: int = 40
    over: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise UsageError(f"--trials must be at least 1, not {self.n_trials}")
        if self.sampler not in SAMPLERS:
            raise UsageError(f"--sampler must be one of {', '.join(SAMPLERS)}, not {self.sampler!r}")
        if self.learner not in TUNED_LEARNERS:
            raise UsageError(f"--learner must be one of {', '.join(TUNED_LEARNERS)}, not {self.learner!r}")


def tune(
    store: CaseworkStore,
    labels: Labels,
    out: Path,
    request: TuneRequest | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Try settings; writes best.toml, tune.json, tune.html and trials.jsonl to `out`, and goes on where it was killed.

    Returns the document of tune.json.

    Raises:
        UsageError: Optuna is not installed, an option is not for these labels, or `out` holds another tuning.
        InputError: the labels cannot be used, are too few, or the validation part has labels of one kind only.
    """
    request, progress = request or TuneRequest(), progress or Silent()
    validation = _validation(store, labels, request, progress)
    space, default = space_of(request.learner, request.sampler, request.over)
    search = Search(space, default, request.sampler, request.n_trials, request.seed)
    about = {
        "learner": validation.learner, "sampler": request.sampler, "seed": request.seed, "settings": list(space),
        "data": data_digest(store), "labels": labels.sha256, "split": validation.how, "graphdet": __version__,
    }  # fmt: skip
    objective = objective_of(validation, request.seed)
    trials = tune_settings(out, about, search, objective, progress, perf_counter)
    document = tune_document(validation, search, trials, about, progress)
    write_json(out / "tune.json", document)
    write_text(out / "best.toml", best_toml(validation.learner, best_of(trials)))
    write_tune_page(out / "tune.html", document)
    return document


def _validation(store: CaseworkStore, labels: Labels, request: TuneRequest, progress: Progress) -> Validation:
    """What settings are tried on, which depends on what the labels name."""
    kind = kind_of(labels)
    if request.learner == "gnn" and kind != "user":
        raise UsageError(
            f"--learner gnn: the network learns labels of users, and {labels.path} labels {kind}s, which trees alone "
            "learn; leave --learner out, or give labels of users"
        )
    if kind != "user":
        return of_things(store, labels, request.plan, request.seed, progress)
    if request.learner == "gnn":
        return of_users_by_network(store, labels, request.seed, request.device, progress)
    return of_users_by_trees(store, labels, request.seed, progress)
