"""The fused score: calibrated on accounts it did not see, never lowered by more suspicion."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from graphdet.scores.fused import COUNTS_FROM, ORDER_BELOW, RING_PART, Fusion, ScoreParts, WholeLog
from graphdet.scores.labelled_fusion import Evidence, fit_labelled_fusion
from graphdet.scores.rarity import Rarity


def sample(n: int, n_planted: int, seed: int, in_ring: float = 0.7) -> tuple[ScoreParts, NDArray[np.int64]]:
    """Planted accounts have higher GNN logits; of them a share is in a ring that was found."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, np.int64)
    y[:n_planted] = 1
    ring = np.where((y == 1) & (rng.random(n) < in_ring), 0.97, 0.0)
    behaviour = rng.random((2, n))
    company = np.column_stack([rng.exponential(size=(n, 3)), rng.integers(1, 5, n)])
    company[rng.random(n) < 0.7, :3] = 0
    return ScoreParts(rng.normal(-4 + 5 * y, 1.5), *behaviour, ring, company=company), y


def fitted(parts: ScoreParts, y: NDArray[np.int64], labelled: bool) -> Fusion:
    return fit_labelled_fusion(parts, Evidence(y)) if labelled else Fusion.fit(parts, y)


@pytest.mark.parametrize("labelled", [False, True])
def test_scores_are_probabilities_on_accounts_not_seen(labelled: bool) -> None:
    fusion = fitted(*sample(200_000, 4_000, 0), labelled)
    parts, y = sample(200_000, 4_000, 1)
    score = fusion.score(parts)
    assert ((score > 0) & (score < 1)).all()
    for low, high in ((0.0, 0.01), (0.1, 0.5), (0.5, 1.0))[:: 1 if labelled else 2]:
        group = (score >= low) & (score < high)
        assert group.sum() > 50
        assert abs(score[group].mean() - y[group].mean()) < 0.1, (low, high)


def test_without_labels_missed_accounts_are_as_rare_as_rings() -> None:
    fusion = fitted(*sample(200_000, 10_000, 0), False)
    parts, y = sample(200_000, 1_000, 1)
    score = fusion.score(parts)
    sure = (parts.ring == 0) & (score >= COUNTS_FROM)
    assert sure.sum() > 50
    assert abs(score[sure].mean() - y[sure].mean()) < 0.2


def test_evidence_orders_whom_no_ring_explains() -> None:
    """No ties at a floor, and nobody who is above is moved."""
    fusion = fitted(*sample(20_000, 400, 0), False)
    parts, _ = sample(5_000, 0, 3)
    score = fusion.score(parts)
    assert len(np.unique(score[score < ORDER_BELOW])) >= 4_990
    none = np.zeros(len(score))
    bare = fusion.score(parts, WholeLog(float(parts.ring.mean()), Rarity((none,) * 6, (none,) * 6)))
    assert np.array_equal(score[bare >= ORDER_BELOW], bare[bare >= ORDER_BELOW])
    assert (score[bare < ORDER_BELOW] < ORDER_BELOW).all()
    strongest = parts.evidence()[0].argmax(axis=0)
    assert (score[strongest] > np.median(score)).all()


@pytest.mark.parametrize("column", [0, 1, 2])  # tie, crowd, coming again
def test_worse_company_never_lowers_a_score(column: int) -> None:
    fusion = fitted(*sample(20_000, 400, 0), False)
    parts, _ = sample(500, 20, 2)
    assert parts.company is not None
    company = parts.company.copy()
    company[:, column] += 1
    log = WholeLog.of(parts)
    more = fusion.score(replace(parts, company=company), log)
    assert (more >= fusion.score(parts, log)).all()
    assert (more > fusion.score(parts, log)).mean() > 0.2


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", ["gnn", "cluster_distance", "probability", "ring"])
def test_more_suspicion_never_lowers_a_score(labelled: bool, name: str) -> None:
    fusion = fitted(*sample(20_000, 400, 0), labelled)
    parts, _ = sample(500, 20, 2)
    value = getattr(parts, name)
    more = replace(parts, **{name: value + (1 if name == "gnn" else (1 - value) / 2)})
    log = WholeLog.of(parts)  # how rare something is, and how many rings there are, is held still
    assert (fusion.score(more, log) >= fusion.score(parts, log)).all()


def test_a_ring_speaks_for_itself() -> None:
    fusion = fitted(*sample(20_000, 400, 0), False)
    parts = ScoreParts(np.array([-9.0, 9.0]), np.zeros(2), np.zeros(2), np.array([0.9, 0.0]))
    assert fusion.weights[RING_PART] == 0
    assert fusion.score(parts)[0] == pytest.approx(0.9, abs=1e-3)
    assert fusion.strongest_part(parts).tolist() == [RING_PART, 0]


def test_a_burst_speaks_beside_a_ring() -> None:
    parts, y = sample(20_000, 400, 0)
    fusion = fitted(parts, y, False)
    nobody, everybody = np.zeros(len(y)), np.full(len(y), 0.9)
    plain = fusion.score(parts)
    assert np.array_equal(fusion.score(replace(parts, burst=nobody)), plain)
    with_burst = fusion.score(replace(parts, burst=everybody))
    assert (with_burst >= 0.9).all()
    certain = plain > 0.05
    assert certain.any()
    assert np.allclose(with_burst[certain], 1 - 0.1 * (1 - plain[certain]))
    assert np.array_equal(replace(parts, burst=everybody).some(np.arange(5)).burst, everybody[:5])


@pytest.mark.parametrize("column", [0, 1])
def test_rarer_payments_never_lower_a_score(column: int) -> None:
    parts, y = sample(2_000, 100, 0)
    fusion = fitted(parts, y, False)
    payments = np.random.default_rng(5).exponential(size=(2_000, 2))
    before = fusion.score(replace(parts, payments=payments))
    for user in np.flatnonzero(before < ORDER_BELOW)[:20].tolist():
        rarest = payments.copy()
        rarest[user, column] += 20
        assert fusion.score(replace(parts, payments=rarest))[user] > before[user]


def test_nothing_missed_is_nothing_learned() -> None:
    parts, y = sample(5_000, 100, 0, in_ring=1.1)
    fusion = Fusion.fit(parts, y)
    assert not fusion.weights.any()
    assert fusion.score(parts)[y == 0].max() < ORDER_BELOW


def test_json_keeps_the_score() -> None:
    parts, y = sample(5_000, 100, 0)
    fusion = Fusion.fit(parts, y)
    again = Fusion.from_json(json.loads(json.dumps(fusion.to_json())))
    assert np.array_equal(again.score(parts), fusion.score(parts))
