"""How sure the membership of an account in a ring is, what part it has there, and which rings are listed.

A member that acts on more than half as many targets as the ring's middle member is **core**. Of the others a
**bystander** is one that acts on more other items than on targets, and that the ring's evidence hardly needs or whose
acts there hardly beat chance over its whole life; the rest are its **fringe**. Before all these comes whose own acts
may be **chance**, whatever they are. These and the bystanders are the weak members, and a ring vouches for none.
"""

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Float, Int
from graphdet.rings.blocks import Blocks, block_acts, entry_rows, membership, outside_appeal
from graphdet.rings.find import MOST_LEADS, Judged, worth_a_look
from graphdet.rings.margin import naming_margins
from graphdet.rings.organic import Organic, dot_of_rows, surprise
from graphdet.rings.own_time import moments, visitors

THIN = 0.5  # of the targets of a ring's middle member, at most which a member takes little part
HARDLY_NATS = (
    5.0  # at most which the evidence falls without a member that a ring hardly needs, or which its acts show
)
BYSTANDER = 0.5  # how far being a bystander brings down how sure a membership is
SURE_MEMBER = 0.5  # membership from which a member of a flagged ring is a suspect
MOST_ASKED = 300  # members of a ring that it is weighed without, those of fewest targets


def member_strength(judged: Judged, model: Organic) -> Float:
    """How sure each membership is, float64[nnz of judged.blocks.users], in [0, 1].

    ring score × (1 − e^−g), with g the nats by which the member's own acts on the targets beat the organic
    model and the cost of naming the member; in the ring's moment, where it has one and that says more. Of a bystander
    BYSTANDER times that.
    """
    own = _own_part(judged, model)
    return np.asarray(judged.score[entry_rows(judged.blocks.users)] * own)


def member_roles(judged: Judged, model: Organic) -> NDArray[np.str_]:
    """The part of each member in its ring, finding.MemberRole[nnz of judged.blocks.users].

    Bystanders are those of listed rings only.
    """
    nats, sure = _beyond_chance(judged, model)
    roles = np.where(_thin(judged, model)[0], "fringe", "core")
    roles = np.where(_bystanders(judged, model, nats, sure >= SURE_MEMBER), "bystander", roles)
    return np.where(sure < SURE_MEMBER, "chance", roles)


def _own_part(judged: Judged, model: Organic) -> Float:
    """What the members' own acts make of their membership, float64[nnz of judged.blocks.users], in [0, 1]."""
    nats, sure = _beyond_chance(judged, model)
    return np.where(_bystanders(judged, model, nats, sure >= SURE_MEMBER), BYSTANDER * sure, sure)


def _thin(judged: Judged, model: Organic) -> tuple[Bool, Int]:
    """Which members act on few of their ring's targets (see THIN), bool[nnz], and on how many each, int64[nnz]."""
    users = judged.blocks.users
    acts, at = block_acts(judged.blocks, model), entry_rows(users)
    want = at * np.int64(model.n_users) + users.indices
    n = _looked_up(acts.block * model.n_users + model.acts.user_ix[acts.act], None, want)
    ends = users.indptr
    middle = np.array([np.median(n[ends[row] : ends[row + 1]]) for row in range(len(judged.blocks))])
    return n <= THIN * middle[at], n.astype(np.int64)


def _bystanders(judged: Judged, model: Organic, nats: Float, asked: Bool) -> Bool:
    """Which members are bystanders, bool[nnz of judged.blocks.users], among those asked for, bool[nnz].

    nats: what their own acts show over their whole life, float64[nnz]. Only in the rings that are listed, and of a ring
    at most MOST_ASKED of those that act on fewest targets.
    """
    users = judged.blocks.users
    thin, n = _thin(judged, model)
    busy = model.degree[users.indices] - n > n
    wanted = asked & thin & busy
    out, rows = np.zeros(len(n), bool), listed_rings(judged)
    mine = [
        np.flatnonzero(wanted[low:high]) + low
        for low, high in zip(users.indptr[rows], users.indptr[rows + 1], strict=True)
    ]
    mine = [some[np.argsort(n[some], kind="stable")][:MOST_ASKED] for some in mine]
    every = np.concatenate([*mine, np.zeros(0, np.int64)]).astype(np.int64)
    if len(every):
        whole = np.zeros(len(judged.blocks))
        whole[rows] = naming_margins(judged.blocks.take(rows), model).among_touched
        at = entry_rows(users)[every]
        fall = whole[at] - margins_without(judged.blocks, model, at, users.indices[every])
        out[every] = np.minimum(fall, nats[every]) <= HARDLY_NATS
    return out


