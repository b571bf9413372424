"""What campaigns look like in one log, and which groups are like none of them: there a judge would only guess."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from graphdet.evaluation.folds import conformal_p_values
from graphdet.judge.examples import Lessons

Float = NDArray[np.float64]
# A group is strange when at most this share of campaigns are as far from all others: about as many campaigns of the
# planted kinds are lost at most.
LEAST_LIKENESS = 0.1
LEAST_SPREAD = 1e-3  # of an input that is the same for all campaigns


@dataclass(frozen=True)
class KnownCampaigns:
    """The blocks of campaigns planted into one log.

    mean, scale float64[n_inputs]; examples float64[n_blocks, n_inputs], standardised by them; apart
    float64[n_campaigns], ascending: how far each campaign is from the nearest block of another.
    """

    mean: Float
    scale: Float
    examples: Float
    apart: Float

    @classmethod
    def of(cls, lessons: Lessons) -> "KnownCampaigns | None":
        """Learn from the lessons of one log; None where fewer than two campaigns were found in it."""
        rows = np.flatnonzero(lessons.is_ring)
        campaign = lessons.campaign[rows]
        names = np.unique(campaign)
        if len(names) < 2:
            return None
        mean = lessons.inputs[rows].mean(axis=0)
        scale = lessons.inputs[rows].std(axis=0) + LEAST_SPREAD
        examples = (lessons.inputs[rows] - mean) / scale
        order = np.lexsort((-lessons.jaccard[rows], campaign))
        best = order[np.searchsorted(campaign[order], names)]  # the block of each that found it best
        distance = cdist(examples[best], examples)
        distance[campaign[best][:, None] == campaign[None, :]] = np.inf
        return cls(mean, scale, examples, np.sort(distance.min(axis=1)))

    def likeness(self, inputs: Float) -> Float:
        """The share of campaigns at least as far from all others as each group is from all campaigns, float64[n].

        The conformal p-value with the distance to the nearest neighbour as its measure (Laxhammar & Falkman 2010): a
        campaign like those planted has one of at most p with a probability of about p. Not exactly: scale and examples
        are those of the planted ones alone, so that with many inputs and few campaigns it is up to 1.3 p.
        """
        if not len(inputs):
            return np.zeros(0)
        distance, _ = KDTree(self.examples).query((inputs - self.mean) / self.scale)
        return conformal_p_values(distance, self.apart)

    def strange(self, inputs: Float) -> NDArray[np.bool_]:
        """Which groups are like no campaign, bool[n]."""
        return self.likeness(inputs) <= LEAST_LIKENESS
