"""A first load through `neo4j-admin database import`: CSV files written by DuckDB, read by the server's own tool.

Ids of the files are row numbers that no two nodes share, so the tool can take them as they are. Texts are
always quoted: an empty one is not a missing one. Nothing of the log reaches the command line: labels and
relationship types are a column.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import duckdb

from graphdet.errors import StoreError
from graphdet.ports import Source
from graphdet.progress import Progress
from graphdet.store.neo4j import server
from graphdet.store.neo4j.home import Home
from graphdet.store.neo4j.java import ensure_jars, find_java, java_command
from graphdet.store.neo4j.processes import myself, write_note
from graphdet.store.neo4j.statements import entity_label, type_of_action
from graphdet.store.neo4j.writing import VIEW, actions_of, kinds_of, stage, unstage
from graphdet.tables import LogTables

NODE_FILES = ("users", "items", "sessions", "entities", "notes", "ingests")
RELATIONSHIP_FILES = ("started", "used", "interactions")
COMMAND_FILE = "import-command.txt"
MADE = ("user_rows", "item_rows", "session_rows", "entity_rows", "types", "labels")
ARRAY_DELIMITER = "\x1f"  # between file names, which may hold anything else
ISO = "'%Y-%m-%dT%H:%M:%S.%gZ'"
QUOTE_ALL = "(FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', FORCE_QUOTE ({}))"


def write_bulk_files(
    connection: duckdb.DuckDBPyConnection,
    log: LogTables,
    directory: Path,
    source: Source,
    metas: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a log as CSV files for `neo4j-admin database import`, and the command that reads them.

    The command is also written to import-command.txt in the same folder. What was loaded by hand counts as
    the ingest of `source`; constraints are made when the store is next opened for writing.

    Args:
        connection: the DuckDB connection on which the log's frames live.
        log: a cleaned log.
        directory: where to; made when absent.
        source: what the log was made from.
        metas: small texts to keep, by key.

    Returns:
        The arguments after `neo4j-admin`, to be run in `directory` while the server is stopped.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stage(connection, log)
        arguments = write_staged(connection, directory, source, metas or {})
        unstage(connection)
        text = f"neo4j-admin {shlex.join(arguments)}\n"
        (directory / COMMAND_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write the import files to {directory}: {error.strerror}") from error
    return arguments


def write_staged(
    connection: duckdb.DuckDBPyConnection, directory: Path, source: Source, metas: Mapping[str, str]
) -> list[str]:
    """Write the files of a staged log; gives the arguments after `neo4j-admin`, as `write_bulk_files` does."""
    _number_nodes(connection)
    _copy_nodes(connection, directory, source, metas)
    _copy_relationships(connection, directory)
    lines = connection.execute(
        f"""SELECT coalesce(bool_or(contains(t, chr(10)) OR contains(t, chr(13))), false) FROM (
                SELECT user_id AS t FROM {VIEW}_user_rows UNION ALL SELECT item_id FROM {VIEW}_item_rows
                UNION ALL SELECT name FROM {VIEW}_item_rows UNION ALL SELECT session_id FROM
                {VIEW}_session_rows UNION ALL SELECT entity_id FROM {VIEW}_entity_rows UNION ALL SELECT kind
                FROM {VIEW}_labels
                UNION ALL SELECT action FROM {VIEW}_types)"""
    ).fetchone()
    several = bool(lines and lines[0]) or any(
        "\n" in text or "\r" in text for text in (*source.files, *metas.keys(), *metas.values())
    )
    for name in MADE:
        connection.execute(f"DROP TABLE temp.{VIEW}_{name}")
    arguments = ["database", "import", "full", "neo4j", "--overwrite-destination", "--id-type=actual"]
    arguments.append(f"--array-delimiter=U+{ord(ARRAY_DELIMITER):04X}")
    if several:  # only then: the tool reads a file with one thread if a line may go on
        arguments.append("--multiline-fields=true")
    for option, files in (("nodes", NODE_FILES), ("relationships", RELATIONSHIP_FILES)):
        arguments += [f"--{option}={name}.csv" for name in files if (directory / f"{name}.csv").exists()]
    return arguments


def _number_nodes(connection: duckdb.DuckDBPyConnection) -> None:
    """Give every node a row number of its own, in the order of its id."""
    parts = {
        "user_rows": (
            f"SELECT user_id FROM {VIEW}_sessions UNION SELECT user_id FROM {VIEW}_entities",
            "user_id",
        ),
        "item_rows": (f"SELECT item_id, name FROM {VIEW}_items", "item_id"),
        "session_rows": (f"SELECT * FROM {VIEW}_sessions", "session_id"),
        "entity_rows": (f"SELECT DISTINCT kind, entity_id FROM {VIEW}_entities", "kind, entity_id"),
    }
    first = 0
    for name, (select, order) in parts.items():
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {VIEW}_{name} AS
                SELECT *, row_number() OVER (ORDER BY {order}) - 1 + {first} AS ix FROM ({select}) ORDER BY ix"""
        )
        row = connection.execute(f"SELECT count(*) FROM {VIEW}_{name}").fetchone()
        first += int(row[0]) if row else 0
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {VIEW}_types (action VARCHAR, type VARCHAR, kept VARCHAR)"
    )
    for action in actions_of(connection):
        connection.execute(f"INSERT INTO {VIEW}_types VALUES (?, ?, ?)", [action, *type_of_action(action)])
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {VIEW}_labels (kind VARCHAR, label VARCHAR)")
    for kind in kinds_of(connection):
        connection.execute(f"INSERT INTO {VIEW}_labels VALUES (?, ?)", [kind, entity_label(kind)])
    connection.execute(f"SET VARIABLE graphdet_nodes = {first}")


