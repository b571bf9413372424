"""Models that labels train and that are kept: another log is scored without learning, and leaks are found."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from graphdet.errors import GraphdetError, InputError, UsageError
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.splits import TEST, SplitPlan
from graphdet.lab.leakage import audit_leakage, own_label_check
from graphdet.learn.labelled_model import kept_kinds, load_kept
from graphdet.learn.labelled_score import score_kept
from graphdet.learn.labelled_sheets import Sheet, event_sheet
from graphdet.learn.labelled_task import LabelTask, make_label_task
from graphdet.learn.labelled_train import LabelledTraining, train_labelled
from graphdet.logs.labels import read_labels
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.scores.trees import TreeSettings
from graphdet.store.duckdb import DuckDBStore
from graphdet.units import DAY_MS
from tests.helpers.labelled_files import labels_in, store_with
from tests.learn.test_labelled_pipeline import CONFIG, Line, some_log

FEW = TreeSettings(rounds=30)
PLAN = SplitPlan(delay_ms=DAY_MS // 2)


def store_of(folder: Path, lines: list[Line], config: str = CONFIG) -> DuckDBStore:
    text = "\n".join(["id,user,item,at,session,amount", *(",".join(map(str, line)) for line in lines)])
    return store_with(folder, "log.csv", text + "\n", config)


@pytest.mark.parametrize(
    "kind",
    ["event", pytest.param("session", marks=pytest.mark.slow), pytest.param("item", marks=pytest.mark.slow)],
)
def test_a_kept_model_scores_another_log_without_learning(tmp_path: Path, kind: str) -> None:
    place = {"event": 0, "session": 1, "item": 2}[kind]
    lines, *truths = some_log(1)
    one = store_of(tmp_path / "one", lines)
    plan = PLAN if kind == "event" else SplitPlan("group")
    given = read_labels(labels_in(tmp_path, f"{kind}_id", truths[place]))
    facts = train_labelled(one, given, tmp_path / "model", LabelledTraining(plan, settings=FEW))
    assert facts["test"]["auroc"][0] > 0.8
    again = train_labelled(one, given, tmp_path / "again", LabelledTraining(plan, settings=FEW))
    assert again == facts
    for file in (tmp_path / "model").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
        assert file.suffix in (".json", ".safetensors")
    one.close()
    assert kept_kinds(tmp_path / "model") == [kind]
    kept = load_kept(tmp_path / "model", kind)
    assert kept is not None
    others, *truths = some_log(7)
    two = store_of(tmp_path / "two", others)
    table, warnings = score_kept(two, kept, None, rule=FlagRule(0.2), progress=Silent())
    assert ("none are given" in " ".join(warnings)) == (kind == "event")
    two.close()
    truth, key = truths[place], f"{kind}_id"
    assert sorted(table[key].to_pylist()) == sorted(truth)
    assert roc_auc_score([truth[name] for name in table[key].to_pylist()], table["score"].to_numpy()) > 0.8


def test_a_row_that_was_learned_from_keeps_its_out_of_fold_score(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    given = read_labels(labels_in(tmp_path, "event_id", events))
    train_labelled(store, given, tmp_path, LabelledTraining(SplitPlan("none"), settings=FEW))
    kept = load_kept(tmp_path, "event")
    assert kept is not None
    sheet = event_sheet(store)
    fold, is_clean = kept.learned_folds(sheet)
    assert (fold >= 0).all()
    truth = np.array([events[name] for name in sheet.ids.to_pylist()])
    assert np.array_equal(is_clean, truth == 0)
    moved = replace(sheet, at_ms=sheet.at_ms + 1)  # the same ids of another log
    assert (kept.learned_folds(moved)[0] < 0).all()
    store.close()


def test_a_log_of_another_schema_is_refused(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    with_kind = [(*line[:5], line[5]) for line in lines]
    store = store_of(tmp_path / "one", with_kind)
    train_labelled(
        store,
        read_labels(labels_in(tmp_path, "event_id", events)),
        tmp_path,
        LabelledTraining(PLAN, settings=FEW),
    )
    store.close()
    kept = load_kept(tmp_path, "event")
    assert kept is not None
    poorer = store_of(tmp_path / "two", lines, CONFIG.replace('amount = "amount"\n', ""))
    with pytest.raises(InputError, match="another schema: here is nothing to make 'amount'"):
        score_kept(poorer, kept, None, rule=FlagRule(0.2), progress=Silent())
    poorer.close()


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    train_labelled(
        store,
        read_labels(labels_in(tmp_path, "event_id", events)),
        tmp_path,
        LabelledTraining(PLAN, settings=FEW),
    )
    store.close()
    path = tmp_path / "labelled_event.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"names": document["names"][1:]}))
    with pytest.raises(GraphdetError, match="is damaged"):
        load_kept(tmp_path, "event")
    path.write_text(json.dumps(document | {"format": 99}))
    with pytest.raises(GraphdetError, match="another format"):
        load_kept(tmp_path, "event")
    path.write_text("{")
    with pytest.raises(GraphdetError, match="is damaged"):
        load_kept(tmp_path, "event")


def test_splits_that_cannot_be_are_refused_with_words(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    given = read_labels(labels_in(tmp_path, "event_id", events))
    first = min(line[3] for line in lines)
    with pytest.raises(InputError, match=r"training part .* only 0 events labelled"):
        train_labelled(
            store, given, tmp_path, LabelledTraining(replace(PLAN, train_until_ms=first), settings=FEW)
        )
    with pytest.raises(UsageError, match="the test ends before it begins"):
        train_labelled(
            store, given, tmp_path, LabelledTraining(replace(PLAN, test_until_ms=first), settings=FEW)
        )
    late = replace(PLAN, train_until_ms=first + 3 * DAY_MS, test_until_ms=first + 5 * DAY_MS)
    told = train_labelled(store, given, tmp_path, LabelledTraining(late, settings=FEW))["warnings"]
    assert any("dated after the test part's end" in line for line in told)
    assert any("within the delay" in line for line in told)
    assert any("the same everywhere" in line and "quantity" in line for line in told)
    store.close()


class Future:
    """A feature that leaks: all events of the user, later ones too."""

    def matrix(self, store: Store, sheet: Sheet) -> tuple[tuple[str, ...], np.ndarray]:
        n = np.bincount(sheet.keys["user"])[sheet.keys["user"]]
        return ("user_events_ever",), n[:, None].astype(np.float32)


class Told(LabelTask):
    """A task whose features hold the row's own label."""

    def _joined(self, rows: np.ndarray, visible: np.ndarray) -> np.ndarray:
        return np.column_stack([super()._joined(rows, visible), self.y[rows]]).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["event", "session"])
