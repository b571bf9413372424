"""Words, zeros and invisible marks that are no ids; addresses that are one."""

from typing import Any

import pytest

from graphdet.errors import TooManyRejects
from tests.logs.log_desk import BASIC, NOW_MS, Desk, rows

ALL = BASIC + "[reject]\nmax_share = 1\n"
DEVICES = BASIC + '[entities]\ndevice = "device"\n'
WORDS = ["NULL", "\\N", "NA", "undefined", "None", "<NA>", "#N/A", "-", "nan", "unknown"]
ZEROS = ["00000000-0000-0000-0000-000000000000", "000000000000000", "00:00:00:00:00:00", "0.0.0.0"]


def csv(values: list[str], header: str = "user,item,at", end: str = "") -> str:
    return f"{header}\n" + "".join(f'"{v}",i,{NOW_MS - k}{end}\n' for k, v in enumerate(values))


def users(log: Any) -> list[str]:
    return sorted({u for (u,) in rows(log.tables.interactions, "user_id")})


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_nothing_is_told_and_taken_away_where_the_config_says_so(desk: Desk, word: str) -> None:
    path = desk.write("log.csv", csv(["ok", word, "ok2", word]))
    log = desk.read(path, config=ALL)
    (warning,) = [w for w in log.warnings if "no value" in w]
    assert repr(word) in warning
    assert "2 rows" in warning
    assert "log.csv line 3" in warning
    written = warning.rsplit("set ", 1)[1]  # what is told is TOML that can be pasted
    told = desk.read(path, config=ALL + written.replace("[read] ", "[read]\n") + "\n")
    assert users(told) == ["ok", "ok2"]
    assert [row["reason"] for row in desk.rejects()] == ["missing user_id (user)"] * 2
    assert desk.rejects()[0]["row"].count(word.replace("\\", "\\\\")) == 1  # the raw row stays as it was
    assert not [w for w in told.warnings if "no value" in w]


def test_no_word_is_told_where_the_config_has_none(desk: Desk) -> None:
    log = desk.read(desk.write("log.csv", csv(WORDS)), config=ALL + "[read]\nnull = []\n")
    assert users(log) == sorted(WORDS)
    assert log.warnings == []


@pytest.mark.parametrize("nothing", [*WORDS, *ZEROS, "Unknown", "NULL "])
def test_no_device_links_accounts(desk: Desk, nothing: str) -> None:
    """The row counts, and the account has no device."""
    text = f"user,item,at,device\na,i,{NOW_MS},{nothing}\nb,i,{NOW_MS - 1},{nothing}\nc,i,{NOW_MS - 2},d1\n"
    log = desk.read(desk.write("log.csv", text), config=DEVICES)
    assert log.n_events == 3
    assert {r[-1] for r in rows(log.tables.entities, "entity_id")} == {"d1"}
    assert any(repr(nothing.strip()) in w and "link nobody" in w and "line 2" in w for w in log.warnings)
    kept = desk.read(desk.folder / "log.csv", config=DEVICES + "[read]\nnull = []\n")
    assert len(rows(kept.tables.entities.select("entity_id").unique())) == 2


def test_attributes_that_link_are_held_to_the_same_rule(desk: Desk) -> None:
    text = f"user,item,at,device,country\na,i,{NOW_MS},{ZEROS[0]},NA\nb,i,{NOW_MS - 1},d,NA\n"
    config = BASIC.replace("[time]", 'device_id = "device"\n[attributes]\ncountry = "country"\n[time]')
    log = desk.read(desk.write("log.csv", text), config=config)
    assert rows(log.tables.events, "device_id", "country") == [("d", "NA"), (None, "NA")]  # Namibia


def test_null_holds_for_every_column(desk: Desk) -> None:
    text = f"user,item,at,n\na,i,{NOW_MS},NULL\nb,i,NULL,2\nc,-1,{NOW_MS},3\n"
    config = ALL.replace("[time]", 'amount = "n"\n[time]') + '[read]\nnull = ["NULL", "-1"]\n'
    log = desk.read(desk.write("log.csv", text), config=config)
    assert [row["reason"] for row in desk.rejects()] == ["missing timestamp (at)", "missing item_id (item)"]
    assert log.n_events == 1
    with pytest.raises(TooManyRejects):
        desk.read(desk.folder / "log.csv", config=config.replace("max_share = 1", "max_share = 0"))


BLANKS = "\t \u00a0\u200b\u3000\ufeff\u2003\u200e\u200f\u2060\u00ad\u202f\u2028\u180e\u200d"


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_of_unicode_are_trimmed_at_the_ends_alone(desk: Desk, blank: str) -> None:
    path = desk.write(
        "log.csv", csv(["anna", f"{blank}anna", f"anna{blank}", f" {blank} anna {blank}", f"an{blank}na"])
    )
    log = desk.read(path)
    assert users(log) == sorted(["anna", f"an{blank}na"])
    counted = [w for w in log.warnings if "3 values of user_id had blanks or invisible marks" in w]
    assert len(counted) == (0 if blank in "\t " else 1)


def test_an_id_of_blanks_is_missing(desk: Desk) -> None:
    desk.read(desk.write("log.csv", csv(["ok", "\u200b", "\u3000 \ufeff"])), config=ALL)
    assert [row["reason"] for row in desk.rejects()] == ["missing user_id (user)"] * 2


def test_one_address_written_in_two_ways_is_one(desk: Desk) -> None:
    v4 = "203.0.113.7"
    text = f"user,item,at,device\n::ffff:{v4},i,{NOW_MS},::FFFF:{v4}\n{v4},i,{NOW_MS - 1},{v4}\n"
    log = desk.read(desk.write("log.csv", text), config=DEVICES)
    assert users(log) == ["203.0.113.7"]
    assert {r for (r,) in rows(log.tables.entities, "entity_id")} == {"203.0.113.7"}
    assert any("IPv4 addresses written as IPv6" in w for w in log.warnings)
    other = csv(["::1", "::ffff:1", "2001:db8::ffff:1.2.3.4"])
    assert len(users(desk.read(desk.write("six.csv", other)))) == 3