def _time(column: str) -> str:
    return f"strftime(make_timestamp_ms({column}), {ISO})"


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, select: str, *quoted: str) -> None:
    """Write a file, or none when there is no row."""
    path.unlink(missing_ok=True)
    row = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM ({select}) LIMIT 1)").fetchone()
    if row is None or not row[0]:
        return
    options = (
        QUOTE_ALL.format(", ".join(f'"{name}"' for name in quoted)) if quoted else "(FORMAT csv, HEADER)"
    )
    target = str(path).replace("'", "''")
    connection.execute(f"COPY ({select}) TO '{target}' {options}")


def _copy_nodes(
    connection: duckdb.DuckDBPyConnection, directory: Path, source: Source, metas: Mapping[str, str]
) -> None:
    _copy(
        connection,
        directory / "users.csv",
        f"""SELECT ix AS ":ID", user_id AS "userId", 'User' AS ":LABEL" FROM {VIEW}_user_rows ORDER BY ix""",
        "userId",
    )
    _copy(
        connection,
        directory / "items.csv",
        f"""SELECT ix AS ":ID", item_id AS "itemId", name, 'Item' AS ":LABEL"
            FROM {VIEW}_item_rows ORDER BY ix""",
        "itemId",
        "name",
    )
    _copy(
        connection,
        directory / "sessions.csv",
        f"""SELECT ix AS ":ID", session_id AS "sessionId", {_time("started_ms")} AS "startedAt:datetime",
                   {_time("ended_ms")} AS "endedAt:datetime", 'Session' AS ":LABEL"
            FROM {VIEW}_session_rows ORDER BY ix""",
        "sessionId",
    )
    _copy(
        connection,
        directory / "entities.csv",
        f"""SELECT ix AS ":ID", entity_id AS "entityId", kind, label AS ":LABEL"
            FROM {VIEW}_entity_rows JOIN {VIEW}_labels USING (kind) ORDER BY ix""",
        "entityId",
        "kind",
    )
    next_ix = "getvariable('graphdet_nodes')"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {VIEW}_notes (key VARCHAR, value VARCHAR)")
    for key, value in sorted(metas.items()):
        connection.execute(f"INSERT INTO {VIEW}_notes VALUES (?, ?)", [key, value])
    _copy(
        connection,
        directory / "notes.csv",
        f"""SELECT {next_ix} + row_number() OVER (ORDER BY key) AS ":ID", key, value, 'Meta' AS ":LABEL"
            FROM {VIEW}_notes ORDER BY 1""",
        "key",
        "value",
    )
    connection.execute(f"DROP TABLE temp.{VIEW}_notes")
    _copy_ingest(connection, directory, source, next_ix)


