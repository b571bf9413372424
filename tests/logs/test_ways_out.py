"""Times and numbers in the spellings of the world: read, or refused with the key that reads them."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import InputError, TooManyRejects
from tests.logs.log_desk import Desk, rows

COLUMNS = '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n'
NOW_MS = 1_800_000_000_000


def read(desk: Desk, times: list[str], time: str = "", name: str = "log.csv") -> Any:
    text = "user,item,at\n" + "".join(f'u{k},i,"{at}"\n' for k, at in enumerate(times))
    return desk.read(desk.write(name, text), config=f"{COLUMNS}[time]\n{time}\n", now_ms=NOW_MS)


def moments(desk: Desk, times: list[str], time: str = "") -> list[str]:
    found = rows(read(desk, times, time).tables.interactions, "user_id", "at_ms")
    return [datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")[:23] for _, at in found]


TEN = "2024-03-01T10:00:00.000"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2024-03-01T10:00:00Z", TEN),
        ("2024-03-01t10:00:00z", TEN),
        ("2024-03-01T10:00Z", TEN),
        ("2024-03-01T10Z", TEN),
        ("2024-03-01T10", TEN),
        ("20240301T100000Z", TEN),
        ("20240301T1000", TEN),
        ("20240301 100000", TEN),
        ("20240301", "2024-03-01T00:00:00.000"),
        ("2024-03", "2024-03-01T00:00:00.000"),
        ("2024-W09-5T10:00:00Z", TEN),
        ("2024W095T100000Z", TEN),
        ("2024-W09", "2024-02-26T00:00:00.000"),
        ("2020-W53-7", "2021-01-03T00:00:00.000"),
        ("2024-061T10:00", TEN),
        ("2024061", "2024-03-01T00:00:00.000"),
        ("2024-366", "2024-12-31T00:00:00.000"),
        ("2024-03-01T10:00:00,123Z", "2024-03-01T10:00:00.123"),
        ("2024-03-01 10:00:00,5", "2024-03-01T10:00:00.500"),
        ("2024-03-01T10:30.5Z", "2024-03-01T10:30:30.000"),
        ("2024-03-01T10,25Z", "2024-03-01T10:15:00.000"),
        ("2024-02-29T24:00:00Z", "2024-03-01T00:00:00.000"),
        ("20240229T2400Z", "2024-03-01T00:00:00.000"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000"),
        ("2024-03-01T12:00:00 +0200", TEN),
        ("2024-03-01T12:00+02", TEN),
        ("2024-03-01T08:00:00−02:00", TEN),
        ("20240301T080000-0200", TEN),
        ("2024-03-01T15:45:00+05:45", TEN),
        ("2024-03-01T10:00:00.123456789Z", "2024-03-01T10:00:00.123"),
    ],
)
def test_every_spelling_of_iso(desk: Desk, text: str, want: str) -> None:
    assert moments(desk, [text]) == [want]


@pytest.mark.parametrize(
    ("text", "want"),
    [("20240701T120000", "2024-07-01T10:00:00.000"), ("2024-W27-1T12:00", "2024-07-01T10:00:00.000"),
     ("2024-07-01T10:00Z", "2024-07-01T10:00:00.000"), ("20240701", "2024-06-30T22:00:00.000")],
)  # fmt: skip
def test_the_zone_holds_for_all_spellings(desk: Desk, text: str, want: str) -> None:
    assert moments(desk, [text], 'zone = "Europe/Berlin"') == [want]


@pytest.mark.parametrize(
    "text",
    ["2024", "2024-02-30", "20240230", "2024-W54-1", "2024-W09-8", "2023-366", "2023-W53-1", "2024-000", "2024-13",
     "24:00", "2024-03-01T24:00:01Z", "2024-03-01T10:60Z", "2024-03-01T10:00:61Z", "2024-0301", "yesterday"],
)  # fmt: skip
def test_what_is_no_time_stays_none(desk: Desk, text: str) -> None:
    with pytest.raises(TooManyRejects, match="1 timestamp cannot be read as an ISO date"):
        read(desk, [text])


def test_days_in_every_spelling(desk: Desk) -> None:
    assert (
        moments(desk, ["2024-061", "20240301", "2024-W09-5"], 'unit = "day"')
        == ["2024-03-01T00:00:00.000"] * 3
    )


@pytest.mark.parametrize(
    ("text", "time", "want"),
    [
        ("1709287200000000000", 'unit = "ns"', TEN),
        ("1709287200123456789", 'unit = "ns"', "2024-03-01T10:00:00.123"),
        ("45352.4166666667", 'unit = "excel"', TEN),
        ("45352", 'unit = "excel"', "2024-03-01T00:00:00.000"),
        ("45352.5", 'unit = "excel"\nzone = "Europe/Berlin"', "2024-03-01T11:00:00.000"),
        ("43890.5", 'unit = "excel"\norigin = "1904-01-01"', "2024-03-01T12:00:00.000"),
    ],
)
def test_more_units(desk: Desk, text: str, time: str, want: str) -> None:
    assert moments(desk, [text], time) == [want]


def test_nanoseconds_of_parquet(desk: Desk) -> None:
    path = desk.folder / "a.parquet"
    pq.write_table(pa.table({"user": ["u"], "item": ["i"], "at": [1_709_287_200_000_000_000]}), path)
    log = desk.read(path, config=COLUMNS + '[time]\nunit = "ns"\n', now_ms=NOW_MS)
    assert rows(log.tables.interactions, "at_ms") == [(1_709_287_200_000,)]


@pytest.mark.parametrize(
    ("text", "time", "hint"),
    [
        ("1709287200", "", 'unit = "s"'),
        ("1709287200000", "", 'unit = "ms"'),
        ("1709287200000000", "", 'unit = "us"'),
        ("1709287200000000000", "", 'unit = "ns"'),
        ("45352.4166667", "", 'unit = "excel"'),
        ("1709287200000", 'unit = "s"', 'unit = "ms"'),
        ("1709287200000000000", 'unit = "ms"', 'unit = "ns"'),
        ("45352.4166667", 'unit = "s"', 'unit = "excel"'),
        ("2024-03-01T10:00:00Z", 'unit = "ms"', 'unit = "iso"'),
        ("2024-03-01 10:00:00", 'unit = "%d.%m.%Y"', 'unit = "iso"'),
        ("01.03.2024 10:00:00", "", 'unit = "%d.%m.%Y %H:%M:%S"'),
        ("01.03.2024", "", 'unit = "%d.%m.%Y"'),
        ("31/03/2024 10:00", "", 'unit = "%d/%m/%Y %H:%M"'),
        ("01/03/2024", "", 'unit = "%d/%m/%Y" or "%m/%d/%Y"'),
        ("3/31/2024 1:02:03 PM", "", 'unit = "%m/%d/%Y %I:%M:%S %p"'),
        ("10/Oct/2023:13:55:36 -0700", "", 'unit = "%d/%b/%Y:%H:%M:%S %z"'),
        ("Fri Mar 01 10:00:00 2024", "", 'unit = "%a %b %d %H:%M:%S %Y"'),
        ("Fri, 01 Mar 2024 10:00:00 +0000", "", 'unit = "%a, %d %b %Y %H:%M:%S %z"'),
        ("soon", "", 'unit = "%d/%m/%Y %H:%M", for example'),
    ],
)
def test_the_values_say_what_would_read_them(desk: Desk, text: str, time: str, hint: str) -> None:
    with pytest.raises(TooManyRejects) as caught:
        read(desk, [text, text], time)
    assert hint in str(caught.value)
    assert repr(text) in str(caught.value)
    read_by = hint.split(" or ")[0]
    if "example" not in hint:
        assert read(desk, [text], read_by).n_events == 1


def test_a_few_bad_times_are_a_warning_with_the_way_out(desk: Desk) -> None:
    log = read(desk, ["2024-03-01"] * 40 + ["01.03.2024"])
    assert any('set [time] unit = "%d.%m.%Y"' in warning for warning in log.warnings)
    path = desk.write("a.csv", "user,item,at\nu,i,1709287200000\n")
    with pytest.raises(InputError, match=r'no usable row is left .*unit = "ms"'):
        desk.read(path, config=COLUMNS + "[reject]\nmax_share = 1\n", now_ms=NOW_MS)


def test_date_and_time_in_two_columns(desk: Desk) -> None:
    text = "user,item,day,clock\nu0,i,2024-03-01,10:00:00\nu1,i,2024-03-01,\nu2,i,,10:00:00\nu3,i,2024-03-02,10:00\n"
    config = COLUMNS.replace('"at"', '["day", "clock"]') + "[reject]\nmax_share = 1\n"
    log = desk.read(desk.write("log.csv", text), config=config, now_ms=NOW_MS)
    assert rows(log.tables.interactions, "at_ms") == [(1_709_287_200_000,), (1_709_373_600_000,)]
    assert [row["reason"] for row in desk.rejects()] == ["missing timestamp (day, clock)"] * 2
    german = text.replace("2024-03-01", "01.03.2024").replace("2024-03-02,10:00", "02.03.2024,10:00:00")
    config += '[time]\nunit = "%d.%m.%Y %H:%M:%S"\nzone = "Europe/Berlin"\n'
    log = desk.read(desk.write("log.csv", german), config=config, now_ms=NOW_MS)
    assert rows(log.tables.interactions, "at_ms") == [(1_709_283_600_000,), (1_709_370_000_000,)]
    days = desk.read(desk.folder / "log.csv", config=COLUMNS.replace('"at"', '"day"') + '[time]\nunit = "%d.%m.%Y"\n'
                     + "[reject]\nmax_share = 1\n", now_ms=NOW_MS)  # fmt: skip
    assert days.n_events == 3


def test_days_beside_a_column_of_times_are_told(desk: Desk) -> None:
    text = "user,item,day,clock\nu0,i,2024-03-01,10:00:00\nu1,i,2024-03-01,11:30\n"
    log = desk.read(desk.write("log.csv", text), config=COLUMNS.replace('"at"', '"day"'), now_ms=NOW_MS)
    assert any('set [columns] timestamp = ["day", "clock"]' in warning for warning in log.warnings)


def amounts(desk: Desk, values: list[str], decimal: str = "") -> Any:
    text = "user;item;at;n\n" + "".join(f"u{k};i;2024-03-01;{n}\n" for k, n in enumerate(values))
    config = COLUMNS + 'amount = "n"\n[reject]\nmax_share = 1\n[read]\ndelimiter = ";"\n' + decimal
    return desk.read(desk.write("log.csv", text), config=config, now_ms=NOW_MS)


def test_decimal_commas(desk: Desk) -> None:
    values = ["12,50", "1.234,56", "1.234", "7", "-0,5", "1 234,5", "1\u00a0234", "1.23", "1,2,3", "1.2345"]
    log = amounts(desk, values, 'decimal = ","\n')
    found = [n for _, n in rows(log.tables.interactions, "user_id", "amount")]
    assert found == [12.5, 1234.56, 1234.0, 7.0, -0.5, 1234.5, 1234.0]
    assert [row["reason"] for row in desk.rejects()] == ["amount is no finite number"] * 3


def test_groups_of_digits_with_a_decimal_point(desk: Desk) -> None:
    log = amounts(desk, ["1,234.50", "12.5", "1,234", "1,23"], 'decimal = "."\n')
    assert [n for _, n in rows(log.tables.interactions, "user_id", "amount")] == [1234.5, 12.5, 1234.0]


def test_decimal_commas_are_told_with_what_passes_beside_them(desk: Desk) -> None:
    log = amounts(desk, ["12,50", "1.234", "5.678", "7"])
    (warning,) = [w for w in log.warnings if "decimal" in w]
    assert 'set [read] decimal = ","' in warning
    assert "2 beside them, such as '1.234'" in warning
    assert any('set [read] decimal = "."' in w for w in amounts(desk, ["1,234.50", "7"]).warnings)


def test_lines_of_windows_are_told(desk: Desk) -> None:
    text = "user,item,at\nm\u00fcller,i,2024-03-01\nanna,i,2024-03-01\n".encode("cp1252")
    config = COLUMNS + "[reject]\nmax_share = 1\n"
    log = desk.read(desk.write("log.csv", text), config=config, now_ms=NOW_MS)
    assert log.n_rejects == 1
    assert any('set [read] encoding = "cp1252"' in warning for warning in log.warnings)
    config += '[read]\nencoding = "cp1252"\n'
    log = desk.read(desk.folder / "log.csv", config=config, now_ms=NOW_MS)
    assert ("m\u00fcller",) in rows(log.tables.interactions, "user_id")
