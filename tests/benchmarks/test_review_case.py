"""The review case: edges by their definition, and causal features that no later or same-day review can change."""

import numpy as np

from benchmarks.cases.yelpchi import Reviews, behaviour, earlier_only, review_edges
from graphdet.features.relations import Relations


def reviews(seed: int, n: int = 120) -> Reviews:
    rng = np.random.default_rng(seed)
    stars = rng.integers(1, 6, n).astype(float)
    day = np.sort(rng.integers(14_600, 15_000, n))
    return Reviews(rng.integers(0, 30, n), rng.integers(0, 5, n), stars, rng.integers(0, 2, n), day)


def test_edges_are_what_their_names_say() -> None:
    log = reviews(0)
    month = log.day.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    wanted: dict[str, set[tuple[int, int]]] = {"rur": set(), "rsr": set(), "rtr": set()}
    for i in range(len(log.day)):
        for j in range(i + 1, len(log.day)):
            same = log.product[i] == log.product[j]
            near = abs(month[i] - month[j]) <= 1 and month[i] // 12 == month[j] // 12
            holds = {
                "rur": log.user[i] == log.user[j],
                "rsr": same and log.stars[i] == log.stars[j],
                "rtr": same and near,
            }
            for name, true in holds.items():
                if true:
                    wanted[name].add((i, j))
    for name, ends in review_edges(log).items():
        found = [tuple(sorted(pair)) for pair in ends.T.tolist()]
        assert len(found) == len(set(found))
        assert set(found) == wanted[name], name


def test_causal_features_do_not_see_later_reviews_nor_labels() -> None:
    log = reviews(1)
    cut = log.day < np.quantile(log.day, 0.6)
    first = Reviews(*(column[cut] for column in (log.user, log.product, log.stars, 1 - log.spam, log.day)))
    whole, part = behaviour(log, causal=True), behaviour(first, causal=True)
    assert whole.names == part.names
    np.testing.assert_array_equal(whole.values[cut], part.values)


def test_hindsight_features_leave_the_review_itself_out_of_its_means() -> None:
    log = Reviews(*(np.array(v) for v in ([0, 1], [0, 0], [5.0, 1.0], [0, 0], [100, 900])))
    found = behaviour(log, causal=False)
    mean = found.values[:, found.names.index("product_mean")]
    np.testing.assert_allclose(mean, [(1 + 5 * 3.7) / 6, (5 + 5 * 3.7) / 6], rtol=1e-6)


def test_in_time_a_node_hears_only_earlier_days() -> None:
    relations = Relations.from_edges(3, {"r": np.array([[0, 1, 0], [1, 2, 2]])})
    heard = earlier_only(relations, np.array([5, 5, 9])).graphs["r"].toarray()
    np.testing.assert_array_equal(heard, [[0, 0, 0], [0, 0, 0], [1, 1, 0]])
