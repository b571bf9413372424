"""Whatever stands in a config: it is read, or refused by a message that names key and value; nothing else happens."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graphdet.config import Config, load_config, parse_config
from graphdet.config.reader import _KEYS
from graphdet.config.settings import Retention
from graphdet.errors import ConfigError, GraphdetError
from tests.logs.log_desk import Desk

REQUIRED = '[columns]\nuser_id = "u"\nitem_id = "i"\ntimestamp = "t"\n'
DEEP = "[" * 3000 + "]" * 3000
LOG = (
    "u,i,t,s,a,r,g,n,x\n"
    "u1,i1,1700000000,s1,view,5,BR,1,hello\n"
    "u3,i1,1700000000000,,,5,BR,1,\n"
    "u1,i1,2024-01-01T10:00:00,s1,view,5,BR,1,hello\n"
    'u2,i1,2024-01-01T10:05:00,s2,buy,1,US,-1,"hello, you"\n'
    "u1,i2,2024-03-31T02:30:00,s1,view,4.5,BR,2,\n"
    ",i2,1700000000000,,,,,,\n"
)


def load(folder: Path, text: str) -> Any:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sessions]\ngap_s = inf\n", ["[sessions] gap_s", "at most", "inf"]),
        ("[sessions]\ngap_s = nan\n", ["[sessions] gap_s", "nan"]),
        ("[sessions]\ngap_s = 1e308\n", ["[sessions] gap_s", "1e+308"]),
        (f"[sessions]\ngap_s = {'9' * 40}\n", ["[sessions] gap_s", "9999"]),
        (f"[sessions]\ngap_s = {'9' * 400}\n", ["[sessions] gap_s", "more than 60 digits"]),
        (f"[sessions]\ngap_s = {'9' * 10_000}\n", ["not valid TOML", "digits"]),
        ("[filters]\ng = inf\n", ["[filters] g", "finite", "inf"]),
        ("[filters]\ng = { min = nan }\n", ["[filters] g", "finite"]),
        ("[filters]\ng = { min = 2, max = 1 }\n", ["[filters] g", "min is not above max"]),
        ("[filters]\ng = 12345678901234567890\n", ["[filters] g", "as texts"]),
        (f"[filters]\ng = {DEEP}\n", ["nested too deep"]),
        ('[filters]\n"" = 1\n', ["[filters]", "''"]),
        ('[attributes]\n"" = "g"\n', ["[attributes]", "''"]),
        ('[attributes]\n"a.b" = "g"\n', ["[attributes] 'a.b'", "letters"]),
        ('[attributes]\n"a\\u0000b" = "g"\n', ["[attributes]", "a\\x00b", "NUL"]),
        ('[attributes]\nAction = "g"\n', ["[attributes] Action", "standard column"]),
        ('[attributes]\ngeo = "g"\nGEO = "r"\n', ["geo and GEO", "upper and lower"]),
        ('[entities]\nip = "g"\nIP = "r"\n', ["ip and IP", "upper and lower"]),
        ('[time]\nunit = "%Y\\u0000"\n', ["[time] unit", "NUL", "%Y\\x00"]),
        ('[time]\nunit = "%Q"\n', ["[time] unit", "strptime", "%Q"]),
        ('[time]\nunit = "100%"\n', ["[time] unit", "strptime", "100%"]),
        ('[time]\nzone = "localtime"\n', ["[time] zone 'localtime'", "IANA"]),
        ('[time]\nzone = "posixrules"\n', ["[time] zone 'posixrules'", "IANA"]),
        ('[time]\nzone = "right/UTC"\n', ["[time] zone 'right/UTC'", "IANA"]),
        (
            '[time]\nzone = "posix/Europe/Berlin"\n',
            ["[time] zone", "did you mean 'Europe/Berlin'"],
        ),
        ('[time]\nzone = "../UTC"\n', ["[time] zone '../UTC'", "IANA"]),
        ('[time]\nearliest = "0001-01-01T00:00+14:00"\n', ["[time] earliest", "years 1 to 9999"]),
        ('[time]\nlatest = "9999-12-31T23:59:59-14:00"\n', ["[time] latest", "years 1 to 9999"]),
        ("[time]\nearliest = 2020-01-01\n", ["[time] earliest", "in quotes"]),
        ('[time]\nearliest = "2021-01-01"\nlatest = "2020-01-01"\n', ["earliest 2021-01-01 must be before"]),
        *(
            (f'[read]\nencoding = "{name}"\n', ["[read] encoding", name, "an encoding of texts"])
            for name in ("rot13", "hex", "base64", "zlib", "uu", "quopri", "bz2", "idna", "no")
        ),
        ('[read]\nquote = ","\n', ["[read] quote", "','"]),
        ('[read]\nquote = "\\n"\n', ["[read] quote"]),
        ('[read]\ndelimiter = "|"\nquote = "|"\n', ["delimiter and quote are both '|'"]),
        ('[read]\ndelimiter = "\\n"\n', ["[read] delimiter"]),
        (
            "[actions.rename]\n" + "".join(f'a{k} = "b"\n' for k in range(5_000)),
            ["[actions] rename", "500 at most"],
        ),
        ("[attributes]\n" + "".join(f'a{k} = "b"\n' for k in range(501)), ["[attributes]", "500 at most"]),
        ('[actions]\ndefault = " "\n', ["[actions] default", "not blank"]),
        ('[columns.a.b]\nc = "d"\n', ["[columns] has no key a"]),
        ('[text]\nmin_width = 99999999\n', ["[text] min_width", "at most"]),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_when_the_config_is_read(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text if "[columns." in text else REQUIRED + text)
    message = str(caught.value)
    assert "mine.toml" in message
    assert "\n" not in message
    assert len(message) < len(str(tmp_path)) + 400
    assert [word for word in words if word not in message] == []


def test_a_name_that_no_file_can_have_is_no_config() -> None:
    for name in ("a" * 300, "x/" + "a" * 5000 + ".toml"):
        with pytest.raises(ConfigError, match=r"config .*cannot be a file"):
            load_config(name)


def test_what_is_no_config_at_all_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "log.toml").write_text("#" * 2_000_000)
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        load_config(tmp_path / "log.toml")


def test_the_ends_of_the_calendar_and_as_many_names_as_may_be_are_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    renames = "".join(f'a{k} = "b{k}"\n' for k in range(499)) + 'view = "seen"\n'
    many = ", ".join(f'"c{k}"' for k in range(499))
    config = (
        REQUIRED.replace('"t"\n', '"t"\naction = "a"\n')
        + '[time]\nearliest = "0001-01-01"\nlatest = "9999-12-31"\n[reject]\nmax_share = 1\n'
        + f'[filters]\ng = ["BR", {many}]\n[actions.rename]\n{renames}'
    )
    log = desk.read(desk.write("a.csv", LOG), config=config)
    assert (log.n_events, log.n_filtered) == (2, 2)
    assert {row[0] for row in log.tables.events.select("action").to_native().fetchall()} == {"seen"}


COLUMN = st.sampled_from(list("uitsargnx"))
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
) | st.sampled_from([10**45, 1e308, math.inf, math.nan, 2**53 + 1, "a" * 2000, "\0", "\ud800"])  # fmt: skip
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.integers(1, 10**9) | st.floats(1e-9, 1e9)
WORD = st.text(min_size=1, max_size=5)
DATE = st.dates().map(str) | st.sampled_from(
    ["0001-01-01", "9999-12-31", "2020-W01-1", "9999-12-31T23:59:59.9999999", "1970-01-01T00:00-14:00"]
)
SIGN = st.characters(max_codepoint=0x20FFF) | st.sampled_from(list(",;|\t\n\r\"' ~"))
ENCODINGS = [
    "utf-8",
    "latin-1",
    "cp1252",
    "utf-16",
    "utf-7",
    "utf-8-sig",
    "unicode_escape",
    "big5",
    "cp037",
    "ascii",
]
OPTIONAL = {"session_id": "s", "action": "a", "event_id": "r", "amount": "r", "quantity": "n", "text": "x"}
OPTIONAL |= {"item_name": "x", "device_id": "g", "ip": "g", "rating": "r", "sign": "n"}
NAME = st.sampled_from(
    ["geo", "row", "verdict", "item x", "user_ix", "größe", "ip", "file_ix", "wanted", "k"]
)
KIND = st.sampled_from(["device", "ip", "user", "K9"])
# What each table may hold; nearly all of it is right.
RIGHT: dict[str, dict[str, Any]] = {
    "rating": {"low": st.just(2), "high": NUMBER},
    "read": {
        "delimiter": st.just(",") | SIGN,
        "header": st.just(True),
        "names": st.just(list("uitsargnx")),
        "quote": st.sampled_from(["", '"', "'"]) | SIGN,
        "encoding": st.sampled_from(ENCODINGS),
        "file_column": COLUMN,
        "skip": st.integers(0, 2),
        "comment": st.sampled_from(["#", "u", "//"]) | WORD,
        "decimal": st.sampled_from([".", ","]),
        "null": st.lists(WORD, max_size=3),
        "max_line_mb": st.floats(0.001, 100),
        "max_unfold": st.floats(1, 1000),
    },
    "time": {
        "unit": st.sampled_from(
            ["s", "ms", "us", "ns", "iso", "day", "step", "excel", "%Y-%m-%dT%H:%M:%S", "%-y", "%%"]
        )
        | st.text("%YmdHMSfzZ -:T.", min_size=1, max_size=8),
        "zone": st.sampled_from(["UTC", "Europe/Berlin", "Etc/GMT+5", "EST5EDT", "Asia/Kathmandu"]),
        "origin": DATE,
        "earliest": DATE,
        "latest": DATE,
        "step_s": SECONDS,
    },
    "sessions": {"gap_s": SECONDS},
    "actions": {
        "default": WORD,
        "rename": st.dictionaries(WORD | st.just("view"), WORD, max_size=3),
        "keep": st.lists(WORD | st.just("view"), min_size=1, max_size=3),
        "negative_quantity": WORD,
    },
    "text": {"templates": st.booleans(), "min_width": st.integers(1, 100_000)},
    "pictures": {"folder": st.sampled_from(["", "no", "."]), "most_users": st.integers(1, 100_000)},
    "reject": {"max_share": st.just(1), "duplicates": st.booleans()},
    "privacy": {
        "pseudonyms": st.lists(st.sampled_from(["user_id", "item_id", "ip", "k"]), max_size=3),
        "key_file": st.sampled_from(["no.key", "", "a/b.key"]),
    },
    "retention": {field.name: st.integers(1, 10_000) for field in fields(Retention)},
}


def test_the_grammar_knows_every_key() -> None:
    known = {"columns": {*OPTIONAL, "user_id", "item_id", "timestamp", "payee"}} | RIGHT
    for table, keys in _KEYS.items():
        assert None in keys or set(keys) <= set(known[table]), table


@st.composite
def configs(draw: Any) -> dict[str, Any]:
    """Tables of a config; in half of them one key holds anything at all."""
    columns = {"user_id": "u", "item_id": draw(st.sampled_from(["i", ["i", "x"]])), "timestamp": "t"}
    columns |= draw(st.sampled_from([{}, {}, {}, {"timestamp": ["t", "x"]}, {"payee": "x"}]))
    columns |= {key: OPTIONAL[key] for key in draw(st.sets(st.sampled_from(sorted(OPTIONAL)), max_size=5))}
    if draw(st.booleans()):
        columns[draw(st.sampled_from(sorted(OPTIONAL)))] = draw(COLUMN)
    if "rating" in columns:
        columns.pop("sign", None)
    tables: dict[str, Any] = {"columns": columns, "reject": {"max_share": 1.0}}
    for table in draw(st.sets(st.sampled_from(sorted(RIGHT)), max_size=3)):
        tables[table] = draw(st.fixed_dictionaries({}, optional=RIGHT[table]))
    if draw(st.integers(0, 4)) == 0:
        del columns["timestamp"]
        tables = {name: body for name, body in tables.items() if name not in ("time", "sessions")}
    if "rating" in columns:
        tables["rating"] = {"low": 2, "high": 4}
    for table in draw(st.sets(st.sampled_from(["entities", "attributes"]))):
        tables[table] = draw(st.dictionaries(NAME if table == "attributes" else KIND, COLUMN, max_size=3))
    if draw(st.integers(0, 3)) == 0:
        span = st.fixed_dictionaries({}, optional={"min": st.just(-1e300), "max": NUMBER})
        wanted = NUMBER | st.text(max_size=3) | st.lists(NUMBER | st.text(max_size=2), min_size=1, max_size=3)
        tables["filters"] = draw(st.dictionaries(COLUMN, wanted | st.booleans() | span, max_size=2))
    if draw(st.booleans()):
        table = draw(st.sampled_from(sorted({*tables, *RIGHT}))) if draw(st.integers(0, 9)) else draw(WORD)
        keys = [*RIGHT.get(table, {}), *OPTIONAL] if table in (*RIGHT, "columns") else ["geo", "a.b", ""]
        body = tables.get(table, {})
        tables[table] = {**body, draw(st.sampled_from(keys) | st.text(max_size=5)): draw(ANY)}
    return tables


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables=configs() | st.dictionaries(st.text(max_size=8), ANY, max_size=3))
@example(tables={"columns": {"user_id": "u", "item_id": ["i", "g.h", 'a"b']}})
@example(tables={3: {}})
def test_any_config_is_read_or_refused_and_what_was_read_can_be_used(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any]
) -> None:
    try:
        config = parse_config(tables, name="any", where="any")
    except ConfigError as refused:
        words = str(refused)
    else:
        words = read_all(Desk(tmp_path_factory.mktemp("log")), config)
    assert words
    assert "\n" not in words


def read_all(desk: Desk, config: Config) -> str:
    """Read the log and all that is made of it; says what came out."""
    try:
        log = desk.read(desk.write("a.csv", LOG), config=config)
    except GraphdetError as refused:
        return str(refused)
    tables = log.tables
    for table in (tables.events, tables.interactions, tables.items, tables.sessions, tables.entities):
        table.to_native().fetchall()
    return "read"
