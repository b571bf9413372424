"""graphdet eda on small logs: right numbers, the same bytes, and clear words where there is nothing to draw."""

import csv
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from graphdet.config import Columns, Config, load_config, parse_config
from graphdet.errors import InputError
from graphdet.reports.eda import story
from graphdet.reports.eda.page import eda_page
from graphdet.verbs.eda import eda
from tests.helpers.paths import DATA

pytestmark = pytest.mark.slow

START = 1_506_902_400_000  # Monday 2017-10-02, 00:00 UTC
HOUR = 3_600_000
CONFIG = {
    "columns": {
        "user_id": "user",
        "item_id": "item",
        "timestamp": "at",
        "session_id": "session",
        "amount": "amount",
        "quantity": "quantity",
        "text": "text",
    },
    "time": {"unit": "ms"},
    "attributes": {"country": "country", "nothing": "nothing"},
}
SETTINGS = parse_config(CONFIG, name="small", where="small.toml")
COLUMNS = ("user", "item", "session", "at", "amount", "quantity", "text", "country", "nothing")
SCHEMA = json.loads(
    (resources.files("graphdet.reports") / "schemas" / "eda-1.schema.json").read_text(encoding="utf-8")
)


def write(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def ordinary(n: int = 3000, seed: int = 0) -> list[tuple[Any, ...]]:
    """Events of 150 users on 60 items within ten days; country moves in the second half."""
    rng = np.random.default_rng(seed)
    user = np.minimum(rng.zipf(1.6, n), 150)
    at = START + np.sort(rng.integers(0, 240 * HOUR, n))
    return [
        (f"u{u}", f"i{i}", f"s{u}-{t // (6 * HOUR)}", t, round(float(a), 2), "", f"text {k % 900}",
         "FR" if t > START + 120 * HOUR and k % 2 else "BR", "")
        for k, (u, i, t, a) in enumerate(
            zip(user.tolist(), rng.integers(0, 60, n).tolist(), at.tolist(), rng.lognormal(2, 1, n), strict=True)
        )
    ]  # fmt: skip


def look(folder: Path, rows: list[tuple[Any, ...]], **more: Any) -> tuple[dict[str, Any], str]:
    """Look at rows, and check what holds of every look: the schema, and a page that is whole."""
    log = write(folder / "log.csv", rows)
    document = eda([log], SETTINGS, folder / "out", **more)
    Draft202012Validator(SCHEMA).validate(json.loads((folder / "out/eda.json").read_text(encoding="utf-8")))
    page = (folder / "out/eda.html").read_text(encoding="utf-8")
    assert_whole(page)
    return document, page


def assert_whole(page: str) -> None:
    assert page.rstrip().endswith("</html>")
    assert "default-src 'none'" in page[:600]
    body = re.sub(r"<(style|script|pre)>.*?</\1>", "", page, flags=re.S)
    body = re.sub(r'<td class="end-value">.*?</td>', "", body)  # the log's own values
    assert not re.search(r"\b(nan|inf|None|Undefined)\b", body)
    assert not re.search(r'(?:x|y|cx|cy|width|height|d|r)="[^"]*(?:nan|inf)', body)
    assert not re.search(r'(?:width|height)="-', body)


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    folder = tmp_path_factory.mktemp("ordinary")
    return *look(folder, ordinary()), folder


def test_counts_are_those_of_the_rows(looked: tuple[dict[str, Any], str, Path]) -> None:
    document = looked[0]
    rows = ordinary()
    counts = document["counts"]
    assert counts["events"] == len(rows)
    assert counts["users"] == len({row[0] for row in rows})
    assert counts["items"] == len({row[1] for row in rows})
    assert counts["sessions"] == len({row[2] for row in rows})
    week = np.zeros((7, 24), int)
    for row in rows:
        hours = (row[3] - START) // HOUR
        week[hours // 24 % 7, hours % 24] += 1
    assert document["time"]["by_weekday_and_hour"] == week.tolist()
    amounts = np.array([row[4] for row in rows])
    amount = next(one for one in document["distributions"] if one["name"] == "amount")
    assert amount["quantiles"]["0.5"] == pytest.approx(np.median(amounts))
    assert amount["quantiles"]["0.99"] == pytest.approx(np.quantile(amounts, 0.99))
    assert sum(n for _, n in amount["log_bins"]) == len(rows)
    low, n = amount["log_bins"][5]
    assert n == ((amounts >= 10 ** (low / 5)) & (amounts < 10 ** ((low + 1) / 5))).sum()
    per_user = np.unique([row[0] for row in rows], return_counts=True)[1]
    tail = next(one for one in document["tails"] if one["of"] == "user")
    assert tail["most"] == per_user.max()
    assert dict(map(tuple, tail["ccdf"]))[1] == 1
    assert document["repeats"]["user_item_again"] == len(rows) - len({row[:2] for row in rows})
    texts = document["repeats"]["texts"]
    assert texts["n_shared_texts"] == 900
    missing = {row["column"]: row["n_missing"] for row in document["columns"]}
    assert missing["nothing"] == missing["quantity"] == len(rows)
    assert missing["user"] == 0
    assert next(row["high"] for row in document["columns"] if row["column"] == "at") == str(
        max(row[3] for row in rows)
    )
    distinct = {row["column"]: row["n_distinct"] for row in document["columns"]}
    assert (distinct["user"], distinct["nothing"], distinct["text"]) == (counts["users"], 0, 900)


def test_the_country_that_moved_is_named(looked: tuple[dict[str, Any], str, Path]) -> None:
    document, page, _ = looked
    rows = {row["name"]: row for row in document["drift"]["rows"]}
    assert document["drift"]["width_s"] == 86_400
    assert max(rows["country"]["psi"]) > 0.25
    assert np.argmax(rows["country"]["psi"]) == 4  # from the fifth day to the sixth
    assert "country" in page
    assert "another population" in page


def test_the_same_log_gives_the_same_bytes(looked: tuple[dict[str, Any], str, Path], tmp_path: Path) -> None:
    folder = looked[2]
    eda([folder / "log.csv"], SETTINGS, tmp_path)
    for name in ("eda.html", "columns.csv", "outliers.csv", "drift.csv", "rejects.csv"):
        assert (tmp_path / name).read_bytes() == (folder / "out" / name).read_bytes(), name
    one, other = (json.loads((path / "eda.json").read_text()) for path in (tmp_path, folder / "out"))
    assert one.pop("run") != {}
    other.pop("run")
    assert one == other


def test_a_page_can_be_made_again_from_its_numbers(looked: tuple[dict[str, Any], str, Path]) -> None:
    document, page, folder = looked
    assert eda_page(json.loads((folder / "out/eda.json").read_text(encoding="utf-8"))) == page
    assert story.eda_findings(document) == document["findings"]


def event(user: int, item: int, at: int, amount: object = "") -> tuple[Any, ...]:
    return (f"u{user}", f"i{item}", f"s{user}", START + at, amount, "", "", "", "")


SMALL: dict[str, tuple[list[tuple[Any, ...]], tuple[str, ...]]] = {
    "one event": ([event(0, 0, 0)], ("1 event of 1 user on 1 item", "All events lie within one second")),
    "one user": (
        [event(0, k % 7, k * 60_000) for k in range(40)],
        ("The log has only 1 user; this takes 20 or more", "not two periods"),
    ),
    "one item": (
        [event(k % 30, 0, k * 60_000) for k in range(90)],
        ("The log has only 1 item; this takes 20 or more",),
    ),
    "one second": (
        [event(k % 30, k % 11, k % 1000) for k in range(150)],
        ("All events lie within one second", "not two periods"),
    ),
    "one moment": ([event(k % 30, k % 11, 0) for k in range(300)], ("All events lie within one second",)),
    "all alike": (
        [event(u, i, i * 500, 5) for u in range(40) for i in range(25)],
        ("All users behave exactly alike", "Amount: always 5", "no event has a value"),
    ),
    "absurd amounts": (
        [event(k % 25, k % 7, k * HOUR, a) for k, a in enumerate([1e300, -1e300, 0, 1e-300, 5, "inf", "nan", "x"] * 9)],
        ("amount is no finite number", "ingest and run would refuse this log", "negative"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small_logs_get_words_instead_of_pictures(name: str, tmp_path: Path) -> None:
    rows, wanted = SMALL[name]
    _, page = look(tmp_path, rows)
    for text in wanted:
        assert text in page


def test_no_usable_row_still_has_a_page(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", [("", "i", "s", START, "", "", "", "", "")] * 7)
    with pytest.raises(InputError, match=r"no usable row is left.*eda\.html says"):
        eda([log], SETTINGS, tmp_path / "out")
    page = (tmp_path / "out/eda.html").read_text(encoding="utf-8")
    assert_whole(page)
    assert "missing user_id (user)" in page
    document = json.loads((tmp_path / "out/eda.json").read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(document)
    assert document["cleaning"]["reasons"][0]["n"] == 7
    assert len(document["cleaning"]["reasons"][0]["examples"]) == 3


def test_a_header_alone_and_no_file(tmp_path: Path) -> None:
    config = SETTINGS
    with pytest.raises(InputError, match="no rows"):
        eda([write(tmp_path / "log.csv", [])], config, tmp_path / "out")
    assert "no rows" in (tmp_path / "out/eda.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="no such file"):
        eda([tmp_path / "absent.csv"], config, tmp_path / "out")


def labels(path: Path, key: str, rows: list[tuple[str, object]]) -> Path:
    path.write_text(f"{key},label\n" + "".join(f"{name},{value}\n" for name, value in rows))
    return path


@pytest.mark.slow
def test_labels_that_say_nothing_are_answered_in_words(tmp_path: Path) -> None:
    rows = ordinary(600)
    for key, given, wanted in (
        ("user_id", [("nobody", 1), ("no one", 0)], "No label is of a user in the log"),
        ("user_id", [("u1", 1), ("u2", 1), ("nobody", 0)], "All labels of the log are fraud"),
        (
            "item_id",
            [("i1", 1), ("i2", 0)],
            "too few labels to say which features tell them apart: 1 items are fraud",
        ),
    ):
        file = labels(tmp_path / "labels.csv", key, given)
        document, page = look(tmp_path, rows, labels=file)
        assert wanted in document["labels"]["note"]
        assert wanted in page
        assert not (tmp_path / "out/importance.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["user_id", "item_id", "session_id", "event_id"])
def test_labels_of_every_kind_are_told_apart(key: str, tmp_path: Path) -> None:
    """Fraud is what users and items of even number do, with a hundred times the amounts."""
    rows = ordinary(1500)
    even = [int(row[0 if key != "item_id" else 1][1:]) % 2 == 0 for row in rows]
    rows = [(*row[:4], row[4] * (100 if odd else 1), *row[5:]) for row, odd in zip(rows, even, strict=True)]
    column = {"user_id": 0, "item_id": 1, "session_id": 2}.get(key)
    known = {
        (str(k) if column is None else row[column]): int(odd)
        for k, (row, odd) in enumerate(zip(rows, even, strict=True))
    }
    document, page = look(
        tmp_path, rows, labels=labels(tmp_path / "labels.csv", key, [*known.items(), ("else", 1)])
    )
    found = document["labels"]
    assert found["n_unknown_ids"] == 1
    assert found["fraud"] == sum(known.values())
    assert found["clean"] == len(known) - found["fraud"]
    assert found["note"] is None
    assert "What tells the labels apart" in page
    if key == "session_id":  # nothing that sessions do is different here, and amounts are not among it
        return
    assert found["auroc"] > 0.8
    assert found["features"][0]["name"].startswith("amount") or "amount" in found["features"][0]["name"]
    sheet = (tmp_path / "out/importance.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(sheet) == len(found["features"]) + 1


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")
@pytest.mark.parametrize(
    ("config", "files", "wanted"),
    [
        ("youtube_comments", "social_text/youtube/*.csv", "are word for word those of another"),
        ("shopee_orders", "shopee_brushing/orders.csv", "Every row can be used"),
        ("yelp_reviews", "yelpchi/reviews.txt.gz", "Times carry a day only"),
        ("taobao", "taobao/user_behavior.csv", "Asia/Shanghai"),
    ],
)
def test_real_logs(config: str, files: str, wanted: str, tmp_path: Path) -> None:
    eda([DATA / files], load_config(config), tmp_path)
    page = (tmp_path / "eda.html").read_text(encoding="utf-8")
    assert_whole(page)
    assert wanted in page
    assert len(page.encode()) < 2 * 2**20
    Draft202012Validator(SCHEMA).validate(json.loads((tmp_path / "eda.json").read_text(encoding="utf-8")))


def test_a_log_without_times_has_no_course_of_time(tmp_path: Path) -> None:
    rows = [f"u{n % 9},i{n * 7 % 23}" for n in range(200)]
    (tmp_path / "log.csv").write_text("user,item\n" + "\n".join(dict.fromkeys(rows)) + "\n", encoding="utf-8")
    config = Config("friends", Columns(user_id="user", item_id="item"))
    document = eda([tmp_path / "log.csv"], config, tmp_path / "out")
    Draft202012Validator(SCHEMA).validate(
        json.loads((tmp_path / "out" / "eda.json").read_text(encoding="utf-8"))
    )
    assert (document["counts"]["first_ms"], document["time"]["by_day"]) == (None, [])
    page = (tmp_path / "out" / "eda.html").read_text(encoding="utf-8")
    assert "the log has no times" in page
    assert "nothing can move with it" in page
    assert "1970" not in page
