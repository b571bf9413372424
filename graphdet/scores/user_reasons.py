"""One sentence per user."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.scores.fused import Parts

_STRONG = 0.99
# For a suspect without any one strong sign: what weighs most, in the order of fused.PARTS.
_MIXED = (
    "no single strong sign: leans to accounts that move in step, and the other scores add to it",
    "no single strong sign: the distance from normal clusters weighs most",
    "no single strong sign: how rare the behaviour is weighs most",
    "no single strong sign: shares targets with a group of accounts",
    "no single strong sign: what it does, and those it acts with, is like accounts labelled as fraud",
)


def user_reasons(
    parts: Parts,
    strongest: NDArray[np.int64],
    ring_id: list[str | None],
    ring_size: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    in_ring: Mapping[int, Sequence[str]] | None = None,
) -> list[str]:
    """Say what speaks most against each user.

    Shapes: strongest int64[n] into fused.PARTS; ring_id and ring_size (members) per user, None and 0 for no
    ring; flagged bool[n]; in_ring: user row → what the user did in that ring, in words, the strongest first.
    """
    out = []
    for user in range(len(ring_id)):
        said = []
        if ring_id[user] is not None:
            together = f"acts together with {ring_size[user] - 1} other accounts ({ring_id[user]})"
            did = (in_ring or {}).get(user, ())
            said.append(f"{together}: {', '.join(did)}" if did else together)
        if strongest[user] == 0 and parts.gnn[user] > 0:
            said.append("moves in step with accounts that look coordinated")
        if parts.cluster_distance[user] >= _STRONG:
            said.append("is farther from every normal cluster than 99 % of users")
        if parts.probability[user] >= _STRONG:
            said.append("behaves in a way that is rarer than that of 99 % of users")
        if not said:
            said.append(_MIXED[strongest[user]] if flagged[user] else "nothing stands out")
        sentence = "; ".join(said)
        out.append(f"{sentence[0].upper()}{sentence[1:]}.")
    return out
