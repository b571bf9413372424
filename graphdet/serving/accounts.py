"""A log in memory, and the score of one account of it at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from graphdet.arrays import Float, Float32
from graphdet.errors import UsageError
from graphdet.evaluation.rounding import six
from graphdet.gnn.inputs import partner_count_input, session_rows
from graphdet.scores.fused import Fusion, ScoreParts, WholeLog
from graphdet.scores.unsupervised import Clusters, Density
from graphdet.serving.acts import AccountActs, NewAct, with_new
from graphdet.serving.inputs import AccountModel, OwnTies, TieTable
from graphdet.serving.items import ItemCounts, behaviour_of
from graphdet.serving.meetings import Acted, Meetings
from graphdet.serving.user_trees import AccountTrees
from graphdet.tables import GraphArrays

N_ENTITY_FEATURES = 2  # the last ones: shared devices and the like, which acts do not change


@dataclass(frozen=True)
class Warm:
    """All that is known of a log before an account is asked about.

    Shapes: features float64[n_users, n_features], behaviour; x float32[n_users, n_inputs] of the network; heard
    float32[n_items, …], what items and their audiences say; n_partners int64[n_users]; ring float64[n_users],
    probability of being in a ring; ring_id: names of the rings of users who are in one, by row; company as of rings;
    burst float64[n_users], probability of being in a burst; opinions as of ScoreParts.
    """

    graph: GraphArrays
    features: Float
    x: Float32
    heard: Float32
    ties: TieTable
    n_partners: NDArray[np.int64]
    ring: Float
    ring_id: Mapping[int, str]
    items: ItemCounts
    meetings: Meetings
    company: Float
    burst: Float
    opinions: Float | None = None


@dataclass(frozen=True)
class AccountInputs:
    """What an account looks like: behaviour float64[n_features], inputs float32[n_inputs].

    ties, and all its partners, int64[n_partners]: None for those of the log.
    """

    row: int
    features: Float
    x: Float32
    ties: OwnTies | None
    partners: NDArray[np.int64] | None
    n_partners: int


class AccountScorer:
    """Scores accounts of one log with one trained model, from a warm process.

    Without new acts an account gets the logit and score that `graphdet score` gives it, within 1e-4 of logit. With
    new acts its own behaviour is what it would be in a log with them; its partners, its company, its items' audiences,
    the rings and the log's crowds stand as they were when the log was read.
    """

    def __init__(
        self,
        warm: Warm,
        model: AccountModel,
        density: Density,
        clusters: Clusters,
        fusion: Fusion,
        trees: AccountTrees | None = None,
    ) -> None:
        self.warm, self.model, self.trees = warm, model, trees
        self.density, self.clusters, self.fusion = density, clusters, fusion
        n_acts = np.bincount(warm.graph.user_ix, minlength=warm.graph.n_users)
        self._first_act = np.concatenate([[0], np.cumsum(n_acts)])
        self.log = self._whole_log()

    def _whole_log(self) -> WholeLog | None:
        """What the score of one account needs of all others; None where labels alone decide."""
        if self.fusion.labelled and self.fusion.zero_shot is None:
            return None
        warm, fold = self.warm, None if self.trees is None else self.trees.fold
        logits = self.model.logits_of_all(warm.x, warm.ties, fold)
        clusters, density = self.clusters.score(warm.features), self.density.score(warm.features)
        parts = ScoreParts(logits, clusters, density, warm.ring, company=warm.company)
        return WholeLog.of(replace(parts, opinions=warm.opinions))

    def score(self, user_id: str, acts: Sequence[NewAct] = ()) -> dict[str, Any]:
        """Score an account: by the log alone, or with acts since.

        Returns user_id, score (a probability, see scores.fused), its parts gnn (1 ÷ (1 + e^−gnn_logit)), gnn_logit,
        cluster_distance, probability, trees_logit (None: the model has learned no labels) and ring, ring_id (None:
        in no ring that has a name), n_partners (accounts that it acts together with) and n_new_acts.

        Raises:
            UsageError: the log has no such account, and there are no acts.
        """
        account = self.account(user_id, acts)
        logit = self.logit(account)
        row, features = account.row, account.features[None]
        of_log = row < len(self.warm.features)
        ring = float(self.warm.ring[row]) if of_log else 0.0
        trees = None if self.trees is None else np.array([self.trees_logit(account)])
        density, clusters = self.density.score(features), self.clusters.score(features)
        company = self.warm.company[[row]] if of_log else np.zeros((1, self.warm.company.shape[1]))
        burst = self.warm.burst[[row]] if of_log else np.zeros(1)
        parts = ScoreParts(np.array([logit]), clusters, density, np.array([ring]), trees, company, burst)
        if self.warm.opinions is not None:  # ratings since are not known
            parts = replace(parts, opinions=self.warm.opinions[[row]] if of_log else np.zeros(1))
        return {
            "user_id": user_id,
            "score": six(self.fusion.score(parts, self.log)[0]),
            "gnn": six(expit(np.clip(logit, -30, 30))),
            "gnn_logit": six(logit),
            "cluster_distance": six(parts.cluster_distance[0]),
            "probability": six(parts.probability[0]),
            "trees_logit": None if trees is None else six(trees[0]),
            "ring": six(ring),
            "ring_id": self.warm.ring_id.get(row),
            "n_partners": account.n_partners,
            "n_new_acts": len(acts),
        }

    def account(self, user_id: str, acts: Sequence[NewAct] = ()) -> AccountInputs:
        """Gather what an account looks like.

        Raises:
            UsageError: as score.
        """
        row = self.row_of.get(user_id)
        if row is None and not acts:
            raise UsageError(
                f"the log has no user {user_id!r}; to score a new one, give the acts it has done so far"
            )
        if acts:
            return self.from_acts(len(self.warm.features) if row is None else row, acts)
        warm = self.warm
        assert row is not None  # for the type checker: else there were acts
        return AccountInputs(row, warm.features[row], warm.x[row], None, None, int(warm.n_partners[row]))

    def logit(self, account: AccountInputs) -> float:
        """The network's logit of an account, from all accounts that it depends on."""
        layers = self.warm.ties.around(account.row, self.model.n_rounds, account.ties)
        nodes = layers[0].nodes if layers else np.array([account.row])
        x = np.empty((len(nodes), self.warm.x.shape[1]), np.float32)
        x[0] = account.x  # who listens in the last layer comes first in all of them
        x[1:] = self.warm.x[nodes[1:]]
        return float(self.model.logits(x, layers, self._fold(account.row))[0])

    def trees_logit(self, account: AccountInputs) -> float:
        """What trees that learned labels say of an account.

        Raises:
            ValueError: the model has none.
        """
        if self.trees is None:
            raise ValueError("this model has learned no labels of users")
        if account.partners is None:
            return float(self.trees.logit[account.row])
        return self.trees.logit_of(account.row, account.features, account.partners)

    def _fold(self, row: int) -> int | None:
        """The fold of an account whose label was learned; None of all others."""
        fold = -1 if self.trees is None else self.trees.fold_of(row)
        return fold if fold >= 0 else None

    def from_acts(self, row: int, new: Sequence[NewAct]) -> AccountInputs:
        """Gather what an account looks like from its acts in the log and new ones; a stranger has row n_users.

        Without new ones it is what the log as a whole gave, so tests can hold the two together.
        """
        warm, of_log = self.warm, row < len(self.warm.features)
        acts = self._acts(row, new)
        around = warm.items.context(acts, is_new_user=not of_log)
        entities = warm.features[row, -N_ENTITY_FEATURES:] if of_log else np.zeros(N_ENTITY_FEATURES)
        features = behaviour_of(acts, around, (float(entities[0]), float(entities[1])))
        order = np.lexsort((acts.at_ms, acts.item))
        item = acts.item[order]
        first = order[np.r_[True, np.diff(item) != 0][: len(item)]]
        audience = around.n_users[first]
        old_items = np.unique(acts.item[~acts.is_new])
        acted = Acted(
            acts.item[first],
            acts.at_ms[first],
            audience,
            np.log(around.log_users / audience),
            ~np.isin(acts.item[first], old_items),
        )
        ties, partners = warm.meetings.ties(acted, row, warm.ties)
        x = self._inputs(acts, around.n_edges, features, len(partners))
        return AccountInputs(row, features, x, ties, partners, len(partners))

    def _inputs(
        self, acts: AccountActs, n_edges: NDArray[np.int64], features: Float, n_partners: int
    ) -> Float32:
        """What the network sees of an account, as gnn.propagation.propagate gives it: float32[n_inputs].

        It is one more in the audience of what it newly acts on. Shapes: n_edges int64[n_acts], interactions with each
        act's item, new ones counted in.
        """
        own = self.model.scaling.user.transform(features[None].astype(np.float32))[0]
        sessions, at = np.unique(acts.session, return_inverse=True)
        seen = self.model.scaling.session.transform(session_rows(at, acts.at_ms, len(sessions)))
        heard = np.zeros((len(acts), self.warm.heard.shape[1]), np.float32)
        known = acts.item < len(self.warm.heard)  # of others nothing is known: zeros, the middle
        heard[known] = self.warm.heard[acts.item[known]]
        items, item = np.unique(acts.item, return_inverse=True)
        share = (
            np.bincount(item, acts.is_new, len(items))[item] / n_edges
        )  # of the item's audience that is new
        audience = heard[:, -len(own) :]
        audience += ((own - audience) * share[:, None]).astype(np.float32)
        by_session = np.zeros((len(sessions), heard.shape[1]), np.float32)
        np.add.at(by_session, at, heard)
        by_session /= np.bincount(at)[:, None].astype(np.float32)
        around = np.hstack([seen, by_session]).mean(axis=0)
        return np.concatenate([own, around, partner_count_input(np.array([n_partners]))[0]]).astype(
            np.float32
        )

    def _acts(self, row: int, new: Sequence[NewAct]) -> AccountActs:
        """The acts of an account in the log, and new ones, whose time counts for nothing where the log has none."""
        graph = self.warm.graph
        if not graph.timed:
            new = [replace(act, at_ms=0) for act in new]
        mine = slice(*self._first_act[[row, row + 1]]) if row < graph.n_users else slice(0)
        sessions, at = np.unique(graph.session_ix[mine], return_inverse=True)
        old = AccountActs(
            graph.item_ix[mine].astype(np.int64),
            at.astype(np.int64),
            graph.action_ix[mine].astype(np.int64),
            graph.at_ms[mine],
            graph.n[mine],
            np.zeros(len(at), bool),
        )
        # By name only where somebody asks by name: taking strings out of Arrow is slow.
        named = any(act.session_id is not None for act in new)
        names = graph.session_ids.take(pa.array(sessions)).to_pylist() if named else range(len(sessions))
        return with_new(old, names, new, self.item_row, graph.actions)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Rows of accounts by their ids."""
        return {name: row for row, name in enumerate(self.warm.graph.user_ids.to_pylist())}

    @cached_property
    def item_row(self) -> dict[str, int]:
        """Rows of items by their ids."""
        return {name: row for row, name in enumerate(self.warm.graph.item_ids.to_pylist())}