def _copy_ingest(
    connection: duckdb.DuckDBPyConnection, directory: Path, source: Source, next_ix: str
) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {VIEW}_ingest AS SELECT $digest AS digest, $files AS files",
        {"digest": source.digest, "files": ARRAY_DELIMITER.join(source.files)},
    )
    _copy(
        connection,
        directory / "ingests.csv",
        f"""SELECT {next_ix} AS ":ID", digest, files AS "files:string[]",
                   {source.n_rows} AS "nRows:long", {source.n_rejects} AS "nRejects:long",
                   'true' AS "complete:boolean", 0 AS "ix:long", 'Ingest' AS ":LABEL"
            FROM {VIEW}_ingest""",
        "digest",
        "files:string[]",
    )
    connection.execute(f"DROP TABLE temp.{VIEW}_ingest")


def _copy_relationships(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    _copy(
        connection,
        directory / "started.csv",
        f"""SELECT u.ix AS ":START_ID", s.ix AS ":END_ID", 'STARTED' AS ":TYPE"
            FROM {VIEW}_session_rows AS s JOIN {VIEW}_user_rows AS u USING (user_id) ORDER BY 1, 2""",
    )
    _copy(
        connection,
        directory / "used.csv",
        f"""SELECT u.ix AS ":START_ID", e.ix AS ":END_ID", {_time("first_ms")} AS "firstAt:datetime",
                   n AS "n:long", 'USED' AS ":TYPE"
            FROM {VIEW}_entities AS l JOIN {VIEW}_user_rows AS u USING (user_id)
            JOIN {VIEW}_entity_rows AS e USING (kind, entity_id) ORDER BY 1, 2""",
    )
    _copy(
        connection,
        directory / "interactions.csv",
        f"""SELECT s.ix AS ":START_ID", i.ix AS ":END_ID", {_time("at_ms")} AS "at:datetime", n AS "n:long",
                   amount AS "amount:double", quantity AS "quantity:double", t.kept AS "action",
                   t.type AS ":TYPE"
            FROM {VIEW}_interactions AS a JOIN {VIEW}_session_rows AS s USING (session_id)
            JOIN {VIEW}_item_rows AS i USING (item_id) JOIN {VIEW}_types AS t USING (action)
            ORDER BY 1, 2, t.type, t.kept""",
        "action",
    )


def load_files(place: Home, arguments: list[str], directory: Path, progress: Progress) -> None:
    """Load the files into the empty database of a home's server, which is down meanwhile.

    Killed in between, the next start of the server removes what was half loaded.

    Raises:
        StoreError: the tool refuses; in its own words.
    """
    write_note(place.import_note, {**myself(), "phase": server.IMPORTING})
    try:
        server.hold(place)
        run_tool(place, arguments, directory, progress)
        write_note(place.import_note, {**myself(), "phase": server.IMPORTED})
    finally:  # also after a failure: an empty server is better than none
        server.start(place.path, progress=progress)


def run_tool(place: Home, arguments: list[str], directory: Path, progress: Progress) -> None:
    """Run `neo4j-admin` over the home's database.

    Raises:
        StoreError: it failed; with its first complaint.
    """
    log = place.logs / "import.log"
    report = f"--report-file={place.import_report}"
    command = [*java_command(find_java(), ensure_jars(progress), 1024), "org.neo4j.cli.AdminTool"]
    progress.start("neo4j-admin database import")
    try:
        with log.open("wb") as out:
            done = subprocess.run(
                [*command, *arguments, report],
                cwd=directory,
                env={**os.environ, "NEO4J_HOME": str(place.path)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
    finally:
        progress.done()
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = next(
            (line for line in lines if "error" in line.lower() or "Caused by" in line), "it said nothing"
        )
        raise StoreError(f"neo4j-admin could not load the log: {said.strip()[:300]} (see {log})")
