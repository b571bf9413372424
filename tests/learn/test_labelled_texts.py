"""Texts of events and items in what labels teach: learned where only words tell, kept, and without a leak."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from graphdet.errors import GraphdetError, InputError
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.splits import SplitPlan
from graphdet.lab.leakage import audit_leakage, own_label_check
from graphdet.learn.labelled import check_against
from graphdet.learn.labelled_blocks import full_sheet
from graphdet.learn.labelled_model import load_kept
from graphdet.learn.labelled_score import score_kept
from graphdet.learn.labelled_task import make_label_task
from graphdet.learn.labelled_train import LabelledTraining, train_labelled
from graphdet.logs.labels import read_labels
from graphdet.progress import Silent
from graphdet.scores.text_folds import ReadTexts, TextModels
from graphdet.scores.trees import TreeSettings
from graphdet.store.duckdb import DuckDBStore
from graphdet.units import DAY_MS
from tests.helpers.labelled_files import labels_in, store_with

FEW = TreeSettings(rounds=30)
PLAN = SplitPlan(delay_ms=DAY_MS // 2)
START, HOUR = 1_600_000_000_000, 3_600_000
PLAIN = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
event_id = "id"
[time]
unit = "ms"
"""
CONFIG = PLAIN.replace("[time]", 'text = "text"\n[time]')
WORDS = [
    "song",
    "video",
    "love",
    "great",
    "listen",
    "music",
    "best",
    "summer",
    "album",
    "friend",
    "watch",
    "never",
]


def comments(seed: int, n_users: int = 100) -> tuple[list[dict[str, object]], dict[str, int]]:
    """Everybody comments alike; one comment in four is a template of spam, and nothing but its text tells."""
    draw = random.Random(seed)
    rows: list[dict[str, object]] = []
    labels: dict[str, int] = {}
    for user in range(n_users):
        for _ in range(4):
            name, is_spam = f"e{seed}-{len(rows)}", draw.random() < 0.25
            text = " ".join(draw.choices(WORDS, k=9))
            if is_spam:
                one, two, three = draw.choices(WORDS, k=3)
                text = f"{one} win a prize at the shop {two} free for {three}"
            at = START + draw.randrange(240) * HOUR + draw.randrange(HOUR)
            item = f"i{draw.randrange(12)}"
            rows.append({"id": name, "user": f"u{user}", "item": item, "at": at, "text": text})
            labels[name] = int(is_spam)
    return rows, labels


def store_of(folder: Path, rows: list[dict[str, object]], config: str = CONFIG) -> DuckDBStore:
    return store_with(folder, "log.jsonl", "".join(json.dumps(row) + "\n" for row in rows), config)


@pytest.mark.slow
def test_spam_that_only_its_words_tell_is_learned_kept_and_found_in_another_log(tmp_path: Path) -> None:
    rows, labels = comments(1)
    given = read_labels(labels_in(tmp_path, "event_id", labels))
    blind = store_of(tmp_path / "blind", rows, PLAIN)
    without = train_labelled(blind, given, tmp_path / "m0", LabelledTraining(PLAN, settings=FEW))
    blind.close()
    store = store_of(tmp_path / "one", rows)
    facts = train_labelled(store, given, tmp_path / "m1", LabelledTraining(PLAN, settings=FEW))
    again = train_labelled(store, given, tmp_path / "m2", LabelledTraining(PLAN, settings=FEW))
    store.close()
    assert without["test"]["auroc"][0] < 0.7
    assert without["blocks"] == []
    assert facts["test"]["auroc"][0] > 0.95
    assert facts["blocks"] == ["texts"]
    assert facts == again
    for file in (tmp_path / "m1").iterdir():
        assert file.suffix in (".json", ".safetensors")
        assert file.read_bytes() == (tmp_path / "m2" / file.name).read_bytes()
        assert b"prize" not in file.read_bytes()  # a kept model holds no word of a user
    kept = load_kept(tmp_path / "m1", "event")
    assert kept is not None
    others, truth = comments(2)
    two = store_of(tmp_path / "two", others)
    table, _ = score_kept(two, kept, None, rule=FlagRule(0.2), progress=Silent())
    two.close()
    assert (
        roc_auc_score([truth[name] for name in table["event_id"].to_pylist()], table["score"].to_numpy())
        > 0.95
    )
    poorer = store_of(tmp_path / "three", others, PLAIN)
    with pytest.raises(InputError, match="another schema"):
        score_kept(poorer, kept, None, rule=FlagRule(0.2), progress=Silent())
    poorer.close()


def test_a_label_turned_over_moves_no_score_of_its_own_and_no_text_of_a_test_row_is_learned(
    tmp_path: Path,
) -> None:
    rows, labels = comments(1, 60)
    store = store_of(tmp_path / "one", rows)
    given, _ = check_against(store, read_labels(labels_in(tmp_path, "event_id", labels)))
    sheet, _ = full_sheet(store, "event", None)
    store.close()
    task = make_label_task(sheet, given, PLAN, 0, True)
    assert own_label_check(task, 0).passed
    learned, texts = task.learned, task.sheet.texts
    assert texts is not None
    odd = [
        "zyxwv " * 5 if own else text for own, text in zip((~learned).tolist(), texts.documents, strict=True)
    ]
    moved = make_label_task(replace(sheet, texts=replace(texts, documents=odd)), given, PLAN, 0, True)
    assert np.array_equal(task.text_fit.models.ngrams.rarity, moved.text_fit.models.ngrams.rarity)
    assert np.array_equal(task.text_fit.models.weight, moved.text_fit.models.weight)


