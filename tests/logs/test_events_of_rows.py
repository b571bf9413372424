"""What a row stands for: several items, an item and how it was judged, both sides of a payment."""

import pytest

from graphdet.errors import TooManyRejects
from graphdet.logs.known import Known
from tests.logs.log_desk import Desk, rows

POSTS = """
[columns]
user_id = "user"
item_id = ["url", "tag"]
timestamp = "at"
text = "said"
[time]
unit = "s"
[entities]
device = "phone"
"""
VOTES = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
item_name = "name"
sign = "vote"
[time]
unit = "s"
"""
PAID = """
[columns]
user_id = "payer"
payee = "payee"
timestamp = "at"
amount = "sum"
device_id = "phone"
[time]
unit = "s"
[entities]
device = "device_id"
"""
START = 1_600_000_000


def test_every_item_of_an_event_is_an_act_in_its_session(desk: Desk) -> None:
    log = desk.write(
        "posts.csv",
        "user,url,tag,at,said,phone\n"
        f"a,u.org,#x,{START},look,p1\n"
        f"a,,#x,{START + 60},,p1\n"
        f"b,u.org,,{START},look,p2\n"
        f"b,,,{START},nothing,p2\n",
    )
    read = desk.read(log, config=POSTS + "[reject]\nmax_share = 0.5\n")
    assert (read.n_events, read.n_rejects) == (3, 1)
    assert read.rejects_by_reason == {"missing item_id (url, tag)": 1}
    assert rows(read.tables.events, "event_id", "user_id", "item_id", "session_id", "text") == [
        ("0", "a", "url:u.org", f"a@{START}000", "look"),
        ("0/tag", "a", "tag:#x", f"a@{START}000", None),
        ("1", "a", "tag:#x", f"a@{START}000", None),
        ("2", "b", "url:u.org", f"b@{START}000", "look"),
    ]
    assert rows(read.tables.entities, "user_id", "entity_id", "n") == [("a", "p1", 2), ("b", "p2", 1)]
    assert rows(read.tables.items, "item_id") == [("tag:#x",), ("url:u.org",)]


def test_an_item_judged_well_and_ill_is_two_items(desk: Desk) -> None:
    votes = ["a,i,+,I", "b,i,-1,I", "c,i,0,I", "d,i,,I", "e,i,3.5,I", "f,i,−,I"]
    text = "user,item,vote,name,at\n" + "".join(f"{vote},{START + n}\n" for n, vote in enumerate(votes))
    read = desk.read(desk.write("votes.csv", text), config=VOTES)
    assert rows(read.tables.events, "user_id", "item_id") == [
        ("a", "i (+)"), ("b", "i (-)"), ("c", "i"), ("d", "i"), ("e", "i (+)"), ("f", "i (-)"),
    ]  # fmt: skip
    assert rows(read.tables.items) == [("i (+)", "I (+)"), ("i (-)", "I (-)"), ("i", "I")]


def test_ratings_have_limits_and_whole_numbers_stay_items(desk: Desk) -> None:
    config = (
        VOTES.replace("sign", "rating").replace('item_name = "name"\n', "") + "[rating]\nlow = 2\nhigh = 4\n"
    )
    text = "user,item,vote,at\n" + "".join(f"{n},7,{n},{START + n}\n" for n in range(1, 6))
    read = desk.read(desk.write("stars.csv", text), config=config)
    found = [item for _, item in rows(read.tables.events, "event_row", "item_id")]
    assert found == ["7 (-)", "7 (-)", "7", "7 (+)", "7 (+)"]


def test_a_vote_that_is_none_is_rejected(desk: Desk) -> None:
    log = desk.write("votes.csv", f"user,item,vote,name,at\na,i,up,I,{START}\nb,i,+,I,{START}\n")
    with pytest.raises(TooManyRejects, match="sign is neither \\+ nor - nor a number"):
        desk.read(log, config=VOTES)


def test_equal_rows_but_for_the_rating_are_no_duplicates(desk: Desk) -> None:
    log = desk.write(
        "votes.csv", f"user,item,vote,name,at\na,i,1,I,{START}\na,i,2,I,{START}\na,i,2,I,{START}\n"
    )
    read = desk.read(log, config=VOTES)
    assert (read.n_events, read.n_duplicates) == (2, 1)


def test_a_payment_has_two_sides(desk: Desk) -> None:
    log = desk.write(
        "paid.csv",
        f"payer,payee,at,sum,phone\na,b,{START},10,p1\nb,c,{START + 60},9,p2\nb,c,{START + 60},9,p2\na,,{START},1,p1\n",
    )
    read = desk.read(log, config=PAID + "[reject]\nmax_share = 0.5\n")
    assert (read.n_rows, read.n_events, read.n_duplicates) == (4, 2, 1)
    assert read.rejects_by_reason == {"missing payee (payee)": 1, "duplicate": 1}
    assert rows(read.tables.interactions, "user_id", "item_id", "action", "amount", "session_id") == [
        ("a", "b", "sent", 10.0, f"a@{START}000"),
        ("b", "a", "received", 10.0, f"b@{START}000"),
        ("b", "c", "sent", 9.0, f"b@{START}000"),
        ("c", "b", "received", 9.0, f"c@{START + 60}000"),
    ]
    # A payer's device is not the payee's.
    assert rows(read.tables.entities, "user_id", "entity_id") == [("a", "p1"), ("b", "p2")]
    assert [event for event, *_ in rows(read.tables.events, "event_id")] == [
        "0",
        "0/received",
        "1",
        "1/received",
    ]


def test_whole_numbers_on_one_side_and_texts_on_the_other_are_one_account(desk: Desk) -> None:
    path = desk.folder / "paid.parquet"
    desk.bench.execute(
        f"COPY (SELECT 1::BIGINT payer, '2' payee, {START} AS at UNION ALL SELECT 2, 'shop', {START}) "
        f"TO '{path}' (FORMAT parquet)"
    )
    config = "\n".join(line for line in PAID.splitlines() if "sum" not in line and "phone" not in line)
    read = desk.read(path, config=config.replace('[entities]\ndevice = "device_id"', ""))
    assert rows(read.tables.events, "user_id", "item_id") == [
        ("1", "2"),
        ("2", "1"),
        ("2", "shop"),
        ("shop", "2"),
    ]


def test_a_second_file_joins_the_sessions_of_both_sides(desk: Desk) -> None:
    one = desk.write("one.csv", f"payer,payee,at,sum,phone\na,b,{START},10,p1\n")
    read = desk.read(one, config=PAID)
    two = desk.write("two.csv", f"payer,payee,at,sum,phone\nb,a,{START + 60},5,p2\n")
    more = desk.read(two, config=PAID, known=Known(sessions=read.tables.sessions))
    assert rows(more.tables.interactions, "user_id", "item_id", "session_id") == [
        ("a", "b", f"a@{START}000"), ("b", "a", f"b@{START}000"),
    ]  # fmt: skip
