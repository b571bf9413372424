"""Ids of the wrong shape: lists, objects, floats that lost digits, one user written in two ways, doubled columns."""

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import InputError
from tests.logs.log_desk import BASIC, NOW_MS, Desk, rows

ALL = BASIC + "[reject]\nmax_share = 1\n"
DEVICES = ALL + '[entities]\ndevice = "device"\n'


def users(desk: Desk, *paths: Any, config: str = ALL) -> list[str]:
    return sorted({u for (u,) in rows(desk.read(*paths, config=config).tables.interactions, "user_id")})


def reasons(desk: Desk) -> list[str]:
    return [row["reason"] for row in desk.rejects()]


def parquet(desk: Desk, name: str, values: Any, **more: Any) -> Any:
    n = len(values)
    path = desk.folder / name
    table = {
        "user": values,
        "item": [f"i{k}" for k in range(n)],
        "at": [NOW_MS - k for k in range(n)],
        **more,
    }
    pq.write_table(pa.table(table), path)
    return path


def jsonl(desk: Desk, values: list[Any], key: str = "user") -> Any:
    made = [{"user": f"u{k}", "item": "i", "at": NOW_MS - k} | {key: value} for k, value in enumerate(values)]
    return desk.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in made))


@pytest.mark.parametrize(
    ("value", "what"),
    [([1, 2], "list"), ([], "list"), ([[1]], "list"), ({"id": 5}, "object"), ({}, "object")],
)
@pytest.mark.parametrize("key", ["user", "item"])
def test_json_that_is_not_one_value(desk: Desk, value: Any, what: str, key: str) -> None:
    log = desk.read(jsonl(desk, ["ok", value, "[1, 2]", "{}"], key), config=ALL)
    assert reasons(desk) == [f"{key}_id is {'a' if what == 'list' else 'an'} {what}, not one value"]
    assert (log.n_rows, log.n_events) == (4, 3)  # the texts [1, 2] and {} are ids


def test_a_list_is_no_device_that_two_share(desk: Desk) -> None:
    path = jsonl(desk, [[], [], {}, "d1", None], "device")
    log = desk.read(path, config=DEVICES)
    assert reasons(desk) == ["entity device is a list, not one value"] * 2 + [
        "entity device is an object, not one value"
    ]
    assert rows(log.tables.entities, "entity_id") == [("d1",)]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pa.array([[1], [1, 2], []]), "a list"),
        (pa.array([[1, 2]] * 3, pa.list_(pa.int64(), 2)), "a list"),
        (pa.array([{"id": 1}, {"id": 2}, {"id": 3}]), "an object"),
        (pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())), "an object"),
    ],
)
def test_parquet_that_is_not_one_value(desk: Desk, values: pa.Array, what: str) -> None:
    with pytest.raises(InputError, match=f"3 user_id is {what}, not one value"):
        desk.read(parquet(desk, "a.parquet", values), config=ALL)
    assert reasons(desk) == [f"user_id is {what}, not one value"] * 3


LOST = "user_id is a float that has lost digits of the id"


@pytest.mark.parametrize(
    ("values", "want", "n_lost"),
    [
        (pa.array([1.0, 17850.0, None, float("nan"), 2.0**53 - 1]), ["1", "17850", "9007199254740991"], 0),
        (pa.array([1.0, 2.0**53, 2.0**53 + 2, 1e18, -(2.0**60)]), ["1"], 4),
        (pa.array([1.0, 2.0**24 - 1, 2.0**24, 2.0**25], pa.float32()), ["1", "16777215"], 2),
        (
            pa.array([Decimal("17850.00"), Decimal("17850.50"), Decimal("1.00")]),
            ["1", "17850", "17850.50"],
            0,
        ),
        (pa.array([2**63, 2**64 - 1], pa.uint64()), [str(2**63), str(2**64 - 1)], 0),
    ],
)
def test_numbers_of_parquet(desk: Desk, values: pa.Array, want: list[str], n_lost: int) -> None:
    assert users(desk, parquet(desk, "a.parquet", values)) == sorted(want)
    assert reasons(desk).count(LOST) == n_lost


def test_one_rule_for_all_formats(desk: Desk) -> None:
    """17850 is one user: as text, as float, as decimal, in CSV, JSON and Parquet."""
    written = ["17850", "17850.0", "17850.00"]
    csv = desk.write(
        "a.csv", "user,item,at\n" + "".join(f"{u},a{k},{NOW_MS}\n" for k, u in enumerate(written))
    )
    js = jsonl(desk, [17850, 17850.0, "17850", "17850.0"])
    made = [
        parquet(desk, "int.parquet", [17850]),
        parquet(desk, "float.parquet", [17850.0]),
        parquet(desk, "text.parquet", ["17850.0"]),
        parquet(desk, "decimal.parquet", [Decimal("17850.00")]),
    ]
    log = desk.read(csv, js, *made, config=ALL)
    assert rows(log.tables.interactions.select("user_id").unique()) == [("17850",)]
    assert log.n_events + log.n_duplicates == 11
    assert any("5 values of user_id are whole numbers written with .0" in w for w in log.warnings), (
        log.warnings
    )


