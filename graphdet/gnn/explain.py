"""Why the network gives a user its logit: integrated gradients over inputs and ties of the subgraph that it sees.

The path leads from a user who stands in the middle of the log in every input and whom nobody moves with to the users as
they are; inputs and ties come on together. What each adds along the path sums up to logit − baseline (Sundararajan,
Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017): `Attribution.gap` says what the quadrature leaves.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphdet.arrays import Float, Int
from graphdet.errors import GraphdetError
from graphdet.gnn.network import TrainedGnn
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.sampling import Block
from graphdet.gnn.threads import one_thread

N_POINTS = 5  # of Gauss's rule on a piece of the path
FIRST_ENDS = (0.0, 0.02, 0.1, 0.3, 1.0)
MOST_EXPLAINED_PIECES = 32
MOST_UNEXPLAINED = 0.01  # of logit − baseline, which the pieces together may leave
LEAST_GAP = 0.002
NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Attribution:
    """What the mean logit of some users is made of.

    own: the users' own inputs. slopes: the mean gradient of the mean logit along the path at each user's own inputs, by
    which an input that is a mean over acts can be handed on to them. pairs, pair_effect: ties between two users (a < b)
    of the subgraph, both directions and all rounds together. partners, partner_effect: the inputs of everybody else in
    the subgraph, all columns together.

    Shapes: users int64[k]; own float64[n_inputs]; slopes float64[k, n_inputs]; pairs int64[n_pairs, 2]; pair_effect
    float64[n_pairs]; partners int64[p]; partner_effect float64[p]. All effects are in logit.
    """

    users: Int
    logit: float
    baseline: float
    own: Float
    slopes: Float
    pairs: Int
    pair_effect: Float
    partners: Int
    partner_effect: Float

    @property
    def gap(self) -> float:
        """(logit − baseline) − the sum of all effects: what the quadrature leaves unexplained."""
        attributed = self.own.sum() + self.pair_effect.sum() + self.partner_effect.sum()
        return float(self.logit - self.baseline - attributed)

    def reaching(self, users: Int) -> NDArray[np.bool_]:
        """Which pairs have one of these users, bool[n_pairs]."""
        return np.asarray(np.isin(self.pairs, users).any(axis=1))


class GnnExplainer:
    """Explains users of one graph to which a trained network is put; the graph is prepared once."""

    def __init__(self, model: TrainedGnn, data: HeteroData) -> None:
        """Prepare.

        Raises:
            GraphdetError: as TrainedGnn.predict, or the network was learned together with others.
        """
        if model.hears_partners:
            raise GraphdetError(
                "a network that was learned together with other owners gives no reasons; train one on this log alone"
            )
        self.model, self.data = model, data
        self.inputs, self.ties = model.prepare(data)
        # Double precision, so that sums over thousands of ties keep their third digit on every machine.
        self.nets = [_doubled(net) for net in model.members]
        self.n_rounds = len(self.nets[0].rounds)

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """How many features users, sessions and items have, and how many inputs the network."""
        kinds = ("user", "session", "item")
        u, s, i = (int(self.data[kind].x.shape[1]) for kind in kinds)
        return u, s, i, int(self.inputs.shape[1])

    def by_item(self, attribution: Attribution) -> tuple[Int, Float]:
        """What each item of one user adds through what is known of the item and its audience: rows and effects.

        These inputs are means over the user's acts, so they can be handed on to the acts without a remainder.

        Raises:
            ValueError: the attribution is of several users.
        """
        if len(attribution.users) != 1:
            raise ValueError("items are told of one user")
        u, s, i, _ = self.widths
        slope = attribution.slopes[0]
        item = self.model.item_scores.transform(self.data["item"].x.numpy()) @ slope[u + s : u + s + i]
        user = (
            self.model.user_scores.transform(self.data["user"].x.numpy()) @ slope[u + s + i : 2 * u + s + i]
        )
        owner, session = self.data["user", "started", "session"].edge_index.numpy()
        acts = [
            self.data[kind].edge_index.numpy()
            for kind in self.data.edge_types
            if kind[0] == "session" and kind[2] == "item"
        ]
        act_session, act_item = np.concatenate(acts, axis=1) if acts else np.zeros((2, 0), np.int64)
        owner_of = np.zeros(len(self.data["session"].x), np.int64)
        owner_of[session] = owner
        n_acts = np.bincount(act_item, minlength=len(item))
        heard = np.bincount(act_item, user[owner_of[act_session]], len(item))
        value = item + heard / np.maximum(n_acts, 1)
        mine = np.flatnonzero(owner_of[act_session] == attribution.users[0])
        in_session = np.bincount(act_session, minlength=len(owner_of))[act_session[mine]]
        weight = 1.0 / in_session / max(int((owner == attribution.users[0]).sum()), 1)
        items, at = np.unique(act_item[mine], return_inverse=True)
        return items, np.bincount(at, weight * value[act_item[mine]], len(items)).astype(np.float64)

    def explain(self, users: Sequence[int] | Int) -> Attribution:
        """Explain the mean logit of some users (distinct rows)."""
        rows, blocks = self._subgraph(users)
        nodes = blocks[0].nodes if blocks else rows
        given = torch.from_numpy(self.inputs[nodes].astype(np.float64))
        with one_thread():
            by_input, *by_tie = self._along_the_path(given, blocks)
        effect = (by_input * given).numpy()
        pairs, pair_effect = _by_pair(
            blocks, [slope * block.scale for slope, block in zip(by_tie, blocks, strict=True)]
        )
        k = len(rows)  # the users come first
        return Attribution(
            rows,
            self.logit(rows),
            self._at(0.0, given, blocks),
            effect[:k].sum(axis=0),
            by_input[:k].numpy(),
            pairs,
            pair_effect,
            nodes[k:],
            effect[k:].sum(axis=1),
        )

    def _along_the_path(self, given: Tensor, blocks: Sequence[Block]) -> list[Tensor]:
        """The mean gradient along the path, of inputs and of the scales of each block's ties.

        By Gauss's rule on pieces of the path. What a piece must add up to is known, the difference of the logit at its
        ends, so the worst piece is halved until little is left: the network turns where the first ties come on.
        """
        ends = [self._at(alpha, given, blocks) for alpha in FIRST_ENDS]
        pieces = [
            self._piece(lo, hi, f, g, given, blocks)
            for lo, hi, f, g in zip(FIRST_ENDS, FIRST_ENDS[1:], ends, ends[1:], strict=False)
        ]
        enough = MOST_UNEXPLAINED * abs(ends[-1] - ends[0]) + LEAST_GAP
        while sum(piece.error for piece in pieces) > enough and len(pieces) < MOST_EXPLAINED_PIECES:
            worst = max(range(len(pieces)), key=lambda place: pieces[place].error)
            piece = pieces.pop(worst)
            middle = (piece.lo + piece.hi) / 2
            value = self._at(middle, given, blocks)
            pieces.append(self._piece(piece.lo, middle, piece.at_lo, value, given, blocks))
            pieces.append(self._piece(middle, piece.hi, value, piece.at_hi, given, blocks))
        return [
            torch.stack(parts).sum(dim=0) for parts in zip(*(piece.slopes for piece in pieces), strict=True)
        ]

    def _piece(
        self, lo: float, hi: float, at_lo: float, at_hi: float, given: Tensor, blocks: Sequence[Block]
    ) -> "_Piece":
        """Integrate the gradient over α from lo to hi."""
        ties = [block.scale for block in blocks]
        slopes = [torch.zeros_like(part) for part in (given, *ties)]
        places, weights = np.polynomial.legendre.leggauss(N_POINTS)
        for place, weight in zip(places, weights, strict=True):
            alpha = lo + (hi - lo) * (place + 1) / 2
            x = (alpha * given).requires_grad_()
            scales = [(alpha * scale).requires_grad_() for scale in ties]
            grown = [replace(block, scale=scale) for block, scale in zip(blocks, scales, strict=True)]
            slope = torch.autograd.grad(self._mean(x, grown), [x, *scales])
            for total, part in zip(slopes, slope, strict=True):
                total += (hi - lo) * weight / 2 * part
        attributed = sum(
            float((slope * part).sum()) for slope, part in zip(slopes, (given, *ties), strict=True)
        )
        return _Piece(lo, hi, at_lo, at_hi, slopes, abs(at_hi - at_lo - attributed))

    def logit(self, users: Sequence[int] | Int, columns: Int = NOBODY, pairs: Int | None = None) -> float:
        """The mean logit of some users, without some of their own inputs (columns) and some ties (int64[n, 2], a < b).

        An input that is taken away is set to the middle of the log.
        """
        rows, blocks = self._subgraph(users)
        x = torch.from_numpy(self.inputs[blocks[0].nodes if blocks else rows].astype(np.float64))
        x[: len(rows), torch.from_numpy(np.asarray(columns, np.int64))] = 0.0
        if pairs is not None and len(pairs):
            blocks = [self._without(block, pairs) for block in blocks]
        with torch.no_grad():
            return float(self._mean(x, blocks))

    def _subgraph(self, users: Sequence[int] | Int) -> tuple[Int, list[Block]]:
        """The users and all that reaches them in the rounds of the network, in double precision."""
        rows = np.asarray(users, np.int64)
        blocks = self.ties.blocks(
            rows, [None] * self.n_rounds, np.random.default_rng(0), torch.device("cpu")
        )  # the generator is never drawn from: no fan-out
        return rows, [
            replace(block, edge_attr=block.edge_attr.double(), scale=block.scale.double()) for block in blocks
        ]

    def _mean(self, x: Tensor, blocks: Sequence[Block]) -> Tensor:
        """The mean logit over the users and the networks."""
        return torch.stack([net(x, blocks).mean() for net in self.nets]).mean()

    def _at(self, alpha: float, given: Tensor, blocks: Sequence[Block]) -> float:
        """The mean logit at a place of the path, from 0, the baseline, to 1."""
        grown = [replace(block, scale=alpha * block.scale) for block in blocks]
        with torch.no_grad():
            return float(self._mean(alpha * given, grown))

    def _without(self, block: Block, pairs: Int) -> Block:
        n = self.ties.n_users
        gone = np.isin(_keys(block, n), pairs[:, 0] * n + pairs[:, 1])
        return replace(block, scale=torch.where(torch.from_numpy(gone), 0.0, block.scale))


@dataclass(frozen=True)
class _Piece:
    """A piece of the path, the logit at its ends, the integrated gradients, and how far they are off."""

    lo: float
    hi: float
    at_lo: float
    at_hi: float
    slopes: list[Tensor]
    error: float


def _doubled(net: Any) -> Any:
    """A copy of a network in double precision, whose weights ask for no gradient."""
    twin = copy.deepcopy(net).double().eval()
    return twin.requires_grad_(False)


def _keys(block: Block, n_users: int) -> Int:
    """One number per tie for the two users it is between, whichever listens: int64[n_ties]."""
    ends = np.sort(block.nodes[block.edge_index.numpy()], axis=0)
    return np.asarray(ends[0] * n_users + ends[1])


def _by_pair(blocks: Sequence[Block], effects: Sequence[Tensor]) -> tuple[Int, Float]:
    """Add up the effects of ties by the pair of users they are between."""
    if not blocks:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    n = int(max(block.nodes.max(initial=0) for block in blocks)) + 1
    keys, at = np.unique(np.concatenate([_keys(block, n) for block in blocks]), return_inverse=True)
    total = np.bincount(at, torch.cat(list(effects)).numpy(), minlength=len(keys)).astype(np.float64)
    return np.stack([keys // n, keys % n], axis=1), total
