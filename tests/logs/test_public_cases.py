"""Small inputs made after public bug reports of other tools (`../shared/cases`): what each one gives.

Kinds A to G and I of its table: logs that grew, open quotes, columns of folders, zones of the text, ids of the wrong
shape, words for nothing, first lines that are rows, messages without a way out.
"""

import shutil
from pathlib import Path

import pytest

from graphdet.config import load_config
from graphdet.errors import GraphdetError
from graphdet.store import open_store
from graphdet.verbs.ingest import ingest
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
    ("06-iso-Berlin", 56, 40, 40, []),
    ("22-json-kinds", 26, 11, 9, ["lists are not taken apart"]),
    ("17-open-quote", 4, 3, 3, []),
    ("19-quote-A-gap2", 3000, 2999, 51, []),
    ("19-quote-A-gap5", 3000, 2999, 51, []),
    ("19-quote-A-gap100", 3000, 2999, 51, []),
    ("19-quote-F-3cols", 3000, 2998, 50, []),
    ("41-hive-parquet-shadow", 2, 2, 2, []),
    ("41-hive-parquet-dt", 4, 4, 2, []),
    ("41-hive-csv-shadow", 3, 3, 3, []),
    ("41-hive-csv-dt", 6, 6, 3, []),
    ("41-hive-leading-zero", 6, 4, 2, []),
    ("08-strptime-Z-berlin", 5, 5, 5, []),
    ("21-names-with-header", 1, 1, 1, []),
]
# The case, the file that grows from 5 rows to 8 (or comes second), and rows, events, known of the second reading.
GROWN = [
    ("32-grown-file", "a.csv", (8, 3, 5)),
    ("32-run-twice", "log.csv", (8, 3, 5)),
    ("32-glob-grows", "b.csv", (3, 3, 0)),
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


@pytest.mark.parametrize(("case", "file", "want"), GROWN, ids=[row[0] for row in GROWN])
def test_a_log_that_grew_counts_once(
    tmp_path: Path, case: str, file: str, want: tuple[int, int, int]
) -> None:
    folder = tmp_path / case
    shutil.copytree(CASES / case, folder)
    grown = folder / file
    text = grown.read_text()
    if want[2]:
        grown.write_text("".join(text.splitlines(keepends=True)[:6]))
    else:
        grown.unlink()
    config, pattern = load_config(folder / "c.toml"), str(folder / "*.csv")
    store = open_store(str(tmp_path / "s.duckdb"))
    assert ingest(store, [pattern], config).n_events == 5
    grown.write_text(text)
    second = ingest(store, [pattern], config)
    assert (second.n_rows, second.n_events, second.n_known) == want
    n_events = len(store.events().select("event_id").collect("pyarrow").to_native())
    assert n_events == 8
    assert store.counts()["users"] == 8
    store.close()
