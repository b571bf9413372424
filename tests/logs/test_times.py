"""Logs of days, of steps and without times."""

import datetime

import pytest

from graphdet.config import load_config
from graphdet.errors import TooManyRejects
from graphdet.graph.encode import encode
from graphdet.units import DAY_MS
from tests.logs.log_desk import Desk, rows

DAYS = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
[time]
unit = "day"
"""
UNTIMED = """
[columns]
user_id = "user"
item_id = "item"
action = "action"
"""


def day(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text + "T00:00:00+00:00").timestamp() * 1000)


def test_a_day_is_the_day_that_is_written(desk: Desk) -> None:
    log = desk.write(
        "log.csv", "user,item,at\na,x,2020-01-31\na,y,2020-02-01T23:59:59+05:00\nb,x,2020-2-3 08:00\n"
    )
    read = desk.read(log, config=DAYS)
    assert [at for _, at in rows(read.tables.events, "event_row", "at_ms")] == [
        day("2020-01-31"), day("2020-02-01"), day("2020-02-03"),
    ]  # fmt: skip
    graph = encode(read.tables.interactions)
    assert graph.timed
    assert graph.resolution_ms == DAY_MS


def test_what_is_no_day_is_rejected(desk: Desk) -> None:
    log = desk.write("log.csv", "user,item,at\na,x,2020-01-31\na,y,31.01.2020\n")
    with pytest.raises(TooManyRejects, match="cannot be read as a day"):
        desk.read(log, config=DAYS)


def test_days_and_steps_count_from_an_origin(desk: Desk) -> None:
    log = desk.write("log.csv", "user,item,at\na,x,0\na,y,3\nb,x,30\n")
    by_day = desk.read(log, config=DAYS + 'origin = "2020-01-01"\n').tables.events
    assert [at for _, at in rows(by_day, "event_row", "at_ms")] == [
        day("2020-01-01"), day("2020-01-04"), day("2020-01-31"),
    ]  # fmt: skip
    steps = DAYS.replace('"day"', '"step"') + 'origin = "2020-01-01"\nstep_s = 3600\n'
    read = desk.read(log, config=steps).tables
    assert [at - day("2020-01-01") for _, at in rows(read.events, "event_row", "at_ms")] == [
        0, 3 * 3_600_000, 30 * 3_600_000,
    ]  # fmt: skip
    assert encode(read.interactions).resolution_ms == 3_600_000


def test_a_log_without_times_has_no_moment_and_one_session_a_user(desk: Desk) -> None:
    log = desk.write("log.csv", "user,item,action\na,x,like\na,y,like\nb,x,like\nb,x,follow\n,y,like\n")
    read = desk.read(log, config=UNTIMED + "[reject]\nmax_share = 0.5\n")
    assert (read.n_events, read.n_rejects) == (4, 1)
    assert any("no times" in warning for warning in read.warnings)
    assert rows(read.tables.sessions) == [("a@0", "a", 0, 0), ("b@0", "b", 0, 0)]
    assert not encode(read.tables.interactions).timed


def test_the_shipped_config_of_steps_reads_what_paysim_writes(desk: Desk) -> None:
    log = desk.write(
        "paysim.csv",
        "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud\n"
        "1,PAYMENT,9839.64,C1,170136.0,160296.36,M9,0.0,0.0,0\n"
        "25,TRANSFER,181.0,C2,181.0,0.0,C1,0.0,0.0,1\n",
    )
    read = desk.read(log, config=load_config("payments_steps")).tables
    assert rows(read.interactions, "user_id", "item_id", "action", "at_ms") == [
        ("C1", "C2", "received", day("2020-01-02") + 3_600_000),
        ("C1", "M9", "sent", day("2020-01-01") + 3_600_000),
        ("C2", "C1", "sent", day("2020-01-02") + 3_600_000),
        ("M9", "C1", "received", day("2020-01-01") + 3_600_000),
    ]
