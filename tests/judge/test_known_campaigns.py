"""Groups like no planted campaign are told, at the price of about a tenth of campaigns at most."""

from collections.abc import Sequence

import numpy as np
import pytest

from graphdet.judge.examples import LEAST_LIKENESS, KnownCampaigns, Lessons

Float = np.ndarray


def _lessons(inputs: Float, campaign: Float | None = None) -> Lessons:
    """Blocks of campaigns, and as many natural groups far from them."""
    n = len(inputs)
    campaign = np.arange(n) if campaign is None else campaign
    return Lessons(
        inputs=np.concatenate([inputs, inputs + 100.0]),
        campaign=np.concatenate([campaign, np.full(n, -1)]),
        jaccard=np.concatenate([np.linspace(0.6, 1.0, n), np.zeros(n)]),
        innocent=np.full(2 * n, -1),
        fold=np.arange(2 * n) % 2,
    )


def _known(inputs: Float, campaign: Float | None = None, direction: Sequence[int] = ()) -> KnownCampaigns:
    known = KnownCampaigns.of(_lessons(inputs, campaign), direction or [0] * inputs.shape[1])
    assert known is not None
    return known


@pytest.mark.parametrize("n_inputs", [1, 3, 14])
def test_a_campaign_like_those_planted_is_rarely_strange(n_inputs: int) -> None:
    rng = np.random.default_rng(n_inputs)
    strange = []
    for _ in range(60):
        known = _known(rng.standard_t(4, size=(50, n_inputs)))
        strange.append(known.strange(rng.standard_t(4, size=(40, n_inputs))))
    assert 0.3 * LEAST_LIKENESS < np.mean(strange) < 1.4 * LEAST_LIKENESS


def test_a_group_that_lies_elsewhere_is_strange() -> None:
    """Each of its inputs is within what campaigns have; together they are not."""
    rng = np.random.default_rng(1)
    size = rng.normal(size=50)
    known = _known(np.column_stack([size, size + 0.1 * rng.normal(size=50)]))
    assert known.strange(np.array([[1.5, -1.5], [-1.5, 1.5], [30.0, 30.0]])).all()
    assert not known.strange(np.array([[0.3, 0.3], [-1.0, -1.0]])).any()


def test_blocks_of_one_campaign_are_no_neighbours_of_each_other() -> None:
    """Every campaign is found by three blocks that are much the same: they say nothing of how apart campaigns are."""
    rng = np.random.default_rng(2)
    at = rng.normal(size=(40, 2))
    alone, thrice = _known(at), _known(np.repeat(at, 3, axis=0), np.repeat(np.arange(40), 3))
    np.testing.assert_allclose(thrice.apart, alone.apart, rtol=0.01)
    new = rng.normal(size=(30, 2)) * 2
    np.testing.assert_allclose(thrice.likeness(new), alone.likeness(new), atol=0.05)


def test_a_handful_of_campaigns_calls_nothing_strange() -> None:
    rng = np.random.default_rng(3)
    assert not _known(rng.normal(size=(8, 3))).strange(np.full((1, 3), 50.0)).any()
    assert _known(rng.normal(size=(9, 3))).strange(np.full((1, 3), 50.0)).all()
    assert KnownCampaigns.of(_lessons(rng.normal(size=(1, 3))), [0] * 3) is None
    assert _known(rng.normal(size=(9, 3))).likeness(np.zeros((0, 3))).shape == (0,)


def test_an_input_that_is_the_same_for_all_campaigns_counts() -> None:
    inputs = np.column_stack([np.random.default_rng(4).normal(size=30), np.zeros(30)])
    known = _known(inputs)
    assert np.isfinite(known.apart).all()
    assert known.strange(np.array([[0.0, 0.5]])).all()


def test_nobody_is_strange_for_more_evidence_of_guilt() -> None:
    """Input 0 speaks for a ring, input 1 against one; of input 2 nobody knows."""
    rng = np.random.default_rng(5)
    known = _known(rng.normal(size=(40, 3)), direction=(1, -1, 0))
    blatant, innocent, unknown = [40.0, -40.0, 0.0], [-40.0, 40.0, 0.0], [40.0, -40.0, 40.0]
    assert known.strange(np.array([blatant, innocent, unknown])).tolist() == [False, True, True]
    assert [sorted(its) for its in known.strange_in(np.array([innocent, unknown]))] == [[0, 1], [2]]


def test_the_more_of_it_the_less_strange() -> None:
    rng = np.random.default_rng(6)
    known = _known(rng.normal(size=(40, 3)), direction=(1, -1, 0))
    at = rng.normal(scale=3, size=(200, 3))
    more = at + rng.uniform(0, 3, size=(200, 3)) * [1, -1, 0]
    assert (known.likeness(more) >= known.likeness(at)).all()


def test_what_a_log_cannot_show_is_not_strange() -> None:
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(40, 3))
    inputs[:, 2] = np.nan
    known = _known(inputs)
    assert np.isfinite(known.apart).all()
    assert known.strange(np.array([[0.0, 0.0, np.nan], [0.0, 0.0, 50.0]])).tolist() == [False, False]
