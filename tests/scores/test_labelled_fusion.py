"""Labels weigh the parts: many, few, or frauds alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from graphdet.evaluation.calibration import best_bin_share
from graphdet.scores.fused import PARTS, TREES_PART, ZERO_SHOT, Fusion, ScoreParts
from graphdet.scores.labelled_fusion import Evidence, cross_fitted, fit_labelled_fusion

Float = NDArray[np.float64]


def sample(n: int, share: float, seed: int, by_trees: float = 2.0) -> tuple[ScoreParts, NDArray[np.int64]]:
    """Frauds have higher logits of the trees, and the other parts say nothing."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int64)
    behaviour = rng.random((2, n))
    return ScoreParts(
        rng.normal(0, 1, n), behaviour[0], behaviour[1], np.zeros(n), rng.normal(by_trees * y, 1)
    ), y


def zero_shot_of(n: int, seed: int) -> Fusion:
    """A fusion without labels that trusts the network."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.05).astype(np.int64)
    parts = ScoreParts(rng.normal(4 * y, 1), rng.random(n), rng.random(n), np.zeros(n))
    return Fusion.fit(parts, y)


def test_trees_are_a_part_with_a_weight() -> None:
    parts, y = sample(4_000, 0.2, 0)
    fusion = fit_labelled_fusion(parts, Evidence(y))
    assert fusion.names == PARTS[:5]
    assert fusion.weights.argmax() == fusion.names.index(TREES_PART)
    other, truth = sample(4_000, 0.2, 1)
    score = fusion.score(other)
    assert roc_auc_score(truth, score) > 0.88
    assert score.mean() == pytest.approx(truth.mean(), abs=0.03)
    again = Fusion.from_json(json.loads(json.dumps(fusion.to_json())))
    np.testing.assert_array_equal(again.score(other), score)
    assert (fusion.strongest_part(other)[score > 0.9] == PARTS.index(TREES_PART)).all()


def test_a_fusion_of_trees_needs_trees() -> None:
    parts, y = sample(200, 0.3, 0)
    fusion = fit_labelled_fusion(parts, Evidence(y))
    with pytest.raises(ValueError, match="there are none"):
        fusion.score(ScoreParts(parts.gnn, parts.cluster_distance, parts.probability, parts.ring))


def test_the_fewer_labels_the_nearer_to_the_zero_shot_score() -> None:
    parts, y = sample(5_000, 0.2, 3)
    zero = zero_shot_of(5_000, 4)
    base = zero.score(parts)
    rng = np.random.default_rng(0)
    away = []
    for n in (2, 10, 1_000):
        told = np.full(len(y), -1)
        for value in (0, 1):
            rows = rng.choice(np.flatnonzero(y == value), n, replace=False)
            told[rows] = value
        fusion = fit_labelled_fusion(parts, Evidence(told), (TREES_PART, ZERO_SHOT), zero)
        again = Fusion.from_json(json.loads(json.dumps(fusion.to_json())))
        np.testing.assert_array_equal(again.score(parts), fusion.score(parts))
        away.append(1 - np.corrcoef(np.log(base / (1 - base)), _logit(fusion.score(parts)))[0, 1])
    assert away[0] < away[1] < away[2]
    assert away[2] > 0.8  # by then the network, which says nothing here, is out


def test_without_a_label_the_order_is_that_of_the_zero_shot_score() -> None:
    parts, y = sample(2_000, 0.2, 3)
    parts = replace(parts, trees=np.zeros(len(y)))
    zero = zero_shot_of(2_000, 4)
    fusion = fit_labelled_fusion(parts, Evidence(np.full(len(y), -1)), (TREES_PART, ZERO_SHOT), zero)
    order = np.argsort(zero.score(parts))
    assert (np.diff(fusion.score(parts)[order]) >= -1e-12).all()
    # What speaks for a suspect is then what speaks for it without labels.
    top = order[-100:]
    np.testing.assert_array_equal(fusion.strongest_part(parts)[top], zero.strongest_part(parts)[top])


def test_frauds_alone_give_probabilities_at_their_share() -> None:
    parts, y = sample(20_000, 0.2, 5, by_trees=3.0)
    rng = np.random.default_rng(0)
    told = np.where((y == 1) & (rng.random(len(y)) < 0.5), 1, 0)  # half of the frauds are known
    hidden = (told == 0) & (y == 1)
    by_share = fit_labelled_fusion(parts, Evidence(told, share=float(y.mean()))).score(parts)
    as_clean = fit_labelled_fusion(parts, Evidence(told)).score(parts)
    assert by_share.mean() == pytest.approx(y.mean(), abs=0.01)
    error = [float(((score - y) ** 2).mean()) for score in (by_share, as_clean)]
    assert error[0] < 0.9 * error[1]
    assert by_share[hidden].mean() > 1.5 * as_clean[hidden].mean()


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_share_of_frauds_is_found(share: float) -> None:
    rng = np.random.default_rng(1)
    n = 5_000
    hidden = rng.random(n) < share
    unlabelled = rng.normal(3.0 * hidden, 1)
    assert best_bin_share(rng.normal(3.0, 1, 300), unlabelled) == pytest.approx(share, rel=0.35)
    with pytest.raises(ValueError, match="known frauds"):
        best_bin_share(np.zeros(0), unlabelled)


def test_a_fold_is_scored_by_weights_that_did_not_see_it() -> None:
    parts, y = sample(400, 0.3, 7)
    fold = np.arange(400) % 2
    found = cross_fitted(parts, Evidence(y), fold)
    turned = np.where(fold == 1, 1 - y, y)
    again = cross_fitted(parts, Evidence(turned), fold)
    np.testing.assert_array_equal(found[fold == 1], again[fold == 1])
    assert (found[fold == 0] != again[fold == 0]).any()


def _logit(p: Float) -> Float:
    return np.asarray(np.log(p / (1 - p)))
