"""Metrics against scikit-learn and against counting by hand, ties among them; intervals against their promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from graphdet.errors import UsageError
from graphdet.evaluation.calibration import brier, calibration_error, reliability
from graphdet.evaluation.compare import (
    Costs,
    Resampling,
    ScoredRows,
    difference,
    measure_scores,
    precision_by_recall,
    roc_at,
)
from graphdet.evaluation.cuts import (
    Confusion,
    Order,
    auroc,
    average_precision,
    cheapest,
    precision_at,
    recall_at_precision,
)
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.intervals import draws, interval

# Few distinct scores, so that ties are the rule.
rows = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=60).filter(
    lambda found: len({y for _, y in found}) == 2
)

few = settings(max_examples=20, deadline=None)  # scikit-learn takes a while to check its input


def arrays(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s / 6 for s, _ in found]), np.array([y for _, y in found])


@few
@given(rows)
def test_ranking_is_that_of_scikit_learn(found: list[tuple[int, int]]) -> None:
    score, y = arrays(found)
    cuts = Order.of(score, y).cuts()
    assert auroc(cuts) == pytest.approx(metrics.roc_auc_score(y, score))
    assert average_precision(cuts) == pytest.approx(metrics.average_precision_score(y, score))
    precision, recall, _ = metrics.precision_recall_curve(y, score)
    # scikit-learn adds the point of precision 1 at recall 0, where nothing is flagged.
    assert recall_at_precision(cuts, 0.9) == pytest.approx(recall[precision >= 0.9].max())


@few
@given(rows)
def test_weights_are_repeated_rows(found: list[tuple[int, int]]) -> None:
    score, y = arrays(found)
    weight = np.arange(len(y)) % 3
    if len({*y[weight > 0].tolist()}) < 2:
        return
    cuts = Order.of(score, y).cuts(weight.astype(float))
    again, label = np.repeat(score, weight), np.repeat(y, weight)
    assert auroc(cuts) == pytest.approx(metrics.roc_auc_score(label, again))
    assert average_precision(cuts) == pytest.approx(metrics.average_precision_score(label, again))
    assert precision_at(cuts, 2) == pytest.approx(precision_at(Order.of(again, label).cuts(), 2))
    flagged = score >= 0.5
    one = Confusion.of(flagged, y, weight.astype(float))
    other = Confusion.of(np.repeat(flagged, weight), label)
    assert one == other
    assert brier(score, y, weight.astype(float)) == pytest.approx(metrics.brier_score_loss(label, again))


@few
@given(rows)
def test_decisions_are_those_of_scikit_learn(found: list[tuple[int, int]]) -> None:
    score, y = arrays(found)
    flagged = score >= 0.5
    made = Confusion.of(flagged, y)
    clean_left, false, missed, true = metrics.confusion_matrix(y, flagged, labels=[0, 1]).ravel()
    assert (made.left_alone, made.false_flags, made.missed, made.true_flags) == (
        clean_left,
        false,
        missed,
        true,
    )
    assert made.accuracy == pytest.approx(metrics.accuracy_score(y, flagged))
    if flagged.any():
        assert made.precision == pytest.approx(metrics.precision_score(y, flagged))
    else:
        assert np.isnan(made.precision)
    assert made.recall == pytest.approx(metrics.recall_score(y, flagged))
    assert made.f1 == pytest.approx(metrics.f1_score(y, flagged))
    assert made.cost(7, 2) == pytest.approx((7 * missed + 2 * false) / len(y))


@few
@given(rows)
def test_precision_at_k_is_the_mean_over_random_orders_of_ties(found: list[tuple[int, int]]) -> None:
    score, y = arrays(found)
    k = 1 + len(y) // 3
    rng = np.random.default_rng(0)
    means = []
    for _ in range(200):
        order = np.lexsort((rng.random(len(y)), -score))
        means.append(y[order[:k]].mean())
    assert precision_at(Order.of(score, y).cuts(), k) == pytest.approx(np.mean(means), abs=0.12)


@few
@given(rows, st.integers(0, 20), st.integers(1, 20))
def test_the_cheapest_threshold_beats_every_other(
    found: list[tuple[int, int]], missed: int, false: int
) -> None:
    score, y = arrays(found)
    threshold, cost = cheapest(Order.of(score, y).cuts(), missed, false)
    assert Confusion.of(score >= threshold, y).cost(missed, false) == pytest.approx(cost)
    for other in (*np.unique(score), np.inf):
        assert cost <= Confusion.of(score >= other, y).cost(missed, false) + 1e-12


def test_calibration_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(500)
    y = (rng.random(500) < score**2).astype(int)
    bins = reliability(score, y)
    share, mean = metrics_calibration(y, score)
    assert [b.share for b in bins] == pytest.approx(share)
    assert [b.mean_score for b in bins] == pytest.approx(mean)
    assert sum(b.n for b in bins) == 500
    place = np.minimum((score * 10).astype(int), 9)
    by_hand = sum(
        abs(score[place == k].mean() - y[place == k].mean()) * (place == k).mean() for k in range(10)
    )
    assert calibration_error(bins) == pytest.approx(by_hand)
    assert brier(score, y) == pytest.approx(metrics.brier_score_loss(y, score))


def metrics_calibration(y: np.ndarray, score: np.ndarray) -> tuple[list[float], list[float]]:
    from sklearn.calibration import calibration_curve

    share, mean = calibration_curve(y, score, n_bins=10)
    return share.tolist(), mean.tolist()


def test_intervals_of_groups_are_wider_than_those_of_rows() -> None:
    """Twenty rings of twenty alike accounts are twenty observations and not four hundred."""
    rng = np.random.default_rng(2)
    ring = np.repeat(np.arange(40), 20)
    y = (ring < 20).astype(int)
    score = (rng.normal(size=40) + np.arange(40)[::-1] / 40)[ring]
    one = [ScoredRows(score, score > 0.5)]
    by_ring = measure_scores(one, y, ring, [], Costs(), Resampling(200, 0))[0].interval["auroc"]
    by_row = measure_scores(one, y, np.arange(800), [], Costs(), Resampling(200, 0))[0].interval["auroc"]
    assert by_ring is not None
    assert by_row is not None
    assert by_ring[1] - by_ring[0] > 3 * (by_row[1] - by_row[0])


def test_intervals_hold_what_they_promise() -> None:
    """Of a known AUROC, 95 % intervals hold it in about 38 of 40 samples."""
    rng = np.random.default_rng(3)
    truth, held = 0.7602, 0  # Φ(1 / √2)
    for seed in range(40):
        y = (np.arange(300) < 60).astype(int)
        score = rng.normal(size=300) + y
        found = measure_scores(
            [ScoredRows(score, score > 1)], y, np.arange(300), [], Costs(), Resampling(100, seed)
        )[0].interval["auroc"]
        assert found is not None
        held += found[0] <= truth <= found[1]
    assert held >= 34


def test_paired_differences_are_surer_than_intervals_side_by_side() -> None:
    rng = np.random.default_rng(4)
    y = (np.arange(600) < 90).astype(int)
    score = rng.normal(size=600) + 1.2 * y
    better = score + 0.25 * y
    base, other = measure_scores(
        [ScoredRows(score, score > 1), ScoredRows(better, better > 1)],
        y,
        np.arange(600),
        [],
        Costs(),
        Resampling(300, 0),
    )
    value, between, above = difference(base, other, "auroc")
    assert value > 0
    assert between is not None
    assert between[0] > 0
    assert above > 0.99
    alone = base.interval["auroc"], other.interval["auroc"]
    assert alone[0] is not None
    assert alone[1] is not None
    assert alone[0][1] > alone[1][0]  # side by side they overlap


def test_the_same_seed_gives_the_same_draws() -> None:
    group = np.array([5, 5, 2, 9])
    one, other = list(draws(group, 3, 7)), list(draws(group, 3, 7))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert all(a[0] == a[1] for a in one)  # a group comes whole
    assert all(a[0] + a[2] + a[3] == 3 for a in one)


def test_few_groups_give_no_interval_and_few_values_none() -> None:
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    found = measure_scores(
        [ScoredRows(np.arange(10.0), y == 1)], y, np.arange(10), [3, 50], Costs(), Resampling(50, 0)
    )[0]
    assert set(found.interval.values()) <= {None} or not found.interval
    assert "precision_at_3" in found.value
    assert "precision_at_50" not in found.value  # there are ten rows
    assert found.roc_band is None
    assert interval(np.array([np.nan, np.nan, 1.0])) is None


def test_curves_are_read_where_they_are_reached() -> None:
    y = np.array([1, 0, 1, 0])
    cuts = Order.of(np.array([4.0, 3.0, 2.0, 1.0]), y).cuts()
    assert precision_by_recall(cuts, np.array([0.2, 0.5, 0.6, 1.0])).tolist() == pytest.approx(
        [1, 1, 2 / 3, 2 / 3]
    )
    assert roc_at(cuts, np.array([0.0, 0.5, 1.0])).tolist() == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("wrong", [{"fdr": 0.0}, {"fdr": 1.0}, {"review": 0}])
def test_a_rule_that_flags_nothing_sensible_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        FlagRule(**wrong)
