"""The driver, kept quiet, with its errors in graphdet's words."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import neo4j
from neo4j import exceptions

from graphdet.errors import GraphdetError, StoreError, UsageError

logging.getLogger("neo4j").addHandler(logging.NullHandler())  # what it has to say, the errors say
CONNECT_S = 10.0
RETRY_S = 10.0  # how long a managed transaction is tried again
FETCH_ROWS = 2000
OLDEST_SERVER = (5, 7)  # knows how to keep notifications to itself

Transaction = neo4j.ManagedTransaction
T = TypeVar("T")


class Client:
    """A connection pool to one database.

    Raises:
        UsageError: the URL is none of Neo4j's, or carries a password.
        StoreError: unreachable, wrong password, or too old a server.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        if "@" in url:
            raise UsageError("put user and password into NEO4J_USERNAME and NEO4J_PASSWORD, not into the URL")
        _check_port(url)
        self.url = url
        self.database = os.environ.get("NEO4J_DATABASE") or None
        try:
            self._driver = neo4j.GraphDatabase.driver(
                url,
                auth=(username, password),
                connection_timeout=CONNECT_S,
                max_transaction_retry_time=RETRY_S,
                user_agent="graphdet",
                notifications_min_severity="OFF",
            )
        except (exceptions.ConfigurationError, ValueError) as error:
            raise UsageError(
                f"{url} is not a Neo4j URL ({error}); for example neo4j://localhost:7687"
            ) from None
        try:
            self._check_server()
        except BaseException:
            self._driver.close()
            raise

    def _check_server(self) -> None:
        with self.in_words("connecting to"):
            self._driver.verify_connectivity()
            agent = self._driver.get_server_info().agent
        version = agent.partition("/")[2].split("-")[0].split(".")
        known = tuple(int(part) for part in version[:2] if part.isdigit())
        if known < OLDEST_SERVER:
            raise StoreError(f"{self.url} is {agent}; graphdet needs Neo4j 5.7 or newer")

    @contextmanager
    def in_words(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into StoreError."""
        try:
            yield
        except (exceptions.Neo4jError, exceptions.DriverError) as error:
            raise translate_neo4j_error(error, self.url, doing) from error
        except OSError as error:
            raise StoreError(f"{doing} {self.url}: {error}; is the server up?") from error

    @contextmanager
    def _session(self) -> Iterator[neo4j.Session]:
        with self._driver.session(database=self.database, fetch_size=FETCH_ROWS) as session:
            yield session

    def rows(self, statement: str, doing: str = "reading from", **parameters: Any) -> list[dict[str, Any]]:
        """Run a reading statement in a managed transaction and give its rows as dicts."""
        with self.in_words(doing), self._session() as session:
            return session.execute_read(lambda tx: tx.run(statement, parameters).data())

    def table(
        self, statement: str, parameters: Mapping[str, Any], timeout_s: float | None = None
    ) -> tuple[list[str], list[list[Any]]]:
        """Run a reading statement in a managed transaction: column names and rows of the driver's own values.

        The server stops it after timeout_s seconds; None: when its own limit says so.
        """

        @neo4j.unit_of_work(timeout=timeout_s)
        def read(tx: Transaction) -> tuple[list[str], list[list[Any]]]:
            result = tx.run(statement, dict(parameters))
            return list(result.keys()), [record.values() for record in result]

        with self.in_words("reading from"), self._session() as session:
            return session.execute_read(read)

    def stream(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Iterator[neo4j.Record]:
        """Run a reading statement and give its records as they come; not tried again."""
        with self.in_words("reading from"), self._session() as session:
            yield from session.run(statement, dict(parameters or {}))

    def write(self, work: Callable[[Transaction], T], doing: str = "writing to") -> T:
        """Run `work` in a managed transaction; it is tried again when the server says that may help."""
        with self.in_words(doing), self._session() as session:
            return session.execute_write(work)

    def run(self, statement: str, doing: str = "writing to", **parameters: Any) -> list[dict[str, Any]]:
        """Run one writing statement in a managed transaction."""
        return self.write(lambda tx: tx.run(statement, parameters).data(), doing)

    def close(self) -> None:
        """Close all connections; closing twice is closing once."""
        self._driver.close()


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise UsageError(f"{url} is not a Neo4j URL ({error}); for example neo4j://localhost:7687") from None


def translate_neo4j_error(error: Exception, url: str, doing: str) -> GraphdetError:
    """Say an error of the driver or the server: what is wrong, where, what to do."""
    said = str(getattr(error, "message", None) or error).partition("\n")[0].strip()
    code = str(getattr(error, "code", None) or "")
    if isinstance(error, exceptions.AuthError) or code.endswith(
        ("AuthenticationRateLimit", "CredentialsExpired")
    ):
        return StoreError(
            f"{url} refuses our user or password ({said.rstrip('.')}); "
            "set NEO4J_USERNAME and NEO4J_PASSWORD to those of the server"
        )
    if isinstance(error, exceptions.ServiceUnavailable | exceptions.SessionExpired):
        return StoreError(
            f"{doing} {url}: no Neo4j answers there (any more); start it (graphdet neo4j start) and repeat"
        )
    if isinstance(error, exceptions.ConfigurationError):
        return StoreError(f"{doing} {url}: {said}; is that a Neo4j server's Bolt port?")
    if "OutOfMemory" in code or "MemoryPool" in code:
        return StoreError(f"{doing} {url}: the server is out of memory; give it more heap and repeat")
    return StoreError(f"{doing} {url}: {said or type(error).__name__}" + (f" ({code})" if code else ""))