def margins_without(blocks: Blocks, model: Organic, rows: Int, without: NDArray[np.integer]) -> Float:
    """The margin among touched items of blocks, each without one member: float64[n].

    rows: of blocks, int64[n]; without: the row of the user that is left out of each, int[n].
    """
    fewer = Blocks(
        membership(
            [
                blocks.members(row)[blocks.members(row) != user]
                for row, user in zip(rows.tolist(), without.tolist(), strict=True)
            ],
            model.n_users,
        ),
        blocks.items[rows],
    )
    return naming_margins(fewer, model).among_touched


def _beyond_chance(judged: Judged, model: Organic) -> tuple[Float, Float]:
    """The nats that members' own acts show over their whole life, and 1 − e^−g (see member_strength).

    Shapes: float64[nnz of judged.blocks.users] each.
    """
    users = judged.blocks.users
    at = entry_rows(users)
    acts = block_acts(judged.blocks, model)
    want = at * np.int64(model.n_users) + users.indices
    n_targets = _looked_up(acts.block * model.n_users + model.acts.user_ix[acts.act], None, want)
    appeal = outside_appeal(judged.blocks, model, acts)
    expected = dot_of_rows(appeal, at, model.user_slices, users.indices)
    nats = surprise(n_targets, expected)
    gain = nats - np.log(max(model.n_users / 10, 2))
    when = moments(judged.blocks, acts, model)
    found = visitors(judged.blocks, when, model)
    in_moment = surprise(found.count, found.expected) - when.user_cost(model.n_users)[found.block]
    key = when.row[found.block] * model.n_users + found.user
    gain = np.maximum(np.maximum(gain, _looked_up(key, in_moment, want)), 0.0)
    return nats, np.asarray(1 - np.exp(-gain))


def _looked_up(key: NDArray[np.int64], value: Float | None, want: NDArray[np.int64]) -> Float:
    """Sum of the values of each wanted key (its count, without values), float64[len(want)]; 0 where there is none."""
    keys, at = np.unique(key, return_inverse=True)
    if not len(keys):
        return np.zeros(len(want))
    total = np.bincount(at, value, minlength=len(keys)).astype(np.float64)
    place = np.minimum(np.searchsorted(keys, want), len(keys) - 1)
    return np.where(keys[place] == want, total[place], 0.0)


def user_membership(judged: Judged, model: Organic) -> tuple[Float, NDArray[np.int64]]:
    """The surest membership of each user in a ring that stands out, and the ring's row (0 and −1: none).

    Shapes: float64[n_users] in [0, 1], int64[n_users].
    """
    judged = judged.standing
    users = judged.blocks.users
    at = entry_rows(users)
    value = member_strength(judged, model)
    best = np.zeros(model.n_users)
    ring = np.full(model.n_users, -1, np.int64)
    order = np.lexsort((-at, value))
    best[users.indices[order]] = value[order]
    ring[users.indices[order]] = at[order]
    return best, ring


def ring_ids(n: int) -> list[str]:
    """Names of rings, strongest first: R0001, R0002 …"""
    return [f"R{number + 1:04d}" for number in range(n)]


def listed_rings(judged: Judged) -> NDArray[np.int64]:
    """Rows of the rings that are listed, ascending: the flagged ones, and leads.

    Of more than MOST_LEADS leads (see find.worth_a_look) the strongest are listed.
    """
    leads = np.flatnonzero(worth_a_look(judged.score, judged.p_value) & ~judged.flagged)
    leads = leads[np.argsort(-judged.logit[leads], kind="stable")][:MOST_LEADS]
    return np.sort(np.append(np.flatnonzero(judged.flagged), leads))