def test_the_audit_passes_on_what_is_built_in(tmp_path: Path, kind: str) -> None:
    lines, events, sessions, _ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    given = read_labels(labels_in(tmp_path, f"{kind}_id", events if kind == "event" else sessions))
    checks = audit_leakage(store, given, plan=PLAN)
    assert [check.passed for check in checks] == [True] * 3, checks
    store.close()


@pytest.mark.slow
def test_a_feature_that_sees_the_future_fails_the_audit(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    given = read_labels(labels_in(tmp_path, "event_id", events))
    checks = audit_leakage(store, given, plan=PLAN, blocks=[Future()])
    assert not checks[0].passed
    assert "user_events_ever" in checks[0].numbers
    store.close()


def test_a_feature_that_holds_the_row_s_own_label_fails_the_audit(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    task = make_label_task(
        event_sheet(store), read_labels(labels_in(tmp_path, "event_id", events)), PLAN, 0, True
    )
    store.close()
    assert own_label_check(task, 0).passed
    told = Told(**vars(task))
    failed = own_label_check(told, 0)
    assert not failed.passed
    assert "5 of their own" in failed.numbers


def test_test_labels_that_are_not_known_yet_reach_no_feature(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    store = store_of(tmp_path / "one", lines)
    sheet = event_sheet(store)
    store.close()
    random_split = make_label_task(
        sheet, read_labels(labels_in(tmp_path, "event_id", events)), SplitPlan("random"), 0, True
    )
    rows, test = np.arange(len(sheet.ids)), random_split.part == TEST
    turned = np.where(test, 1 - random_split.y, random_split.y).astype(np.int8)
    same = replace(random_split, y=turned).scored(rows)
    assert np.array_equal(random_split.scored(rows), same, equal_nan=True)
    in_time = make_label_task(sheet, read_labels(labels_in(tmp_path, "event_id", events)), PLAN, 0, True)
    late = sheet.at_ms >= np.quantile(sheet.at_ms, 0.9)
    turned = np.where(late, 1 - in_time.y, in_time.y).astype(np.int8)
    known = sheet.at_ms <= sheet.at_ms[late].min() + in_time.delay_ms
    same = replace(in_time, y=turned).scored(rows[known])
    assert np.array_equal(in_time.scored(rows[known]), same, equal_nan=True)


def test_a_store_is_only_read(tmp_path: Path) -> None:
    """Sheets are made of a log without leaving anything behind."""
    lines, *_ = some_log(2)
    store = store_of(tmp_path / "one", random.Random(0).sample(lines, len(lines)))
    assert isinstance(event_sheet(store).ids, pa.StringArray)
    assert store.labelled() == {}
    store.close()
