"""How far an account's ratings lie from those of others."""

import numpy as np
import pytest

from graphdet.features.ratings import Ratings
from graphdet.scores.fused import Fusion, ScoreParts


def test_distance_is_to_the_others_of_the_item() -> None:
    user, item = np.array([0, 1, 2, 2, 3, 4]), np.array([0, 0, 0, 1, 2, 0])
    value = np.array([5.0, 5.0, 1.0, 3.0, 1.0, np.nan])
    ratings = Ratings(user, item, np.zeros(6, np.int64), value, np.array([1.0, 3.0, 5.0]))
    # u0: 5 beside 5 and 1. u2: 1 beside 5 and 5, and an item's only rating. u3: an only rating. u4: none.
    assert ratings.distance(6).tolist() == pytest.approx([2.0, 2.0, 2.0, 0.0, 0.0, 0.0])


def test_who_rates_unlike_others_stands_higher_and_nobody_without_ratings_changes() -> None:
    n = 200
    rng = np.random.default_rng(0)
    parts = ScoreParts(rng.normal(size=n), rng.random(n), rng.random(n), np.zeros(n))
    far = np.where(np.arange(n) < 5, 3.0, rng.random(n))
    rated = ScoreParts(parts.gnn, parts.cluster_distance, parts.probability, parts.ring, opinions=far)
    fusion = Fusion.untrained()
    before, after = fusion.score(parts), fusion.score(rated)
    assert parts.evidence()[0].shape[1] + 1 == rated.evidence()[0].shape[1] == len(rated.evidence_weights())
    assert all((after > after[k]).sum() < (before > before[k]).sum() for k in range(5))
    assert after.max() < 0.01  # it orders, and accuses nobody
    assert rated.some(np.array([7])).opinions == far[7]
