"""Labels of events, items and sessions over a real store: every one scored once, whatever the order of the log."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from graphdet import schema
from graphdet.config import load_config
from graphdet.errors import InputError
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.graph.encode import encode
from graphdet.learn.labelled import check_against
from graphdet.learn.labelled_score import score_labelled
from graphdet.logs.labels import read_labels
from graphdet.progress import Silent
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.ingest import ingest
from tests.helpers.paths import CONFIGS, DATA

CONFIG = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
session_id = "session"
event_id = "id"
amount = "amount"
[time]
unit = "ms"
"""
START, HOUR = 1_600_000_000_000, 3_600_000
Line = tuple[str, str, str, int, str, float]


def some_log(seed: int) -> tuple[list[Line], dict[str, int], dict[str, int], dict[str, int]]:
    """Sixty users; one in four sessions is a burst of large amounts on odd items: (lines, labels by kind)."""
    draw = random.Random(seed)
    lines: list[Line] = []
    events, sessions, items = {}, {}, {}
    for user in range(60):
        for visit in range(4):
            is_bad = draw.random() < 0.25
            session, at = f"s{user}-{visit}", START + (visit * 50 + draw.randrange(40)) * HOUR
            sessions[session] = int(is_bad)
            for _ in range(draw.randrange(2, 6)):
                at += draw.randrange(1, 5) * 1000 if is_bad else draw.randrange(60, 900) * 1000
                item = f"odd{draw.randrange(20)}" if is_bad else f"i{draw.randrange(30)}"
                name = f"e{len(lines)}"
                events[name], items[item] = int(is_bad), int(is_bad)
                lines.append((name, f"u{user}", item, at, session, draw.gauss(90 if is_bad else 20, 5)))
    return lines, events, sessions, items


def scored(folder: Path, lines: list[Line], key: str, labels: dict[str, int]) -> tuple[pa.Table, list[str]]:
    """Ingest, check the labels, score; users all have one score, so that only behaviour tells."""
    folder.mkdir()
    (folder / "c.toml").write_text(CONFIG)
    text = "\n".join(["id,user,item,at,session,amount", *(",".join(map(str, line)) for line in lines)])
    (folder / "log.csv").write_text(text + "\n")
    given = "\n".join([f"{key},label", *(f"{name},{label}" for name, label in labels.items())])
    (folder / "l.csv").write_text(given + "\n")
    store = DuckDBStore(folder / "x.duckdb")
    try:
        ingest(store, [folder / "log.csv"], load_config(folder / "c.toml"))
        checked, warnings = check_against(store, read_labels(folder / "l.csv"))
        graph = encode(store.interactions(), store.entities())
        users = pa.table({"user_id": graph.user_ids, "score": np.full(graph.n_users, 0.1)})
        found = score_labelled(store, graph, users, checked, rule=FlagRule(0.2), seed=0, progress=Silent())
        store.write_labelled({key.removesuffix("_id"): found})
        assert store.labelled()[key.removesuffix("_id")].num_rows == found.num_rows
    finally:
        store.close()
    return found, warnings


@pytest.mark.parametrize("key", ["event_id", "session_id", "item_id"])
@pytest.mark.slow
def test_everything_is_scored_once_and_in_any_order(tmp_path: Path, key: str) -> None:
    lines, *truths = some_log(1)
    truth = dict(zip(("event_id", "session_id", "item_id"), truths, strict=True))[key]
    names = sorted(truth)
    given = {name: truth[name] for name in random.Random(2).sample(names, len(names) * 2 // 3)}
    found, warnings = scored(tmp_path / "one", lines, key, given | {"nothing": 1})
    assert found.column_names == [key, *schema.LABELLED_COLUMNS]
    assert sorted(found[key].to_pylist()) == names
    assert len(warnings) == 1
    assert "1 of" in warnings[0]
    of = dict(zip(found[key].to_pylist(), found["score"].to_pylist(), strict=True))
    for part in (given, set(names) - set(given)):
        assert roc_auc_score([truth[name] for name in part], [of[name] for name in part]) > 0.85
    shuffled = random.Random(3).sample(lines, len(lines))
    again, _ = scored(tmp_path / "two", shuffled, key, given | {"nothing": 1})
    assert again.equals(found)


def test_an_id_of_several_events_is_left_out_with_a_warning(tmp_path: Path) -> None:
    lines, events, *_ = some_log(1)
    twice = [*lines, ("e0", "u59", "i1", START + 900 * HOUR, "late", 20.0)]
    found, warnings = scored(tmp_path / "one", twice, "event_id", events)
    assert found.num_rows == len(twice)
    assert any("1 labels name a event_id that several events" in warning for warning in warnings)


def test_frauds_of_one_user_alone_cannot_be_checked(tmp_path: Path) -> None:
    lines, *_ = some_log(1)
    labels = {name: int(user == "u3") for name, user, *_ in lines}
    assert sum(labels.values()) >= 10
    with pytest.raises(InputError, match="of one user, so nothing can be checked on another"):
        scored(tmp_path / "one", lines, "event_id", labels)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_held_out_payments_of_a_real_benchmark_are_ranked(tmp_path: Path) -> None:
    """S-FFSD has no crowd in which to look for rings, but its payments can be learned: payers are held back."""
    log = DATA / "sffsd" / "transactions.csv"
    payments = [line.split(",") for line in log.read_text().splitlines()[1:]]
    truth = {ix: int(row[6]) for ix, row in enumerate(payments) if row[6] != "2"}
    payers = sorted({row[1] for row in payments})
    held = set(random.Random(0).sample(payers, len(payers) // 2))
    given = [f"{ix},{label}" for ix, label in truth.items() if payments[ix][1] not in held]
    (tmp_path / "l.csv").write_text("\n".join(["event_id,label", *given]) + "\n")
    store = DuckDBStore(tmp_path / "x.duckdb")
    ingest(store, [log], load_config(CONFIGS / "sffsd.toml"))
    labels, _ = check_against(store, read_labels(tmp_path / "l.csv"))
    graph = encode(store.interactions())
    users = pa.table({"user_id": graph.user_ids, "score": np.full(graph.n_users, 0.1)})
    found = score_labelled(store, graph, users, labels, rule=FlagRule(0.05), seed=0, progress=Silent())
    store.close()
    of = dict(zip(found["event_id"].to_pylist(), found["score"].to_pylist(), strict=True))
    assert len(of) == found.num_rows
    asked = [ix for ix in truth if payments[ix][1] in held and str(ix) in of]
    assert len(asked) > 10_000
    assert roc_auc_score([truth[ix] for ix in asked], [of[str(ix)] for ix in asked]) > 0.8
