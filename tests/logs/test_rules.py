"""The rules of cleaning, each with a row that breaks it and one that just does not."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import ConfigError, InputError, TooManyRejects
from tests.logs.log_desk import BASIC, NOW_MS, Desk

T = NOW_MS
LOOSE = BASIC + "[reject]\nmax_share = 1\n"


def reasons(desk: Desk, header: str, rows: list[str], config: str) -> list[str | None]:
    """Read rows beside a good one; say what became of each: None or a reason. Equal rows are no duplicates here."""
    good = f"ok,ok,{T if 'ms' in config else '2020-01-01'}" + "," * (header.count(",") - 2)
    apart = config.replace("[reject]\n", "[reject]\nduplicates = false\n")
    log = desk.read(desk.write("log.csv", "\n".join([header, good, *rows]) + "\n"), config=apart)
    assert log.n_events + log.n_rejects == log.n_rows == len(rows) + 1
    of_line = {int(row["line"]): row["reason"] for row in desk.rejects()}
    assert len(of_line) == log.n_rejects
    assert min(of_line, default=3) > 2  # the good one stays
    return [of_line.get(line) for line in range(3, len(rows) + 3)]


def test_missing_values(desk: Desk) -> None:
    rows = [f",i,{T}", f"u,,{T}", "u,i,", f'"  ",i,{T}', f'u,"\t",{T}', "u,i, "]
    assert reasons(desk, "user,item,at", rows, LOOSE) == [
        "missing user_id (user)",
        "missing item_id (item)",
        "missing timestamp (at)",
        "missing user_id (user)",
        "missing item_id (item)",
        "missing timestamp (at)",
    ]


def test_times_in_milliseconds(desk: Desk) -> None:
    day = 86_400_000
    times = {
        f"{T}": None,
        f"{T}.7": None,
        f" {T} ": None,
        "1.6e12": None,
        f"{T + day - 1}": None,
        f"{T + day}": "timestamp in the future",
        f"{T // 1000}": "timestamp looks like seconds, not milliseconds",
        f"{T * 1000}": "timestamp looks like microseconds, not milliseconds",
        "0": "timestamp in 1970: wrong unit?",
        "-1": "timestamp before 1990-01-01",
        "86400000": "timestamp in 1970: wrong unit?",
        "400000000000": "timestamp before 1990-01-01",
        "631152000000": None,  # 1990-01-01
        "631151999999": "timestamp looks like seconds, not milliseconds",
        "soon": "timestamp cannot be read as a number of milliseconds",
        "2020-01-01": "timestamp cannot be read as a number of milliseconds",
        "nan": "timestamp cannot be read as a number of milliseconds",
        "inf": "timestamp cannot be read as a number of milliseconds",
        "1e300": "timestamp in the future",
    }
    del times["631151999999"]  # 631151999999 s is the year 21970: neither
    found = reasons(desk, "user,item,at", [f"u,i,{t}" for t in times], LOOSE)
    assert dict(zip(times, found, strict=True)) == times


def test_times_in_seconds_and_microseconds(desk: Desk, table) -> None:
    seconds = LOOSE.replace('"ms"', '"s"')
    log = desk.read(desk.write("a.csv", f"user,item,at\nu,i,{T / 1000 + 0.25}\nu,j,{T}\n"), config=seconds)
    assert table(log.tables.events, "at_ms") == [(T + 250,)]
    assert log.rejects_by_reason == {"timestamp looks like milliseconds, not seconds": 1}
    micros = LOOSE.replace('"ms"', '"us"')
    log = desk.read(desk.write("a.csv", f"user,item,at\nu,i,{T * 1000 + 400}\nu,j,{T}\n"), config=micros)
    assert table(log.tables.events, "at_ms") == [(T,)]
    assert log.rejects_by_reason == {"timestamp looks like milliseconds, not microseconds": 1}


def test_iso_times_and_zones(desk: Desk, table) -> None:
    iso = LOOSE.replace('"ms"', '"iso"') + "max_share = 1\n".replace("max_share = 1\n", "")
    times = {
        "2020-01-01": 1577836800000,
        "2020-01-01T00:00:00Z": 1577836800000,
        "2020-01-01 02:00:00+02": 1577836800000,
        "2020-01-01T02:00:00.250+0200": 1577836800250,
        "2020-01-01T00:00": 1577836800000,
        "2020-01-01 00:00:00 UTC": 1577836800000,
    }
    lines = [f"{text},i,{text}\n" for text in times]
    log = desk.read(desk.write("a.csv", "user,item,at\n" + "".join(lines)), config=iso)
    assert dict(table(log.tables.events, "user_id", "at_ms")) == times
    berlin = iso.replace("[time]", '[time]\nzone = "Europe/Berlin"')
    local = {
        "2020-01-01": -1,
        "2020-07-01T00:00:00": -2,
        "2020-07-01T00:00:00Z": 0,
        "2020-07-01T00:00:00-01:00": 1,
    }
    base = {"2020-01-01": 1577836800000, "2020-07-01": 1593561600000}
    lines = [f"{text},i,{text}\n" for text in local]
    log = desk.read(desk.write("a.csv", "user,item,at\n" + "".join(lines)), config=berlin)
    assert dict(table(log.tables.events, "user_id", "at_ms")) == {
        text: base[text[:10]] + hours * 3_600_000 for text, hours in local.items()
    }
    wrong = ["2020-13-01", "01/02/2020", "1577836800", "infinity", "now"]
    assert set(reasons(desk, "user,item,at", [f"u,i,{t}" for t in wrong], iso)) == {
        "timestamp cannot be read as an ISO date"
    }
    assert reasons(desk, "user,item,at", ["u,i,1970-01-01", "u,i,2999-01-01"], iso) == [
        "timestamp in 1970: wrong unit?",
        "timestamp in the future",
    ]


def test_strptime_formats(desk: Desk, table) -> None:
    config = LOOSE.replace('"ms"', '"%d.%m.%Y %H:%M"')
    log = desk.read(
        desk.write("a.csv", "user,item,at\nu,i,01.02.2020 03:04\nu,i,2020-02-01\n"), config=config
    )
    assert table(log.tables.events, "at_ms") == [(1580526240000,)]
    assert log.rejects_by_reason == {"timestamp cannot be read as %d.%m.%Y %H:%M": 1}
    with pytest.raises(ConfigError, match="unit"):
        desk.read(desk.folder / "a.csv", config=LOOSE.replace('"ms"', '"%Q"'))


def test_origin_earliest_and_latest(desk: Desk, table) -> None:
    config = LOOSE.replace('"ms"', '"s"\norigin = "2020-01-01"')
    log = desk.read(desk.write("a.csv", "user,item,at\nu,i,0\nu,i,60\n"), config=config)
    assert table(log.tables.events, "at_ms") == [(1577836800000,), (1577836860000,)]
    config = LOOSE.replace('"ms"', '"iso"\nearliest = "1950-01-01"\nlatest = "2021-01-01"')
    rows = ["u,i,1960-01-01", "u,i,1970-01-01", "u,i,1949-12-31", "u,i,2021-01-01"]
    assert reasons(desk, "user,item,at", rows, config) == [
        None, None, "timestamp before 1950-01-01", "timestamp after 2021-01-01",
    ]  # fmt: skip


def test_mixed_units_stop_the_run_and_say_so(desk: Desk) -> None:
    lines = [f"u{k},i,{(T // 1000, T, T * 1000)[k % 3]}" for k in range(30)]
    with pytest.raises(
        TooManyRejects, match=r"10 timestamp looks like microseconds.*10 timestamp looks like seconds"
    ):
        desk.read(desk.write("a.csv", "user,item,at\n" + "\n".join(lines)))


AMOUNTS = (
    BASIC.replace("[time]", 'amount = "price"\nquantity = "pieces"\n[time]') + "[reject]\nmax_share = 1\n"
)


def test_amounts_and_quantities(desk: Desk) -> None:
    cases = {
        "9.5,2": None,
        ",": None,
        "0,1": None,
        "nan,1": "amount is no finite number",
        "inf,1": "amount is no finite number",
        "-inf,1": "amount is no finite number",
        "ten,1": "amount is no finite number",
        "1,nan": "quantity is no finite number",
        "1,two": "quantity is no finite number",
        "1,0": "quantity is zero",
        "-1,1": "amount is negative",
        "-1,": None,
        "1,-2": None,
        "-1,-2": None,
    }
    found = reasons(desk, "user,item,at,price,pieces", [f"u,i,{T},{case}" for case in cases], AMOUNTS)
    assert dict(zip(cases, found, strict=True)) == cases


def test_cancelled_orders_and_refunds_become_returns(desk: Desk, table) -> None:
    text = f"user,item,at,price,pieces\na,i,{T},2,3\nb,i,{T},2,-3\nc,i,{T},-2,\nd,i,{T},2,\n"
    log = desk.read(desk.write("a.csv", text), config=AMOUNTS)
    assert table(log.tables.events, "user_id", "action", "amount", "quantity") == [
        ("a", "view", 2.0, 3.0),
        ("b", "return", 2.0, -3.0),
        ("c", "return", -2.0, None),
        ("d", "view", 2.0, None),
    ]
    named = AMOUNTS + '[actions]\ndefault = "buy"\nnegative_quantity = "Storno"\n'
    log = desk.read(desk.folder / "a.csv", config=named)
    assert table(log.tables.events, "action") == [("buy",), ("buy",), ("storno",), ("storno",)]


def test_interactions_sum_amounts_and_keep_null_where_there_are_none(desk: Desk, table) -> None:
    text = f"user,item,at,price,pieces\na,i,{T},0.1,1\na,i,{T + 1},0.2,1\na,j,{T},,\n"
    log = desk.read(desk.write("a.csv", text), config=AMOUNTS)
    assert table(log.tables.interactions) == [
        ("a", f"a@{T}", "i", "view", T, 2, 0.3, 2.0),
        ("a", f"a@{T}", "j", "view", T, 1, None, None),
    ]


WEIRD = [
    "plain",
    "it's",
    'say "hi"',
    "`tick`",
    "two\nlines",
    "tab\tinside",
    "🎁 gift",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "-1+1",
    "x" * 1024,
    "é" * 1024,
    "\\N",
    "NULL",
    "null",
    "{}",
    "a/b@c",
    "؅ arabic",
]


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_weird_ids_survive_as_they_are(desk: Desk, table, kind: str) -> None:
    ids = [*WEIRD, "  padded\t"]
    path = desk.folder / f"log.{kind}"
    if kind == "csv":
        lines = [f'"{i.replace(chr(34), chr(34) * 2)}","{i.replace(chr(34), chr(34) * 2)}",{T}' for i in ids]
        desk.write("log.csv", "user,item,at\n" + "\n".join(lines) + "\n")
    elif kind == "jsonl":
        desk.write("log.jsonl", "".join(json.dumps({"user": i, "item": i, "at": T}) + "\n" for i in ids))
    else:
        pq.write_table(pa.table({"user": ids, "item": ids, "at": [T] * len(ids)}), path)
    log = desk.read(path)
    want = sorted(((i.strip(), i.strip()) for i in ids), key=repr)
    assert table(log.tables.events, "user_id", "item_id") == want
    assert log.n_rejects == 0


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_nul_and_overlong_ids_are_rejected(desk: Desk, kind: str) -> None:
    ids = ["ok", "nu\0l", "x" * 1025]
    path = desk.folder / f"log.{kind}"
    if kind == "csv":
        desk.write("log.csv", "user,item,at\n" + "".join(f"{i},i,{T}\n" for i in ids))
    elif kind == "jsonl":
        desk.write("log.jsonl", "".join(json.dumps({"user": i, "item": "i", "at": T}) + "\n" for i in ids))
    else:
        pq.write_table(pa.table({"user": ids, "item": ["i"] * 3, "at": [T] * 3}), path)
    desk.read(path, config=LOOSE)
    first = 1 if kind != "csv" else 2
    assert [(int(r["line"]), r["reason"]) for r in desk.rejects()] == [
        (first + 1, "NUL character in user_id"),
        (first + 2, "user_id is longer than 1,024 characters"),
    ]


def test_parquet_types(desk: Desk, table) -> None:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(T / 1000, UTC)
    path = desk.folder / "a.parquet"
    columns = {"user": [17850.0, None, 1.5], "item": pa.array([1, 2, 3], pa.uint8()), "at": [at, at, at]}
    pq.write_table(pa.table(columns), path)
    log = desk.read(path, config=LOOSE)
    assert table(log.tables.interactions, "user_id", "item_id", "at_ms") == [
        ("1.5", "3", T),
        ("17850", "1", T),
    ]
    assert [(r["line"], r["reason"]) for r in desk.rejects()] == [("2", "missing user_id (user)")]
    naive = {"user": ["u"], "item": ["i"], "at": pa.array([at.replace(tzinfo=None)], pa.timestamp("ns"))}
    pq.write_table(pa.table(naive), path)
    log = desk.read(path, config=LOOSE.replace("[time]", '[time]\nzone = "Asia/Singapore"'))
    assert table(log.tables.events, "at_ms") == [(T - 8 * 3_600_000,)]


ACTIONS = BASIC.replace("[time]", 'action = "what"\n[time]')


def test_actions_are_lower_cased_renamed_and_kept(desk: Desk, table) -> None:
    text = f"user,item,at,what\na,i,{T}, PV \nb,i,{T},Buy\nc,i,{T},\nd,i,{T},scroll\n"
    path = desk.write("a.csv", text)
    log = desk.read(path, config=ACTIONS)
    assert table(log.tables.events, "action") == [("buy",), ("pv",), ("scroll",), ("view",)]
    log = desk.read(path, config=ACTIONS + '[actions]\nrename = { pv = "view" }\nkeep = ["view", "buy"]\n')
    assert table(log.tables.events, "user_id", "action") == [("a", "view"), ("b", "buy"), ("c", "view")]
    assert (log.n_filtered, log.n_rejects) == (1, 0)


def test_filters(desk: Desk, table) -> None:
    text = "user,item,at,geo,price\n" + "".join(
        f"{u},i,{T},{geo},{price}\n"
        for u, geo, price in [("a", "BR", 5), ("b", "PT", 50), ("c", "US", 5), ("d", "", "x")]
    )
    path = desk.write("a.csv", text)
    for body, users in [
        ('geo = "BR"', "a"),
        ('geo = ["BR", "PT"]', "ab"),
        ("price = 5", "ac"),
        ("price = { min = 5, max = 10 }", "ac"),
        ("price = { min = 6 }", "b"),
        ('geo = "PT"\nprice = { min = 6 }', "b"),
    ]:
        log = desk.read(path, config=f"{BASIC}[filters]\n{body}\n")
        assert "".join(u for (u,) in table(log.tables.events, "user_id")) == users, body
        assert (log.n_filtered, log.n_rejects) == (4 - len(users), 0)
    soon = desk.write("b.csv", text.replace(str(T), "soon"))
    with pytest.raises(InputError, match=r"no usable row is left \(4 timestamp cannot be read"):
        desk.read(soon, config=BASIC + "[reject]\nmax_share = 1.0\n")  # no word of filters
    with pytest.raises(InputError, match=r"no usable row is left \(4 of 4 filtered out\)"):
        desk.read(path, config=BASIC + '[filters]\ngeo = "AQ"\n')
    with pytest.raises(InputError, match=r"no column 'gio', which the config's \[filters\] names"):
        desk.read(path, config=BASIC + '[filters]\ngio = "AQ"\n')


def test_exact_duplicates_are_put_aside_and_do_not_count(desk: Desk, table) -> None:
    config = BASIC.replace("[time]", 'text = "words"\n[time]')
    lines = [f"a,i,{T},hi", f"a,i,{T},hi", f"a,i,{T},ho", f"a,i,{T},", f"a,i,{T},", f"a,i,{T},hi"]
    path = desk.write("a.csv", "user,item,at,words\n" + "\n".join(lines) + "\n")
    log = desk.read(path, config=config)
    assert (log.n_rows, log.n_events, log.n_duplicates, log.n_rejects) == (6, 3, 3, 0)
    assert [(int(r["line"]), r["reason"]) for r in desk.rejects()] == [
        (3, "duplicate"), (6, "duplicate"), (7, "duplicate"),
    ]  # fmt: skip
    assert table(log.tables.events, "event_row", "text") == [(0, "hi"), (2, "ho"), (3, None)]
    log = desk.read(path, config=config + "[reject]\nduplicates = false\n")
    assert (log.n_events, log.n_duplicates) == (6, 0)


def test_event_ids_are_the_column_or_the_row_number(desk: Desk, table) -> None:
    config = BASIC.replace("[time]", 'event_id = "n"\n[time]')
    path = desk.write("a.csv", f"user,item,at,n\na,i,{T},x7\nb,i,{T},\n")
    assert table(desk.read(path, config=config).tables.events, "event_id") == [("1",), ("x7",)]
    assert table(desk.read(path).tables.events, "event_id") == [("0",), ("1",)]


def test_item_names_are_the_latest(desk: Desk, table) -> None:
    config = BASIC.replace("[time]", 'item_name = "title"\n[time]')
    text = f"user,item,at,title\na,i,{T},new\nb,i,{T - 5},old\nc,i,{T + 1},\nd,j,{T},\nd,k,{T},B\ne,k,{T},A\n"
    log = desk.read(desk.write("a.csv", text), config=config)
    assert table(log.tables.items) == [("i", "new"), ("j", None), ("k", "B")]


def test_entities_and_attributes(desk: Desk, table) -> None:
    config = (
        BASIC.replace("[time]", 'device_id = "dev"\nip = "addr"\n[time]')
        + '[entities]\ndevice = "device_id"\ncard = "pan"\n[attributes]\ncountry = "geo"\n'
    )
    text = (
        "user,item,at,dev,addr,pan,geo\n"
        f"a,i,{T},d1,1.1.1.1,,BR\na,j,{T - 9}, d1 ,1.1.1.1,p1,BR\nb,i,{T},d1,,p1,\nb,j,{T},,,,\n"
    )
    log = desk.read(desk.write("a.csv", text), config=config)
    assert table(log.tables.entities) == [
        ("a", "card", "p1", T - 9, 1),
        ("a", "device", "d1", T - 9, 2),
        ("b", "card", "p1", T, 1),
        ("b", "device", "d1", T, 1),
    ]
    assert table(log.tables.events, "user_id", "country", "ip")[0] == ("a", "BR", "1.1.1.1")
    assert table(desk.read(desk.folder / "a.csv").tables.entities) == []


def test_the_file_name_as_a_column(desk: Desk, table) -> None:
    config = BASIC.replace('"item"', '"video"') + '[read]\nfile_column = "video"\n'
    desk.write("one.csv", f"user,at\na,{T}\n")
    desk.write("two.csv", f"user,at\nb,{T}\n")
    log = desk.read(desk.folder / "*.csv", config=config)
    assert table(log.tables.events, "user_id", "item_id") == [("a", "one.csv"), ("b", "two.csv")]


def test_progress_is_told(desk: Desk) -> None:
    class Told:
        def __init__(self) -> None:
            self.calls: list[tuple[object, ...]] = []

        def start(self, stage: str, total: int | None = None) -> None:
            self.calls.append((stage, total))

        def advance(self, steps: int = 1) -> None:
            self.calls.append((steps,))

        def done(self) -> None:
            self.calls.append(("done",))

    told = Told()
    desk.read(desk.write("a.csv", f"user,item,at\na,i,{T}\n"), progress=told)
    assert told.calls == [("read", 1), (1,), ("done",), ("clean", None), ("done",)]