def test_the_models_of_a_pair_of_folds_have_seen_neither() -> None:
    texts = [f"word{fold}a word{fold}b" for fold in range(4) for _ in range(4)]
    fold, y = np.repeat(np.arange(4), 4), np.tile(np.array([1, 1, 0, 1], np.int8), 4)
    usual = ReadTexts(texts).fit(y, fold, 0)
    for k in range(4):
        turned = np.where(fold == k, 1 - y, y).astype(np.int8)
        other = ReadTexts(texts).fit(turned, fold, 0)
        assert np.array_equal(usual.inner[:, k], other.inner[:, k])
        assert np.array_equal(usual.inner[fold == k], other.inner[fold == k])
        assert not np.array_equal(usual.inner, other.inner)


def test_any_script_no_text_and_an_absurdly_long_one_are_learned_from_and_scored() -> None:
    spam = [
        "купи дешево сейчас",
        "今すぐ無料で登録",
        "اربح جائزة مجانية",
        "buy\u200b now \ud800",
        "win " * 25_000,
    ]
    fine = ["какая песня", "この曲が好き", "أغنية جميلة", "🔥🔥", "a" * 100_000]
    texts = [*spam, *fine, None, ""] * 5
    y = np.array([*[1] * 5, *[0] * 5, 0, 0] * 5, np.int8)
    fold = np.repeat(np.arange(5), 12)
    fitted = ReadTexts(texts).fit(y, fold, 0)
    own = fitted.inner[np.arange(60), fold]
    missing = np.array([text is None for text in texts])
    assert np.array_equal(np.isnan(own), missing)
    assert roc_auc_score(y[~missing], own[~missing]) > 0.99
    models = fitted.models
    kept = TextModels.of(json.loads(json.dumps(models.settings())), models.arrays())
    new = np.full(60, -1)
    assert np.array_equal(kept.margins(texts, new), models.margins(texts, new), equal_nan=True)
    assert np.array_equal(models.margins(texts, fold), own, equal_nan=True)


def test_labels_of_one_kind_outside_two_folds_teach_texts_nothing() -> None:
    fitted = ReadTexts(["a b", "c d", "e f"]).fit(np.array([1, 0, 0], np.int8), np.array([0, 1, 2]), 0)
    assert np.array_equal(fitted.inner[0], [0.0, 0.0, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["event", "item"])
def test_the_audit_passes_with_texts_and_the_scan_of_items(tmp_path: Path, kind: str) -> None:
    rows, labels = comments(1)
    if kind == "item":
        for place, row in enumerate(rows):
            row["item"] = f"i{place % 60}"
            row["at"] = START + (place % 60) * 4 * HOUR + (place // 60) * HOUR
            row["text"] = f"win a prize {place}" if place % 3 == 0 else row["text"]
        labels = {f"i{n}": int(n % 3 == 0) for n in range(60)}
    store = store_of(tmp_path / "one", rows)
    given = read_labels(labels_in(tmp_path, f"{kind}_id", labels))
    checks = audit_leakage(store, given, plan=PLAN)
    assert [check.passed for check in checks] == [True] * 3, checks
    store.close()


@pytest.mark.slow
def test_labels_of_items_are_learned_with_their_texts_and_the_scan(tmp_path: Path) -> None:
    rows, _ = comments(3)
    for place, row in enumerate(rows):
        row["item"] = f"i{place % 60}"
        row["text"] = f"win a prize {place}" if place % 60 < 20 else row["text"]
    labels = {f"i{n}": int(n < 20) for n in range(60)}
    store = store_of(tmp_path / "one", rows)
    given = read_labels(labels_in(tmp_path, "item_id", labels))
    facts = train_labelled(store, given, tmp_path / "m", LabelledTraining(SplitPlan("group"), settings=FEW))
    assert facts["blocks"] == ["texts", "item_scan"]
    assert facts["out_of_fold"]["auroc"][0] > 0.95
    kept = load_kept(tmp_path / "m", "item")
    assert kept is not None
    table, _ = score_kept(store, kept, None, rule=FlagRule(0.2), progress=Silent())
    assert table.num_rows == 60
    # A model of before blocks were kept: it names none, and reads its own columns.
    path = tmp_path / "m" / "labelled_item.json"
    train_labelled(
        store, given, tmp_path / "m", LabelledTraining(SplitPlan("group"), settings=FEW, blocks=())
    )
    document = json.loads(path.read_text())
    with_texts = document.pop("texts")
    assert document.pop("blocks") == []
    assert with_texts is not None  # words are learned wherever there are some, blocks or not
    old = {name: value for name, value in document.items() if name != "texts"} | {"texts": with_texts}
    path.write_text(json.dumps(old))
    kept = load_kept(tmp_path / "m", "item")
    assert kept is not None
    assert score_kept(store, kept, None, rule=FlagRule(0.2), progress=Silent())[0].num_rows == 60
    path.write_text(json.dumps(document | {"texts": with_texts, "blocks": ["of tomorrow"]}))
    kept = load_kept(tmp_path / "m", "item")
    assert kept is not None
    with pytest.raises(GraphdetError, match="features that this version lacks"):
        score_kept(store, kept, None, rule=FlagRule(0.2), progress=Silent())
    store.close()
