"""Where the graph and the findings live: two stores, DuckDB and Neo4j, behind the ports of `graphdet.ports`.

`open_store` turns a URL into a store. The stores themselves are imported only when asked for, so that a run
with DuckDB never pays for the Neo4j driver.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from graphdet.errors import UsageError
from graphdet.ports import Source, Store
from graphdet.tables import LogTables

NEO4J_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
URL_EXAMPLES = "duckdb:///home/me/log.duckdb, duckdb:log.duckdb or neo4j://localhost:7687"


def open_store(url: str, *, read_only: bool = False, create: bool = True) -> Store:
    """Open the store behind a URL.

    `duckdb:///abs/path`, `duckdb:relative/path` and a plain path ending in .duckdb are one DuckDB file, made
    when absent, unless `read_only` or not `create`; `neo4j://`, `bolt://` and their `+s`, `+ssc` forms are a
    Neo4j server.

    Raises:
        UsageError: the URL is none of these; gives examples. (The message never repeats the URL's user part.)
            Or there is no such file, and none may be made.
        InputError: the file is not a graphdet store.
        StoreError: the store cannot be reached.
        StoreBusy: another process holds it.
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme.lower() == "duckdb":
        return _open_duckdb(duckdb_path(url), read_only, create)
    if colon and scheme.lower() in NEO4J_SCHEMES and rest.startswith("//"):
        from graphdet.store.neo4j import Neo4jStore

        server: Store = Neo4jStore(url)
        return server
    if "://" not in url and url.endswith(".duckdb"):
        return _open_duckdb(Path(url), read_only, create)
    what = f"the scheme {scheme}://" if "://" in url else repr(url)
    raise UsageError(f"{what} is not a store; give for example {URL_EXAMPLES}")


@contextmanager
def opened_store(url: str, *, read_only: bool = False, create: bool = True) -> Iterator[Store]:
    """Open the store behind a URL, closed again at the end of the block.

    Raises:
        InputError: damage of its file was met in the block; other errors as `open_store`.
    """
    store = open_store(url, read_only=read_only, create=create)
    try:
        if store.url.startswith("duckdb:"):
            from graphdet.store.duckdb.problems import damage_told

            with damage_told(duckdb_path(store.url)):
                yield store
        else:
            yield store
    finally:
        store.close()


def duckdb_path(url: str) -> Path:
    """Take the path out of a `duckdb:` URL.

    Raises:
        UsageError: there is no path, or two slashes where one or three belong.

    >>> duckdb_path("duckdb:///var/log.duckdb").as_posix(), duckdb_path("duckdb:runs/log.duckdb").as_posix()
    ('/var/log.duckdb', 'runs/log.duckdb')
    """
    rest = url.partition(":")[2]
    if rest.startswith("//") and not rest.startswith("///"):
        raise UsageError(
            f"{url} has two slashes: write duckdb:///PATH for an absolute path, duckdb:PATH otherwise"
        )
    path = "/" + rest.lstrip("/") if rest.startswith("///") else rest
    if not path.strip("/"):
        raise UsageError(f"{url} names no file; give for example {URL_EXAMPLES}")
    return Path(path)


def _open_duckdb(path: Path, read_only: bool, create: bool) -> Store:
    from graphdet.store.duckdb import DuckDBStore

    return DuckDBStore(path, read_only=read_only, create=create)


def query_texts(name: str) -> dict[str, str] | None:
    """The texts of a saved query by language, "cypher" and "sql"; None where there is no query of that name."""
    from graphdet.store.duckdb.twins import sql_text
    from graphdet.store.neo4j.statements import cypher_text, names

    if name not in names("browser"):
        return None
    return {"cypher": cypher_text(f"browser/{name}"), "sql": sql_text(name)}


def write_import_files(
    connection: duckdb.DuckDBPyConnection, log: LogTables, folder: Path, source: Source
) -> list[str]:
    """Write a log as CSV files for `neo4j-admin database import`; gives the arguments after `neo4j-admin`.

    `connection` is the DuckDB connection on which the log's frames live; no store takes part.

    Raises:
        StoreError: the folder cannot be written.
    """
    from graphdet.store.neo4j.importing import write_bulk_files as write

    return write(connection, log, folder, source)


def local_server() -> str | None:
    """Where the Neo4j that graphdet started on this machine answers, in words; None where it does not run."""
    from graphdet.store.neo4j import server

    now = server.status()
    return f"{now.url}, Browser at {now.browser_url}" if now.running else None
