"""guide: lead a newcomer through one case in Neo4j Browser, on pages that graphdet itself serves.

Neo4j Browser reads them from another port of the same machine, so every answer carries the headers that let pages of
this machine, and of no other, read it.
"""

from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pyarrow.compute as pc

from graphdet.errors import StoreError, UsageError
from graphdet.ports import Store
from graphdet.reports import html
from graphdet.store.neo4j import browser, saved
from graphdet.store.neo4j.statements import cypher_text

GUIDE_NAME = "guide.html"
HOST = "127.0.0.1"
OURS = ("localhost", HOST)


@dataclass(frozen=True)
class Case:
    """The ring that the guide is about, and two of its members."""

    ring_id: str
    n_users: int
    n_items: int
    flagged: bool
    reason: str
    user_id: str
    other_id: str


def case_of(store: Store, ring_id: str | None = None) -> Case:
    """Read what the guide says of a ring: the named one, else the most suspicious flagged one, else the first.

    Raises:
        UsageError: there are no rings yet, none of that name, or one with fewer than two members.
    """
    rings = store.rings()
    rows = rings.rings.to_pylist()
    if not rows:
        raise UsageError(f"{store.url} has no rings yet; run `graphdet run` or `graphdet rings` first")
    rows.sort(key=lambda row: not row["flagged"])
    chosen = rows if ring_id is None else [row for row in rows if row["ring_id"] == ring_id]
    if not chosen:
        raise UsageError(f"{store.url} has no ring {ring_id!r}; `graphdet query rings` lists them")
    row = chosen[0]
    members = rings.members.filter(pc.equal(rings.members["ring_id"], row["ring_id"]))["user_id"].to_pylist()
    if len(members) < 2:
        raise UsageError(f"ring {row['ring_id']} has fewer than two members; name another with --ring")
    return Case(
        ring_id=row["ring_id"],
        n_users=row["n_users"],
        n_items=row["n_items"],
        flagged=bool(row["flagged"]),
        reason=str(row["reason"] or ""),
        user_id=members[0],
        other_id=members[1],
    )


def guide_page(case: Case) -> str:
    """The guide as Neo4j Browser plays it: slides with statements that a click puts into its editor."""
    ids = {"ring_id": case.ring_id, "user_id": case.user_id, "other_id": case.other_id}
    guilty = {"verdict": "guilty", "reason": "shared-operator", "note": "", "who": "me"}
    innocent = guilty | {"verdict": "innocent", "reason": "fan-club"}
    names = (
        "top-suspects",
        "ring",
        "ring-timeline",
        "others-on-items",
        "paths-between",
        "near-ring",
        "give-verdict",
    )
    return html.render(
        "guide.html.j2",
        case=case,
        parameters=":" + browser.params(saved.browser_defaults() | ids),
        guilty=":" + browser.params(saved.browser_defaults() | ids | guilty),
        innocent=":" + browser.params(saved.browser_defaults() | ids | innocent),
        queries={name.replace("-", "_"): cypher_text(f"browser/{name}").strip() for name in names},
    )


class GuideServer:
    """Serves the guide to a case, the style and the favourites on a port of this machine.

    Raises:
        StoreError: the port is taken.
    """

    def __init__(self, case: Case, port: int) -> None:
        page = guide_page(case).encode()
        files = {
            f"/{GUIDE_NAME}": ("text/html; charset=utf-8", page),
            f"/{browser.STYLE_NAME}": ("text/plain; charset=utf-8", browser.style_text().encode()),
            f"/{browser.FAVOURITES_NAME}": ("application/zip", browser.favourites()),
        }

        class Handler(_Handler):
            answers = files

        try:
            self._server = ThreadingHTTPServer((HOST, port), Handler)
        except OSError as error:
            raise StoreError(
                f"cannot listen on port {port} of {HOST} ({error.strerror}); choose another port (--port)"
            ) from None
        self.url = f"http://localhost:{self._server.server_address[1]}"

    def serve(self) -> None:
        """Serve until Ctrl-C, which is the way to end it."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            return

    def stop(self) -> None:
        """End `serve` in another thread."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Three fixed files, read-only, for pages of this machine."""

    answers: dict[str, tuple[str, bytes]]
    server_version = "graphdet"
    sys_version = ""

    def do_GET(self) -> None:
        """Give a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Give the headers of a file."""
        self._answer(with_body=False)

    def do_OPTIONS(self) -> None:
        """Let pages of this machine ask: Neo4j Browser sends headers that browsers ask about first."""
        self.send_response(HTTPStatus.NO_CONTENT if self._is_local() else HTTPStatus.FORBIDDEN)
        self._allow()
        self.end_headers()

    def _answer(self, with_body: bool) -> None:
        found = self.answers.get(urlsplit(self.path).path)
        if found is None or not self._is_local():
            self.send_error(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.FORBIDDEN)
            return
        kind, body = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self._allow()
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _is_local(self) -> bool:
        """Whether we were asked for by our own name: a foreign name that leads here is somebody else's page."""
        return urlsplit(f"//{self.headers.get('Host', '')}").hostname in OURS

    def _allow(self) -> None:
        origin = self.headers.get("Origin")
        self.send_header("Vary", "Origin")
        if origin and urlsplit(origin).hostname in OURS:
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Methods", "GET, HEAD")
            self.send_header(
                "Access-Control-Allow-Headers", "*"
            )  # whatever headers the Browser traces its requests with

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stdout and stderr belong to the command."""
