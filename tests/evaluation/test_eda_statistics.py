"""The statistics of a look at a log, held against other implementations and what is known."""

import numpy as np
import pytest
from scipy import stats

from graphdet.evaluation.columns import ecod_parts, iqr_distances, ks, moved, psi, spearman, z_scores
from graphdet.evaluation.tails import expected_tail, fit_power_law, gini, top_share
from graphdet.scores.importance import permutation_importance

RNG = np.random.default_rng(7)


def features(n: int = 400) -> np.ndarray:
    """Skewed to the right, to the left, even, with ties, constant."""
    heavy = RNG.lognormal(0, 2, n)
    return np.column_stack([heavy, -heavy, RNG.normal(size=n), RNG.poisson(2, n), np.full(n, 3.0)])


def test_ecod_is_that_of_its_authors() -> None:
    pyod = pytest.importorskip("pyod.models.ecod", reason="there is no pyod", exc_type=ImportError)
    x = features()[:, :4]
    theirs = pyod.ECOD().decision_function(x)
    np.testing.assert_allclose(ecod_parts(x).sum(axis=1), theirs, rtol=1e-12)


def test_ecod_by_its_formula() -> None:
    x = features(60)
    parts = ecod_parts(x)
    for j in range(x.shape[1]):
        column = x[:, j]
        left = np.array([-np.log((column <= v).mean()) for v in column])
        right = np.array([-np.log((column >= v).mean()) for v in column])
        lean = stats.skew(column) if np.ptp(column) else 0.0
        automatic = right if lean > 0 else left if lean < 0 else left + right
        expected = np.maximum(np.maximum(left, right), automatic)
        np.testing.assert_allclose(parts[:, j], expected, atol=1e-12)


def test_z_scores_and_fences() -> None:
    x = features()
    np.testing.assert_allclose(z_scores(x)[:, :4], np.abs(stats.zscore(x[:, :4])), rtol=1e-9)
    assert not z_scores(x)[:, 4].any()
    assert not iqr_distances(x)[:, 4].any()
    column = RNG.lognormal(0, 1, 400)
    low, high = np.quantile(column, (0.25, 0.75))
    outside = (column < low - 3 * (high - low)) | (column > high + 3 * (high - low))
    assert outside.any()
    assert ((iqr_distances(column[:, None])[:, 0] > 3) == outside).all()


def test_quartiles_that_nearly_meet_give_no_scale() -> None:
    x = np.concatenate([np.full(90, 1.0), 1.0 + RNG.random(9) * 1e-9, [0.0]])[:, None]
    assert not iqr_distances(x).any()


@pytest.mark.parametrize("alpha", [1.8, 2.5, 3.5])
def test_a_power_law_is_found_again(alpha: float) -> None:
    sample = stats.zipf.rvs(alpha, size=20_000, random_state=3)
    values, n = np.unique(sample[sample < 10**9], return_counts=True)
    law = fit_power_law(values, n)
    assert law is not None
    assert abs(law.alpha - alpha) < max(3 * law.alpha_se, 0.1)
    assert law.ks < 0.03
    at = np.array([law.x_min, 10.0 * law.x_min])
    tail = stats.zipf.sf(at - 1, law.alpha)
    np.testing.assert_allclose(expected_tail(law, at), tail / tail[0], rtol=1e-6)


def test_no_power_law_of_too_little() -> None:
    assert fit_power_law(np.array([1, 2, 3, 4, 5, 6, 7]), np.full(7, 2)) is None
    assert fit_power_law(np.array([1, 2]), np.array([900, 100])) is None


def test_concentration() -> None:
    values, n = np.unique(RNG.geometric(0.1, 500), return_counts=True)
    each = np.repeat(values, n).astype(float)
    naive = np.abs(each[:, None] - each[None, :]).mean() / (2 * each.mean())
    assert gini(values, n) == pytest.approx(naive)
    assert top_share(values, n, 0.1) == pytest.approx(np.sort(each)[-50:].sum() / each.sum())


def test_spearman_is_that_of_scipy() -> None:
    x = features()
    ours = spearman(x)
    np.testing.assert_allclose(ours[:4, :4], stats.spearmanr(x[:, :4]).statistic, atol=1e-10)
    assert np.isnan(ours[4]).all()


def test_stability_of_samples() -> None:
    before, same, other = RNG.normal(size=3000), RNG.normal(size=3000), RNG.normal(1, 1, size=3000)
    index, distance = moved(before, other)
    assert distance == pytest.approx(stats.ks_2samp(before, other).statistic)
    assert index > 0.25
    assert moved(before, same)[0] < 0.02
    counts = RNG.poisson(3, 500).astype(float)
    assert moved(counts, counts) == (pytest.approx(0), 0)  # equal values are never split between bins
    assert psi(np.array([9, 0]), np.array([0, 9])) < np.inf
    assert np.isnan(ks(np.array([0, 0]), np.array([1, 1])))


def test_importance_names_the_feature_that_counts() -> None:
    n = 2000
    y = (RNG.random(n) < 0.2).astype(np.int8)
    x = RNG.normal(size=(n, 4)).astype(np.float32)
    x[:, 2] += 2 * y
    x[::7, 1] = np.nan
    found = permutation_importance(x, y, np.arange(n) // 2, seed=1)
    assert found is not None
    assert found.permutation.argmax() == found.impurity.argmax() == 2
    assert found.permutation[2] > 0.2
    assert np.abs(np.delete(found.permutation, 2)).max() < 0.05
    assert found.auroc > 0.85
    again = permutation_importance(x, y, np.arange(n) // 2, seed=1)
    assert again is not None
    assert (again.permutation == found.permutation).all()


def test_no_importance_of_one_group_or_few_labels() -> None:
    x, y = RNG.normal(size=(200, 2)).astype(np.float32), np.arange(200) % 2
    assert permutation_importance(x, y.astype(np.int8), np.zeros(200, np.int64), 0) is None
    assert permutation_importance(x, (np.arange(200) < 6).astype(np.int8), np.arange(200), 0) is None
