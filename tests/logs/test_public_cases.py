"""Small inputs made after public bug reports of other tools (`../shared/cases`): what each one gives.

Kinds E (ids of the wrong shape), F (words for nothing) and I (messages without a way out) of its table.
"""

from pathlib import Path

import pytest

from graphdet.config import load_config
from graphdet.errors import GraphdetError
from tests.logs.log_desk import Desk, rows

CASES = Path(__file__).parents[2] / "../shared/cases"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie outside of the repository"),
]

# The case; rows, events and users where it is read; and words that are told, or with which it is refused.
READ = [
    ("02-null-words", 11, 10, 10, ["'NULL'", "line 2", "set [read] null = "]),
    ("05-spaces-case-unicode", 12, 10, 4, ["6 values of user_id had blanks"]),
    ("12-semicolon-set", 4, 2, 2, ["'1.234'", 'decimal = ","']),
    ("14-sep-line", 1, 1, 1, []),
    ("15-header-space2", 1, 1, 1, []),
    ("15-index-col-R", 2, 2, 2, []),
    ("20-latin1", 2, 1, 1, ['encoding = "cp1252"']),
    ("21-empty-among", 2, 2, 2, ["b.csv: no rows"]),
    ("24-mixed-int-float-files", 6, 3, 3, ["write ids as whole numbers or texts"]),
    ("33-session-gapid", 3, 3, 2, []),
    ("36-movielens-dat", 2, 2, 1, []),
    ("36-split-date-time", 2, 2, 2, ['timestamp = ["date", "time"]']),
    ("36-w3c-log", 1, 1, 1, []),
    ("11-epoch-ns-unit", 2, 2, 2, []),
    ("06-iso-Berlin", 56, 35, 35, []),
    ("22-json-kinds", 26, 11, 9, ["lists are not taken apart"]),
]
REFUSED = [
    ("11-default-unit-ms", ['unit = "ms"']),
    ("11-epoch-in-iso", ['unit = "ms"']),
    ("11-apache-in-iso", ['unit = "%d/%b/%Y:%H:%M:%S %z"']),
    ("11-german-in-iso", ['unit = "%d.%m.%Y %H:%M:%S"']),
    ("12-semicolon-case", ['delimiter = ";"']),
    ("21-parquet-named-csv", ["Parquet"]),
    ("21-xlsx-as-csv", ["Excel workbook", "save it as CSV"]),
    ("22-json-pretty", ["jq -c ."]),
    ("24-id-list", ["is a list, not one value"]),
    ("24-id-struct", ["is an object, not one value"]),
    ("24-case-dup-cols", ["alike but for case"]),
    ("24-dup-exact-parquet", ["twice"]),
]


def files_of(case: str) -> list[str]:
    words = (CASES / case / "cmd").read_text().split("\n")[0].split()
    return [word.strip("'") for word in words[2 : words.index("--config")]]


@pytest.mark.parametrize(
    ("case", "n_rows", "n_events", "n_users", "told"), READ, ids=[row[0] for row in READ]
)
def test_what_is_read(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    n_rows: int,
    n_events: int,
    n_users: int,
    told: list[str],
) -> None:
    monkeypatch.chdir(CASES / case)
    log = desk.read(*files_of(case), config=load_config("c.toml"), now_ms=None)
    users = rows(log.tables.interactions.select("user_id").unique())
    assert (log.n_rows, log.n_events, len(users)) == (n_rows, n_events, n_users)
    assert log.n_rows == log.n_events + log.n_rejects + log.n_duplicates + log.n_filtered
    for words in told:
        assert words in " ".join(log.warnings)


@pytest.mark.parametrize(("case", "told"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch, case: str, told: list[str]) -> None:
    monkeypatch.chdir(CASES / case)
    with pytest.raises(GraphdetError) as caught:
        desk.read(*files_of(case), config=load_config("c.toml"), now_ms=None)
    assert caught.value.exit_code == 3
    for words in told:
        assert words in str(caught.value)
