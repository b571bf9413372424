"""Labels of users, items and events through the command line: real logs, and what is wrong with labels."""

import csv
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.cli.command_line import assert_one_clear_message, inside, small_log
from tests.helpers.paths import CONFIGS, DATA

needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data"),
]
COLUMNS = ["score", "p_value", "flagged", "reason"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_labels(path: Path, key: str, labels: Mapping[str, int]) -> Path:
    lines = [f"{key},label", *(f"{name},{label}" for name, label in labels.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def halves(truth: Mapping[str, int], group: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """Labels to give and to hold back: half of the groups each."""
    names = sorted(set(group.values()))
    drawn = np.random.default_rng(0).permutation(len(names)) % 2 == 1
    given = {name for name, is_given in zip(names, drawn.tolist(), strict=True) if is_given}
    parts: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for name, label in truth.items():
        parts[group[name] not in given][name] = label
    return parts


def check_held_out(found: list[dict[str, str]], key: str, held: Mapping[str, int], least: float) -> None:
    assert list(found[0]) == [key, *COLUMNS]
    assert len({row[key] for row in found}) == len(found)
    scores = [float(row["score"]) for row in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= s <= 1 for s in scores)
    assert all(0 < float(row["p_value"]) <= 1 for row in found)
    of = {row[key]: float(row["score"]) for row in found}
    known = [name for name in held if name in of]
    assert len(known) > 0.9 * len(held)
    assert roc_auc_score([held[name] for name in known], [of[name] for name in known]) > least


def run(log: Path, config: str, labels: Path, out: Path, *more: str) -> None:
    done = inside("run", log, "--config", CONFIGS / f"{config}.toml", "--labels", labels, "--out", out, *more)
    assert done.returncode == 0, done.stderr


def card_payments(folder: Path) -> tuple[Path, dict[str, int], dict[str, str]]:
    """Sixty days of every twelfth customer of the card log: its file, the labels and the customers by payment."""
    log = folder / "payments.parquet"
    source = f"'{DATA}/card_handbook/transactions.parquet'"
    with duckdb.connect() as bench:
        bench.execute(
            f"COPY (SELECT * FROM {source} WHERE CUSTOMER_ID % 12 = 0 AND TX_DATETIME < "
            f"(SELECT min(TX_DATETIME) FROM {source}) + INTERVAL 60 DAY) TO '{log}'"
        )
        found = bench.execute(f"SELECT TRANSACTION_ID, TX_FRAUD, CUSTOMER_ID FROM '{log}'").fetchall()
    return log, {str(ix): fraud for ix, fraud, _ in found}, {str(ix): str(who) for ix, _, who in found}


class TestPayments:
    """Card payments: labels of payments, the customers of half of them held back."""

    pytestmark = needs_data

    def test_held_out_payments_are_ranked(self, tmp_path: Path) -> None:
        log, truth, customer = card_payments(tmp_path)
        given, held = halves(truth, customer)
        labels = write_labels(tmp_path / "l.csv", "event_id", given)
        run(log, "card_handbook", labels, tmp_path / "out", "--train", "never")
        found = rows(tmp_path / "out" / "event_scores.csv")
        assert {row["event_id"] for row in found} == set(truth)
        # Most frauds of this log are at terminals that were taken over: amounts and times are ordinary there, and only
        # labels of the terminal's past would tell. Those by amount are what can be found.
        check_held_out(found, "event_id", held, 0.6)
        flagged = [row["event_id"] for row in found if row["flagged"] == "true"]
        judged = [held[name] for name in flagged if name in held]
        assert len(judged) > 20
        assert np.mean(judged) > 0.8
        assert all("(typically " in row["reason"] for row in found if row["flagged"] == "true")


class TestShops:
    """Shopee: labels of shops; half of them are held back."""

    pytestmark = needs_data

    def test_held_out_shops_are_ranked(self, tmp_path: Path) -> None:
        verdicts = rows(DATA / "shopee_brushing" / "verdicts.csv")
        log = DATA / "shopee_brushing" / "orders.csv"
        shops = {row["shopid"] for row in rows(log)}
        truth = {row["shopid"]: int(row["userid"] != "0") for row in verdicts if row["shopid"] in shops}
        given, held = halves(truth, {shop: shop for shop in truth})
        run(log, "shopee_orders", write_labels(tmp_path / "l.csv", "item_id", given), tmp_path / "out")
        found = rows(tmp_path / "out" / "item_scores.csv")
        assert {row["item_id"] for row in found} == shops
        check_held_out(found, "item_id", held, 0.8)


class TestBuyers:
    """Shopee: labels of every second buyer, as named in the verdicts; half of them are held back."""

    pytestmark = needs_data

    def test_held_out_buyers_are_ranked(self, tmp_path: Path) -> None:
        verdicts = rows(DATA / "shopee_brushing" / "verdicts.csv")
        log = tmp_path / "orders.csv"
        with duckdb.connect() as bench:
            orders = f"read_csv('{DATA}/shopee_brushing/orders.csv', all_varchar = true)"
            bench.execute(f"COPY (SELECT * FROM {orders} WHERE userid::BIGINT % 2 = 0) TO '{log}'")
        bad = {user for row in verdicts for user in row["userid"].split("&")} - {"0"}
        truth = {row["userid"]: int(row["userid"] in bad) for row in rows(log)}
        given, held = halves(truth, {user: user for user in truth})
        labels = write_labels(tmp_path / "l.csv", "user_id", given | {"nobody": 1})
        done = inside(
            "run",
            log,
            "--config",
            CONFIGS / "shopee_orders.toml",
            "--labels",
            labels,
            "--out",
            tmp_path / "out",
        )
        assert done.returncode == 0, done.stderr
        assert "1 of" in done.stderr
        assert "name a user_id that is not in the log" in done.stderr
        of = {row["user_id"]: float(row["score"]) for row in rows(tmp_path / "out" / "suspects.csv")}
        assert set(of) == set(truth)
        assert roc_auc_score(list(held.values()), [of[name] for name in held]) > 0.65


def test_labels_do_without_rings_where_nothing_can_be_planted(tmp_path: Path) -> None:
    """There are three items, too few for any campaign; the bad accounts act within seconds."""
    rng = np.random.default_rng(0)
    bad = {f"u{user}": int(user % 6 == 0) for user in range(240)}
    lines = ["user,item,at"]
    for name, label in bad.items():
        begun = 1_600_000_000 + int(rng.integers(86_400))
        times = begun + np.cumsum(rng.integers(1, 4 if label else 7_200, 8))
        lines += [f"{name},i{rng.integers(3)},{at}" for at in times]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "c.toml").write_text(
        '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n[time]\nunit = "s"\n',
        encoding="utf-8",
    )
    given, held = halves(bad, {name: name for name in bad})
    words = ("run", tmp_path / "log.csv", "--config", tmp_path / "c.toml", "--out")
    without = inside(*words, tmp_path / "without")
    assert without.returncode == 0, without.stderr
    assert "too little to learn from" in without.stderr
    labels = write_labels(tmp_path / "l.csv", "user_id", given)
    done = inside(*words, tmp_path / "out", "--labels", labels)
    assert done.returncode == 0, done.stderr
    assert "rings are not judged, accounts only by their labels" in done.stderr
    assert rows(tmp_path / "out" / "rings.csv") == []
    of = {row["user_id"]: float(row["score"]) for row in rows(tmp_path / "out" / "suspects.csv")}
    assert roc_auc_score(list(held.values()), [of[name] for name in held]) > 0.8


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_log(tmp_path_factory.mktemp("labels") / "log.csv")


@pytest.mark.parametrize(
    ("key", "labels", "wanted"),
    [
        (
            "user_id",
            {"u0": 0, "u1": 0},
            ("all 2 labels of the log are clean (0)", "add some that are fraud (1)"),
        ),
        ("user_id", {"u0": 1, "u1": 1, "u2": 0}, ("only 2 users", "learning needs 5 frauds")),
        ("user_id", {"u0": 1, "u1": 1}, ("only 2 users", "learning needs 5 frauds")),
        ("user_id", {"x": 1, "y": 0}, ("no label is of a user_id in the log", "'x', 'y'")),
        ("event_id", {str(n): 0 for n in range(20)}, ("all 20 labels of the log are clean (0)",)),
        ("event_id", {"no": 0, "yes": 1}, ("no label is of a event_id in the log",)),
        ("event_id", {str(n): int(n < 4) for n in range(30)}, ("only 4 events", "fraud (1)", "10 of each")),
        ("item_id", {"i0": 1, "i1": 0}, ("only 1 items", "10 of each")),
        ("session_id", {"s0": 1, "s1": 0}, ("only 1 sessions", "10 of each")),
    ],
)
def test_labels_that_cannot_be_learned_exit_with_3(
    log: Path, tmp_path: Path, key: str, labels: dict[str, int], wanted: tuple[str, ...]
) -> None:
    path = write_labels(tmp_path / "l.csv", key, labels)
    done = inside("run", log, "--config", "simulated", "--labels", path, "--out", tmp_path / "out")
    assert_one_clear_message(done, 3, str(path), *wanted)


def test_labels_and_verbs_that_do_not_fit_exit_with_2(log: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "l.csv", "user_id", {"u0": 1, "u1": 0})
    words = ("run", log, "--config", "simulated", "--out", tmp_path / "out", "--model", tmp_path)
    assert_one_clear_message(inside(*words, "--labels", path), 2, "--model", "one of the two")
    url = f"duckdb:{tmp_path}/x.duckdb"
    assert inside("ingest", log, "--config", "simulated", "--store", url).returncode == 0
    done = inside("score", "--store", url, "--model", tmp_path, "--labels", path)
    assert_one_clear_message(done, 2, "graphdet train --labels")
