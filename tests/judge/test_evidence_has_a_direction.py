"""What is flagged stays flagged when it is more blatant: in its numbers to any degree, and as acts in a log."""

from dataclasses import replace

import numpy as np
import pytest

from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import Candidates, Judged, campaign_overlap, judge_rings, ring_candidates
from graphdet.simulation.campaigns import HOUR, Campaign
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.workbench import Workbench

pytestmark = pytest.mark.slow

LOG = organic(6_000, 2_000, 30, 1, "news")
RING = Campaign(
    "bought", n_accounts=30, n_targets=8, density=0.8, window_s=6 * HOUR, camouflage=0.5, pace="plain"
)


def looked_for(campaign: Campaign) -> tuple[Candidates, Judged, bool]:
    """The candidates of a log with one campaign, what the shipped judge says, and whether it is flagged."""
    planted = plant(LOG, [campaign], seed=3)
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(planted.graph, bench, 0, Silent())
    judged = judge_rings(candidates, shipped_judge().logits, 0.05)
    _, jaccard = campaign_overlap(judged.blocks, planted.campaign_of_user)
    return candidates, judged, bool((judged.flagged & (jaccard >= 0.5)).any())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"density": 0.9},
        {"density": 1.0},
        {"window_s": 0.2 * HOUR, "density": 1.0, "camouflage": 0.0},  # nobody has ever planted the like
        {"n_accounts": 40},
        {"n_accounts": 160},
        {"camouflage": 0.0, "n_accounts": 80, "window_s": HOUR, "density": 1.0},
    ],
)
def test_a_ring_is_found_however_blatant(change: dict[str, float]) -> None:
    assert looked_for(replace(RING, **change))[2]


def test_a_flagged_ring_stays_flagged_with_more_of_any_evidence() -> None:
    candidates, judged, _ = looked_for(RING)
    flagged = np.flatnonzero(judged.flagged)
    assert len(flagged)
    rng = np.random.default_rng(0)
    for ring in flagged.tolist():
        members = set(judged.blocks.members(ring).tolist())
        same = [
            row
            for row in range(len(candidates.blocks))
            if set(candidates.blocks.members(row).tolist()) == members
        ]
        for factor in (0.3, 3.0, 30.0):
            inputs = candidates.inputs.copy()
            inputs[same] += factor * rng.uniform(0, 1, inputs.shape[1]) * np.array(JUDGE_DIRECTION)
            again = judge_rings(replace(candidates, inputs=inputs), shipped_judge().logits, 0.05)
            kept = [set(again.blocks.members(row).tolist()) for row in np.flatnonzero(again.flagged)]
            assert members in kept
