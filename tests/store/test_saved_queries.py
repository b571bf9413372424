"""Saved queries without a store: their comments, their values, and how they are printed."""

import io
import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from graphdet import schema
from graphdet.cli import show
from graphdet.errors import UsageError
from graphdet.sheets import original
from graphdet.store.duckdb import twins
from graphdet.store.neo4j import browser, saved
from graphdet.store.neo4j.statements import cypher_text, names, text_literal
from graphdet.store.queries import declared, fill_parameters, needed

ALL = {name: cypher_text(f"browser/{name}") for name in names("browser")}
IN_BOTH = [name for name in saved.cypher_titles() if not name.startswith("draw-")]


def test_every_script_has_a_title_and_a_limit() -> None:
    for name, text in ALL.items():
        assert re.match(r"// \d\d [A-Z]", text), name
        assert re.search(r"^LIMIT \d+\s*\Z", text, re.MULTILINE), name


def test_the_ten_of_an_investigation_have_parameters_that_their_comments_declare() -> None:
    for name, title in saved.cypher_titles().items():
        used = set(re.findall(r"\$(\w+)", ALL[name]))
        assert used == set(declared(ALL[name])), name
        assert used or title > "11", name


def test_both_stores_have_the_same_titles_parameters_and_defaults() -> None:
    assert list(twins.sql_titles()) == IN_BOTH
    for name in IN_BOTH:
        assert twins.sql_titles()[name] == saved.cypher_titles()[name]
        assert declared(twins.sql_text(name)) == declared(ALL[name])
        ids = {key: "x" for key in declared(ALL[name]) if needed(key)}
        assert twins.load_query(name, ids)[1] == saved.statement_of(name, ids)[1]


def test_a_parameter_means_the_same_in_all_queries() -> None:
    defaults: dict[str, object] = {}
    for name in saved.cypher_titles():
        for key, value in declared(ALL[name]).items():
            assert defaults.setdefault(key, value) == value or needed(key), (name, key)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z"),
    ],
)
def test_times_become_one_form(given: str, value: str) -> None:
    text = "// :param since => '1970-01-01T00:00:00Z'\n$since"
    assert fill_parameters("q", text, {"since": given}) == {"since": value}


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+23:59", "soon", "", "2026-13-01"])
def test_what_is_no_time_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="must be a time"):
        fill_parameters("q", "// :param since => '1970-01-01T00:00:00Z'\n$since", {"since": given})


def test_csv_is_safe_in_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "=cmd|' /C calc'!A0"
    show.print_sheet(
        pa.table({"user_id": [hostile, "u1"], "n": [1, None], "ids": [["a"], []], "ok": [True, None]})
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "\ufeffuser_id,n,ids,ok"
    assert lines[1] == f'\'{hostile},1,"[""a""]",true'
    assert original(f"'{hostile}") == hostile
    assert lines[2] == "u1,,[],"


def test_risk_bands_are_the_documented_ones_and_a_flag_is_always_high() -> None:
    values = [None, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0]
    found = [schema.risk_band(score, False) for score in values]
    assert found == ["none"] * 3 + ["low"] * 3 + ["medium"] * 3
    assert {schema.risk_band(score, True) for score in values} == {"high"}


def test_favourites_are_a_folder_in_order_and_the_same_bytes_each_time() -> None:
    with zipfile.ZipFile(io.BytesIO(browser.favourites())) as archive:
        files = archive.namelist()
        assert files == sorted(files)
        assert len(files) == 1 + len(ALL)
        assert {Path(file).parent.name for file in files} == {"graphdet"}
        texts = [archive.read(file).decode() for file in files]
    assert texts[0].splitlines()[1].startswith(":params {")
    assert sorted(texts[1:]) == sorted(ALL.values())
    assert browser.favourites() == browser.favourites()


def test_the_style_is_what_the_settings_say() -> None:
    rules = browser.style_rules()
    assert {"node.User", "node.Suspect", "node.Ring", "node.Item", "node.Device"} <= set(rules)
    assert list(rules).index("node.Suspect") > list(rules).index("node.User")  # a later rule wins
    assert all(rule["color"].startswith("#") for rule in rules.values())
    command = browser.settings()["browser.post_connect_cmd"]
    assert command.startswith('style {"node":{')
    assert "\n" not in command
    assert browser.style_text().count("{\n") == len(rules)


@pytest.mark.parametrize("text", ["a'b", "\\u0027", "a\\", "\n", "\u202e", "\U000e0041", "plain 🛒"])
def test_a_literal_cannot_end_early(text: str) -> None:
    written = text_literal(text)
    # As Cypher reads it: first the escapes of characters, then those of the literal.
    read = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), written[1:-1])
    read = read.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    assert re.fullmatch(r"(?:[^'\\]|\\['\\])*", read, re.DOTALL)
    assert re.sub(r"\\(.)", r"\1", read) == text
