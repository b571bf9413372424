"""Trees for labels of users: out of fold, kept in files, and honest about labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from graphdet.errors import GraphdetError, InputError
from graphdet.features.relations import NamedColumns, Relations
from graphdet.learn.scorers import USER_TREES
from graphdet.learn.train_settings import TrainSettings
from graphdet.learn.user_learning import choose
from graphdet.learn.user_told import FINER, Told, finer, hidden_frauds
from graphdet.learn.user_trees import UserColumns, UserTrees, fit_user_trees, load_user_trees, text_columns
from graphdet.scores.fused import ScoreParts
from graphdet.scores.labelled_fusion import Evidence
from graphdet.scores.trees import TreeSettings
from graphdet.store.duckdb import DuckDBStore

SMALL = TreeSettings(rounds=20)


def log(n: int = 240, seed: int = 0, rings: int = 6) -> tuple[UserColumns, NDArray[np.int8]]:
    """Frauds act more, and in rings of ten; a third of the columns says it."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, np.int8)
    y[: rings * 10] = 1
    own = rng.normal(0, 1, (n, 3))
    own[:, 0] += 1.2 * y
    ends = [
        (a, b) for r in range(rings) for a in range(r * 10, r * 10 + 10) for b in range(a + 1, r * 10 + 10)
    ]
    edges = np.array([*ends, *rng.integers(0, n, (n, 2)).tolist()]).T
    ids = pa.array([f"u{place}" for place in range(n)])
    columns = NamedColumns(("acts", "b", "c"), own.astype(np.float32))
    return UserColumns(ids, columns, Relations.from_edges(n, {"together": edges})), y


def folds(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) % 4


def test_trees_rank_users_they_have_not_seen_and_are_kept(tmp_path: Path) -> None:
    given, y = log()
    told = np.where(np.arange(len(y)) % 3 == 0, -1, y)
    trees, out_of_fold = fit_user_trees(given, told, folds(len(y)), told, SMALL)
    known = told >= 0
    assert roc_auc_score(y[known], out_of_fold[known]) > 0.8
    assert roc_auc_score(y[~known], trees.logits(given)[~known]) > 0.8
    # The users learned from are judged as they were out of fold.
    np.testing.assert_allclose(trees.logits(given)[known], out_of_fold[known])
    trees.save(tmp_path)
    again = load_user_trees(tmp_path)
    np.testing.assert_array_equal(again.logits(given), trees.logits(given))
    assert "together_share1" in trees.strongest()
    fewer = replace(given, columns=NamedColumns(("acts", "b"), given.columns.values[:, :2]))
    with pytest.raises(InputError, match="differ in c"):
        again.logits(fewer)
    (tmp_path / USER_TREES).write_text('{"format": 1, "names": ["x"], "members": ["tree\\nnothing"]}')
    with pytest.raises(GraphdetError, match="train again"):
        load_user_trees(tmp_path)


def test_no_label_reaches_its_own_user() -> None:
    given, y = log()
    told = np.where(np.arange(len(y)) % 3 == 0, -1, y)
    fold = folds(len(y))
    before = fit_user_trees(given, told, fold, told, SMALL)[1]
    turned = np.where((fold == 1) & (told >= 0), 1 - told, told)
    after = fit_user_trees(given, turned, fold, turned, SMALL)[1]
    mine = (fold == 1) & (told >= 0)
    np.testing.assert_array_equal(before[mine], after[mine])
    assert (before != after).any()


def test_another_log_has_other_users() -> None:
    given, y = log()
    trees, _ = fit_user_trees(given, y, folds(len(y)), y, SMALL)
    other, truth = log(seed=1)
    other = replace(other, ids=pa.array([f"v{place}" for place in range(len(truth))]))
    assert (trees.known.found_in(given.ids)[0] == y).all()
    assert (trees.known.found_in(other.ids)[0] == -1).all()
    assert (trees.fold_of(other.ids) == -1).all()
    assert roc_auc_score(truth, trees.logits(other)) > 0.65


def test_one_kind_of_label_outside_a_fold_is_told() -> None:
    given, y = log()
    fold = np.where(y == 1, 0, 1)
    with pytest.raises(InputError, match="outside each fold"):
        fit_user_trees(given, y, fold, y, SMALL)


