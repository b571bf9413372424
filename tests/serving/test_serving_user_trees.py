"""Trees that learned labels, one account at a time: the columns of one row against those of the whole log."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from graphdet.features.neighbours import label_messages, neighbour_features
from graphdet.features.relations import PLACES, NamedColumns, Relations, place_features
from graphdet.learn.user_trees import AROUND, UserColumns, UserTrees, fit_user_trees
from graphdet.scores.fused import TREES_PART, ZERO_SHOT, Fusion, ScoreParts, WholeLog
from graphdet.scores.trees import TreeSettings
from graphdet.serving import user_trees
from graphdet.serving.build import account_trees
from graphdet.serving.user_trees import AccountTrees

N, N_FEATURES = 160, 24
KNOWN = range(0, N, 3)


def edges(seed: int, n_edges: int) -> NDArray[np.int64]:
    """Among all but the last twenty, who have no neighbours."""
    return np.random.default_rng(seed).integers(0, N - 20, (2, n_edges))


def world(together: NDArray[np.int64], n: int = N) -> UserColumns:
    """Behaviour, places, neighbourhoods and texts of users in two relations."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(N + 1, N_FEATURES))[:n].astype(np.float32)
    relations = Relations.from_edges(n, {"together": together, "shared": edges(2, 60)})
    names = tuple(f"f{j}" for j in range(N_FEATURES))
    around = neighbour_features(NamedColumns(names, own).beside(place_features(relations)), relations, AROUND)
    text = rng.normal(size=(N + 1, 3))[:n].astype(np.float32)
    text[::2] = np.nan
    ids = pa.array([f"u{row}" for row in range(n)])
    return UserColumns(ids, around.beside(NamedColumns(("text: a", "text: b", "text: c"), text)), relations)


@pytest.fixture(scope="module")
def given() -> UserColumns:
    return world(edges(1, 400))


@pytest.fixture(scope="module")
def trees(given: UserColumns) -> UserTrees:
    rng = np.random.default_rng(3)
    y = np.full(N, -1, np.int64)
    y[KNOWN] = (given.columns.values[KNOWN, 0] + rng.normal(size=len(KNOWN)) > 0).astype(int)
    settings = TreeSettings(rounds=20, min_rows_in_leaf=3)
    return fit_user_trees(given, y, np.arange(N) // 3 % 4, y, settings)[0]


@pytest.fixture(scope="module")
def served(given: UserColumns, trees: UserTrees) -> AccountTrees:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphdet.serving.build.FEATURE_NAMES", tuple(f"f{j}" for j in range(N_FEATURES)))
        return account_trees(trees, given)


def whole_row(given: UserColumns, trees: UserTrees, row: int) -> NDArray[np.float32]:
    y, fold = trees.known.found_in(given.ids)
    told = label_messages(given.relations, y, fold, trees.known.share)
    return given.columns.beside(told).values[row]


def partners_of(given: UserColumns, row: int) -> NDArray[np.int64]:
    return given.relations.graphs["together"][row].indices.astype(np.int64)


def test_every_account_has_the_columns_and_logit_of_the_whole_log(
    given: UserColumns, trees: UserTrees, served: AccountTrees
) -> None:
    wanted = trees.logits(given)
    assert wanted.std() > 0.1
    np.testing.assert_array_equal(served.logit, wanted)
    for row in range(N):
        features = given.columns.values[row, :N_FEATURES].astype(np.float64)
        partners, fold = partners_of(given, row), int(served.fold[row])
        found = served.columns_of(row, features, partners, fold)
        np.testing.assert_allclose(found, whole_row(given, trees, row), rtol=2e-5, atol=2e-6)
        assert served.logit_of(row, features, partners) == pytest.approx(wanted[row], abs=1e-6)


def test_new_partners_and_strangers_stand_as_in_a_log_that_has_them(
    given: UserColumns, trees: UserTrees, served: AccountTrees
) -> None:
    """Own places and means are those of such a log; what is two steps away stands still, so ranks are only near."""
    new = np.array([2, 9, 17, 30])
    for row, n in ((4, N), (N, N + 1)):
        other = world(np.hstack([edges(1, 400), np.stack([np.full(4, row), new])]), n)
        partners = partners_of(other, row)
        assert set(new.tolist()) <= set(partners.tolist())
        features = other.columns.values[row, :N_FEATURES].astype(np.float64)
        found = served.columns_of(row, features, partners, -1)
        wanted = dict(zip(other.columns.names, other.columns.values[row], strict=True))
        got = dict(zip(other.columns.names, found, strict=False))
        for name in ("degree", "triangles", "clustering", "core"):
            assert got[f"together_{name}"] == pytest.approx(wanted[f"together_{name}"], rel=1e-5), name
        assert got["together_pagerank"] == pytest.approx(wanted["together_pagerank"], abs=0.15)
        for j in range(N_FEATURES):
            for kind in ("mean", "std", "residual", "min", "max"):
                name = f"together_{kind}_f{j}"
                assert got[name] == pytest.approx(wanted[name], rel=1e-4, abs=1e-5), name


def test_a_stranger_without_partners_is_alone(served: AccountTrees) -> None:
    nobody = np.zeros(0, np.int64)
    found = served.columns_of(N, np.zeros(N_FEATURES), nobody, -1)
    d = N_FEATURES + 2 * len(PLACES)
    alone = served.own[N - 1, N_FEATURES:d]
    np.testing.assert_allclose(found[N_FEATURES:d], alone, atol=1e-6)
    assert np.isnan(found[d : d * (1 + 2 * user_trees.NEIGHBOUR_KINDS)]).all()
    assert np.isfinite(served.logit_of(N, np.zeros(N_FEATURES), nobody))


def test_a_label_never_reaches_its_own_account(
    given: UserColumns, trees: UserTrees, served: AccountTrees
) -> None:
    row = KNOWN[5]
    turned = served.y.copy()
    turned[served.fold == served.fold[row]] ^= 1
    other = replace(served, y=turned)
    features = given.columns.values[row, :N_FEATURES].astype(np.float64)
    same = [one.logit_of(row, features, partners_of(given, row)) for one in (served, other)]
    assert same[0] == same[1]
    stranger = [one.columns_of(N, features, partners_of(given, row), -1) for one in (served, other)]
    assert (stranger[0] != stranger[1]).any()


def test_the_zero_shot_part_of_one_account_knows_the_share_of_rings_of_the_log() -> None:
    rng = np.random.default_rng(0)
    n = 50
    ring = np.where(np.arange(n) < 5, 0.9, 0.0)
    parts = ScoreParts(rng.normal(size=n), rng.random(n), rng.random(n), ring, rng.normal(size=n))
    ones, zero = np.ones(6), np.zeros(6)
    names = ("gnn", "cluster_distance", "probability", "ring", TREES_PART, ZERO_SHOT)
    basic = Fusion(np.array([1.0, 0.5, 0.5, 0.0]), -2.0, np.zeros(4), np.ones(4), 0.3, labelled=False)
    fusion = Fusion(ones, 0.0, zero, ones, 0.3, labelled=True, names=names, zero_shot=basic)
    whole = fusion.score(parts)
    each = [fusion.score(parts.some(np.array([row])), WholeLog.of(parts))[0] for row in range(n)]
    np.testing.assert_allclose(each, whole)
