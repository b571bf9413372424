"""Zones: that of the text wins over the config's, and local times that do not exist or exist twice are counted."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.logs.log_desk import Desk, rows

IN_BERLIN = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
[time]
zone = "Europe/Berlin"
"""
TEN_UTC = 1_709_287_200_000  # 2024-03-01T10:00:00Z


@pytest.mark.parametrize(
    ("unit", "text", "hours"),
    [
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-01 10:00:00 UTC", 0),
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-01 10:00:00 Europe/Berlin", -1),
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-01 10:00:00 America/New_York", 5),
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-01 10:00:00 EST", 5),
        ("%Y-%m-%d %H:%M:%S%z", "2024-03-01 10:00:00+0300", -3),
        ("%Y-%m-%d %H:%M:%S", "2024-03-01 10:00:00", -1),
        ("%Y-%m-%d %H:%M:%S %%Z", "2024-03-01 10:00:00 %Z", -1),
        ("iso", "2024-03-01T10:00:00Z", 0),
        ("iso", "2024-03-01T10:00:00+05:00", -5),
        ("iso", "2024-03-01 10:00:00 America/New_York", 5),
        ("iso", "20240301T100000-0500", 5),
        ("iso", "2024-03-01 10:00:00", -1),
        ("iso", "20240301T100000", -1),
        ("iso", "2024-03-01T10:00:00Z[Europe/Berlin]", 0),
        ("iso", "2024-03-01T10:00:00.000+02:00[Europe/Berlin]", -2),
        ("iso", "2024-03-01T10:00:00-05:00[America/Argentina/Buenos_Aires]", 5),
        ("iso", "2024-03-01T10:00:00[America/New_York]", 5),
        ("iso", "2024-03-01T10:00:00Z[UTC]", 0),
        ("iso", "2024-03-01T10:00:00Z[Etc/GMT+5][u-ca=iso8601]", 0),
        ("iso", "2024-03-01T10:00:00[u-ca=iso8601]", -1),
        ("iso", "20240301T100000Z[Europe/Berlin]", 0),
        ("iso", "2024-03-01T10:00:00[Asia/Kolkata]", -5.5),
        ("iso", "2024-03-01T10:00+05:30[Asia/Kolkata]", -5.5),
        ("iso", "2024-03-01 10:00:00 Etc/GMT+5", 5),
        ("iso", "2024-03-01 10:00:00 America/Port-au-Prince", 5),
        ("iso", "2024-03-01T10:00:00-03:00[!America/Argentina/Buenos_Aires]", 3),
    ],
)
def test_a_zone_in_the_text_wins_over_the_configs(desk: Desk, unit: str, text: str, hours: float) -> None:
    config = IN_BERLIN + f'unit = "{unit}"\n'
    log = desk.read(desk.write("a.csv", f"user,item,at\na,i,{text}\n"), config=config, now_ms=2 * TEN_UTC)
    assert rows(log.tables.events, "at_ms") == [(TEN_UTC + hours * 3_600_000,)]
    assert log.warnings == []


@pytest.mark.parametrize(
    "text", ["2024-03-01T10:00:00[Europe/Berlin", "2024-03-01T10:00:00Z[Nowhere]x", "[UTC]", "]"]
)
def test_brackets_that_hold_no_zone_are_no_time(desk: Desk, text: str) -> None:
    lines = f"user,item,at\na,i,{text}\nb,i,2024-03-01T10:00:00\n"
    log = desk.read(
        desk.write("a.csv", lines), config=IN_BERLIN + "[reject]\nmax_share = 1\n", now_ms=2 * TEN_UTC
    )
    assert log.rejects_by_reason == {"timestamp cannot be read as an ISO date": 1}


@pytest.mark.parametrize("unit", ["iso", "basic", "%d.%m.%Y %H:%M:%S", "parquet"])
def test_local_times_that_do_not_exist_or_exist_twice_are_counted(desk: Desk, unit: str) -> None:
    naive = [
        "2024-03-31 01:59:59",
        "2024-03-31 02:00:00",
        "2024-03-31 02:59:59",
        "2024-03-31 03:00:00",
        "2024-10-27 01:59:59",
        "2024-10-27 02:00:00",
        "2024-10-27 02:30:00",
        "2024-10-27 02:59:59",
        "2024-10-27 03:00:00",
        "2024-07-01 02:30:00",
    ]
    times = [datetime.fromisoformat(text) for text in naive]
    shown = {"iso": "%Y-%m-%dT%H:%M:%S", "basic": "%Y%m%dT%H%M%S"}.get(unit, unit)
    if unit == "parquet":
        path = desk.folder / "a.parquet"
        ids = [str(k) for k in range(len(times))]
        pq.write_table(pa.table({"user": ids, "item": ids, "at": pa.array(times, pa.timestamp("us"))}), path)
    else:
        lines = "".join(f"u{k},i,{time.strftime(shown)}\n" for k, time in enumerate(times))
        path = desk.write("a.csv", "user,item,at\n" + lines)
    config = IN_BERLIN + (f'unit = "{unit}"\n' if "%" in unit else "")
    log = desk.read(path, config=config, now_ms=2 * TEN_UTC)
    assert log.n_events == 10
    assert [warning.split(" rows")[0] for warning in log.warnings] == ["2", "3"]
    assert all("Europe/Berlin" in warning for warning in log.warnings)
    summer, winter = (
        int(datetime(2024, m, d, 1, tzinfo=UTC).timestamp()) * 1000 for m, d in ((3, 31), (10, 27))
    )
    found = {at for (at,) in rows(log.tables.events, "at_ms")}
    assert {
        summer - 1000,
        summer,
        summer + 3_599_000,
        winter,
        winter + 1_800_000,
        winter + 3_600_000,
    } <= found


def test_a_zone_whose_clocks_do_not_change_warns_of_nothing(desk: Desk) -> None:
    config = IN_BERLIN.replace("Europe/Berlin", "Etc/GMT-3")
    log = desk.read(desk.write("a.csv", "user,item,at\na,i,2023-03-26 02:30:00\n"), config=config)
    assert log.warnings == []
