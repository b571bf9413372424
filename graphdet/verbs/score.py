"""score: one calibrated score per user, written back to the store."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from graphdet.detect.score import ScoringSettings, score_graph
from graphdet.errors import UsageError
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.graph.encode import read_graph
from graphdet.learn.digests import MODEL_DIGEST, model_digest
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_model import kept_kinds, load_kept
from graphdet.learn.labelled_score import score_kept, score_labelled
from graphdet.learn.models import load_models
from graphdet.learn.scorers import SCORERS
from graphdet.logs.labels import Labels
from graphdet.ports import Store
from graphdet.progress import Progress, Silent
from graphdet.rings.find import ring_candidates


@dataclass(frozen=True)
class ScoreRequest:
    """How to score.

    labels: of items, sessions or events, as read from a file. rule: who is flagged. device: "auto", "cpu" or "cuda".
    """

    labels: Labels | None = None
    rule: FlagRule = field(default_factory=FlagRule)
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class ScoreResult:
    """Scores (schema.SCORE_COLUMNS, most suspicious first; None: no model of users), and notes for people.

    Notes say what decisions of analysts changed in the scores, and what was missing.
    """

    scores: pa.Table | None
    notes: list[str]


def score(
    store: Store,
    model_dir: Path,
    request: ScoreRequest | None = None,
    progress: Progress | None = None,
) -> ScoreResult:
    """Score every user, item, session and event that the folder has a trained model of.

    Labels of items, sessions or events: where the folder has a model of their kind they only say what is known as
    fraud by now; else they are learned on top, and everything of their kind gets a score too, in the store. Without
    model and labels such scores of an earlier time are removed: they were of another state.

    Raises:
        GraphdetError: there is no trained model in `model_dir`.
        UsageError: the labels are of users, which `train` learns; or of events, and the store keeps none.
        InputError: the labels cannot be used.
    """
    request, progress = request or ScoreRequest(), progress or Silent()
    given, rule = request.labels, request.rule
    if given is not None and kind_of(given) == "user":
        raise UsageError(
            f"{given.path}: labels of users train the models; give them to `graphdet train --labels`"
        )
    kinds = kept_kinds(model_dir)
    learns = given is not None and kind_of(given) not in kinds
    has_users = (model_dir / SCORERS).exists() or learns or not kinds
    models = load_models(model_dir) if has_users else None
    if given is not None and learns:
        given, _ = check_against(store, given)
    notes: list[str] = []
    found: dict[str, pa.Table] = {}
    scores: pa.Table | None = None
    if models is not None:
        graph = read_graph(store, progress)
        windows, candidates = ring_candidates(graph, store.bench, request.seed, progress)
        settings = ScoringSettings(rule, request.device)
        scores, known = score_graph(store, graph, windows, candidates, models, settings, progress)
        notes += known.lines()
        if given is not None and learns:
            found[kind_of(given)] = score_labelled(
                store, graph, scores, given, rule=rule, seed=request.seed, progress=progress
            )
        del graph, windows, candidates
    for kind in kinds:
        kept = load_kept(model_dir, kind)
        assert kept is not None  # for the type checker: kept_kinds found it
        known_now = given if given is not None and kind_of(given) == kind else None
        found[kind], more = score_kept(store, kept, known_now, rule=rule, progress=progress)
        notes += more
    progress.start("write scores")
    if scores is not None:
        store.write_scores(scores)
    store.write_labelled(found)
    store.set_meta(MODEL_DIGEST, model_digest(model_dir) or "")
    progress.done()
    return ScoreResult(scores, notes)