def test_what_only_looks_like_a_number_stays(desk: Desk) -> None:
    kept = ["007", "1.10", "v2.0", "10.0.0.0", "1e3", "0x10", "12e45678", "1.0.0", ".0"]
    csv = desk.write("a.csv", "user,item,at\n" + "".join(f"{u},i,{NOW_MS - k}\n" for k, u in enumerate(kept)))
    assert users(desk, csv) == sorted(kept)


def test_floats_in_texts_that_lost_digits(desk: Desk) -> None:
    """A table program wrote them so; different ids may stand behind one."""
    lost = ["1.23457E+15", "1,23457E+15", "9007199254740992.0", "1e+16", "1.5e+300"]
    csv = desk.write(
        "a.csv",
        "user,item,at\n"
        + "".join(f'"{u}",i,{NOW_MS - k}\n' for k, u in enumerate([*lost, "9007199254740992"])),
    )
    log = desk.read(csv, config=ALL)
    assert reasons(desk) == [LOST] * len(lost)
    assert users(desk, csv) == ["9007199254740992"]
    assert any("write ids as whole numbers or texts" in w for w in log.warnings)


def test_a_doubled_column_is_refused(desk: Desk) -> None:
    at = pa.array([NOW_MS])
    one = pa.array(["x"])
    for second in ("user", "User"):
        path = desk.folder / "a.parquet"
        pq.write_table(pa.Table.from_arrays([one, one, at, one], names=["user", "item", "at", second]), path)
        with pytest.raises(InputError, match=r"twice; rename|alike but for case; rename"):
            desk.read(path)
        csv = desk.write("a.csv", f"user,item,at,{second}\na,b,{NOW_MS},c\n")
        with pytest.raises(InputError, match=r"twice; rename|alike but for case; rename"):
            desk.read(csv)
    path = desk.folder / "b.parquet"
    pq.write_table(
        pa.Table.from_arrays([one, one, at, one, one], names=["user", "item", "at", "z", "z"]), path
    )
    assert desk.read(path).n_events == 1  # nobody asked for it
    twice = f'{{"user":"a","user":"b","item":"i","at":{NOW_MS}}}\n{{"user":"c","item":"i","at":{NOW_MS},"z":1,"z":2}}\n'
    assert users(desk, desk.write("a.jsonl", twice)) == ["c"]
    assert reasons(desk) == ["a key stands twice in the object"]


SESSIONS = BASIC.replace("[time]", 'session_id = "s"\n[time]')


def test_a_session_of_the_log_is_not_one_that_was_cut(desk: Desk) -> None:
    """a has no session at first, and then one whose name is what the cut would be called."""
    cut = f"a@{NOW_MS - 5000}"
    csv = f"user,item,at,s\na,x,{NOW_MS - 5000},\na,y,{NOW_MS},{cut}\nb,y,{NOW_MS},\n"
    log = desk.read(desk.write("a.csv", csv), config=SESSIONS)
    assert len({s for (s,) in rows(log.tables.interactions, "session_id")}) == 3


def test_sessions_of_two_users_with_slashes_stay_two(desk: Desk) -> None:
    pairs = [("a", "b/c"), ("x", "b/c"), ("a/b", "c"), ("x", "c"), ("z", "x/c")]
    csv = "user,item,at,s\n" + "".join(f"{u},i{k},{NOW_MS - k},{s}\n" for k, (u, s) in enumerate(pairs))
    log = desk.read(desk.write("a.csv", csv), config=SESSIONS)
    assert len({s for (s,) in rows(log.tables.interactions, "session_id")}) == 5


def test_a_field_of_a_struct_is_named_with_dots_in_parquet_as_in_json(desk: Desk) -> None:
    who = [{"id": 7, "geo": {"ip": "203.0.113.7"}}, {"id": 8, "geo": {"ip": None}}, None]
    path = parquet(desk, "a.parquet", who, **{"item.id": ["a", "b", "c"], "id": [1, 2, 3]})
    config = (
        ALL.replace('"user"', '"user.id"').replace('"item"', '"item.id"') + '[entities]\nip = "user.geo.ip"\n'
    )
    log = desk.read(path, config=config)
    assert rows(log.tables.interactions, "user_id", "item_id") == [("7", "a"), ("8", "b")]
    assert log.rejects_by_reason == {"missing user_id (user.id)": 1}
    assert rows(log.tables.entities, "user_id", "entity_id") == [("7", "203.0.113.7")]
    assert json.loads(desk.rejects()[0]["row"])["item.id"] == "c"


@pytest.mark.parametrize("name", ["user.name", "user.id.x", "item.id", "user.", ".id", "user.Id"])
def test_a_name_with_dots_that_leads_nowhere_is_told(desk: Desk, name: str) -> None:
    path = parquet(desk, "a.parquet", [{"id": 7}])
    with pytest.raises(InputError, match="there is no column") as told:
        desk.read(path, config=ALL.replace('"user"', f'"{name}"'))
    assert repr(name) in str(told.value)


def test_a_struct_has_a_field_of_the_name_of_a_column(desk: Desk) -> None:
    path = parquet(desk, "a.parquet", ["u1"], place=[{"user": "x", "at": 1}])
    assert users(desk, path) == ["u1"]
