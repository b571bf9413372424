"""serve: warm up a scorer of single accounts from a store and a model folder. Loads no torch."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float, Float32
from graphdet.features.behaviour import FEATURE_NAMES, behaviour
from graphdet.features.pairs import WINDOWS, first_acts, largest_crowd
from graphdet.features.ratings import read_ratings
from graphdet.gnn.inputs import (
    closest_ties,
    network_session_features,
    partner_count_input,
    started_sessions,
    sum_over_partners,
    user_rarity,
    what_items_say,
)
from graphdet.graph.encode import edges_frame, read_graph
from graphdet.judge.model import RingJudge
from graphdet.learn.scorers import load_scorers
from graphdet.learn.user_trees import UserColumns, UserTrees, load_user_trees, user_columns
from graphdet.ports import FindingsStore, GraphAndFindings
from graphdet.progress import Progress, Silent
from graphdet.rings.company import company
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.rings.membership import user_membership
from graphdet.serving.accounts import AccountScorer, Warm
from graphdet.serving.inputs import Scaling, TieTable
from graphdet.serving.items import ItemCounts
from graphdet.serving.meetings import Meetings
from graphdet.serving.student import load_account_model
from graphdet.serving.user_trees import AccountTrees
from graphdet.tables import GraphArrays

ANY_FDR = 0.05  # who is in a ring does not depend on which rings are flagged


def account_scorer(
    store: GraphAndFindings, model_dir: Path, *, seed: int = 0, progress: Progress | None = None
) -> AccountScorer:
    """Read a log and judge its rings once; after that single accounts are scored from memory.

    `model_dir` is what train or export wrote. The store may be closed afterwards. Names of rings are those of the
    scores in the store, as run and score write them; without such, rings count and have no name. Bursts are those that
    the store holds.

    Raises:
        InputError: trees of the model were grown on other columns than this log has.
        GraphdetError: there is no trained model, it is damaged, or it is not one of such a log.
        StoreError: the store is unreachable, or an ingest is not complete.
    """
    progress = progress or Silent()
    model, scorers, judge = load_account_model(model_dir), load_scorers(model_dir), RingJudge.load(model_dir)
    labelled = load_user_trees(model_dir) if scorers.has_trees else None
    graph = read_graph(store, progress)
    windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    ring, _ = user_membership(judge_rings(candidates, judge.logits, ANY_FDR), candidates.model)
    del candidates
    users, items = behaviour(graph, store.bench, progress)
    trees = account_trees(labelled, user_columns(store, graph, windows, users)) if labelled else None
    progress.start("warm up")
    found = closest_ties(graph, windows)
    x, heard = inputs_of(graph, users, items, found.n_partners, model.scaling)
    first = first_acts(edges_frame(graph, store.bench))
    ratings = read_ratings(store, graph)
    crowds = [largest_crowd(first, window) for window in WINDOWS]
    warm = Warm(
        graph,
        users,
        x,
        heard,
        TieTable.of(found.src, found.dst, found.attributes, graph.n_users),
        found.n_partners,
        ring,
        _ring_ids(store, graph),
        ItemCounts.of(graph),
        Meetings.of(graph, WINDOWS, crowds, user_rarity(graph)),
        company(graph, windows),
        _bursts(store, graph),
        None if ratings is None else ratings.distance(graph.n_users),
    )
    scorer = AccountScorer(warm, model, scorers.density, scorers.clusters, scorers.fusion, trees)
    assert scorer.row_of is not None  # made now, not in the first answer
    assert scorer.item_row is not None
    progress.done()
    return scorer


def account_trees(trees: UserTrees, given: UserColumns) -> AccountTrees:
    """The trees of a model, warm for a log."""
    return AccountTrees.of(
        trees.members,
        trees.logits(given),
        trees.known.found_in(given.ids),
        given.columns,
        given.relations,
        len(FEATURE_NAMES),
        trees.known.share,
    )


def inputs_of(
    graph: GraphArrays, users: Float, items: Float, n_partners: NDArray[np.int64], scaling: Scaling
) -> tuple[Float32, Float32]:
    """What the network sees of all accounts, and what items say: float32[n_users, n_inputs], float32[n_items, …]."""
    user = scaling.user.transform(users.astype(np.float32))
    item = scaling.item.transform(items.astype(np.float32))
    session = scaling.session.transform(network_session_features(graph))
    started = started_sessions(graph)
    acted = np.stack([graph.session_ix, graph.item_ix]).astype(np.int64)
    heard = what_items_say(started, acted, user, item, len(session))
    x = sum_over_partners(started, acted, user, session, heard)
    return np.hstack([x, partner_count_input(n_partners)]), heard


def _ring_ids(store: FindingsStore, graph: GraphArrays) -> dict[int, str]:
    """Names of the rings of users who are in one, by row."""
    scores = store.scores()
    named = scores.filter(pc.is_valid(scores["ring_id"]))
    rows = pc.index_in(named["user_id"], value_set=graph.user_ids).to_pylist()
    names = named["ring_id"].to_pylist()
    return {row: name for row, name in zip(rows, names, strict=True) if row is not None}


def _bursts(store: FindingsStore, graph: GraphArrays) -> Float:
    """The surest membership of each user in a flagged burst that the store holds, float64[n_users], 0 for none."""
    found = store.rings()
    bursts = found.rings.filter(pc.and_(pc.equal(found.rings["kind"], "burst"), found.rings["flagged"]))
    members = found.members.filter(pc.is_in(found.members["ring_id"], bursts["ring_id"]))
    rows = pc.index_in(members["user_id"], value_set=graph.user_ids)
    members, rows = members.filter(pc.is_valid(rows)), rows.drop_null()
    out = np.zeros(graph.n_users)
    np.maximum.at(out, rows.to_numpy(), members["score"].to_numpy())
    return out