def test_finer_folds_keep_folds_and_groups() -> None:
    rng = np.random.default_rng(0)
    y = np.zeros(300, np.int64)
    y[:40] = 1
    group = np.where(y == 1, np.arange(300) // 4, -1)
    fold = np.where(group >= 0, group % 2, rng.integers(0, 2, 300))
    fine = finer(fold, y, group, 2, seed=0)
    np.testing.assert_array_equal(fine % 2, fold)
    assert set(fine.tolist()) == set(range(2 * FINER))
    for each in range(10):
        assert len(set(fine[group == each].tolist())) == 1


def test_half_of_the_frauds_unlabelled() -> None:
    given, y = log(n=1_200, rings=12)
    rng = np.random.default_rng(1)
    frauds = rng.permutation(np.flatnonzero(y == 1))
    told = np.full(len(y), -1, np.int8)
    told[frauds[: len(frauds) // 2]] = 1
    said = Told(told, np.where(told == 1, np.arange(len(y)), -1).astype(np.int32))
    assert said.frauds_alone
    found = hidden_frauds(given, said, TrainSettings(trees=SMALL), seed=0)
    # Where frauds and others overlap the estimate is too high, never far too low.
    assert 0.7 * y.mean() < found.share < 3 * y.mean()
    out = found.left_out
    assert (found.y[out] == -1).all()
    # Who is left out is far more often a fraud than the rest of the unlabelled.
    assert y[out].mean() > 4 * y[(told < 0) & ~out].mean()
    everyone = Told(np.ones(len(y), np.int8), np.arange(len(y), dtype=np.int32))
    with pytest.raises(InputError, match="nobody to tell them from"):
        hidden_frauds(given, everyone, TrainSettings(trees=SMALL), seed=0)


@pytest.mark.parametrize(("by", "wanted"), [("trees", "trees"), ("gnn", "gnn"), ("both", "fusion")])
def test_what_ranks_best_is_used(by: str, wanted: str) -> None:
    rng = np.random.default_rng(3)
    n = 1_500
    y = (rng.random(n) < 0.2).astype(np.int8)
    fold = np.arange(n) % 2
    good, noise = rng.normal(2.0 * y, 1), rng.normal(0, 1, n)
    # A part that misleads: in one fold it speaks for fraud, in the other against it, and the fusion follows it.
    misled = np.where(fold == 0, 4.0, -4.0) * (y - 0.5) + noise
    gnn, trees = {
        "trees": (misled, good), "gnn": (good, misled), "both": (good, rng.normal(2.0 * y, 1))
    }[by]  # fmt: skip
    parts = ScoreParts(gnn, rng.random(n), rng.random(n), np.zeros(n), trees)
    told = Told(y, np.where(y == 1, np.arange(n), -1).astype(np.int32))
    fusion, facts = choose(parts, Evidence(y), told, fold, None, few=False, seed=0)
    assert facts["chosen"] == wanted
    figures = {name: found["average_precision"][0] for name, found in facts["out_of_fold"].items()}
    assert set(figures) == {"fusion", "trees", "gnn"}
    if wanted != "fusion":
        assert figures[wanted] == max(figures.values())
        used = [name for name, weight in zip(fusion.names, fusion.weights, strict=True) if weight > 0]
        assert used == [wanted]


def test_texts_are_columns_where_there_are_any(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "log.duckdb")
    said = [("u0", "win a prize at x.com"), ("u1", None), ("u0", "win a prize at y.com"), ("u2", "nice film")]
    with store.bench.borrow() as connection:
        for row, (user, text) in enumerate(said):
            connection.execute(
                "INSERT INTO event_log (event_row, user_id, item_id, session_id, action, at_ms, text, source_ix)"
                " VALUES (?, ?, 'i', ?, 'view', ?, ?, 0)",
                (row, user, f"s{row}", row, text),
            )
    found = text_columns(store, pa.array(["u0", "u1", "u2"]))
    assert found is not None
    values = dict(zip(found.names, found.values.T.tolist(), strict=True))
    np.testing.assert_array_equal(values["text: texts"], [2, np.nan, 1])
    np.testing.assert_array_equal(values["text: text_templates"], [0.5, np.nan, 1])  # one wording, two links
    with store.bench.borrow() as connection:
        connection.execute("UPDATE event_log SET text = NULL")
    assert text_columns(store, pa.array(["u0", "u1", "u2"])) is None
    store.close()


def test_damaged_labels_are_told(tmp_path: Path) -> None:
    given, y = log()
    trees, _ = fit_user_trees(given, y, folds(len(y)), y, SMALL)
    UserTrees(("only one",), trees.members, trees.known).save(tmp_path)
    with pytest.raises(GraphdetError, match="not those of the trees"):
        load_user_trees(tmp_path)
