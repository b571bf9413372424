"""What every request must pass: host, size, key, rate; and what every answer carries. A plain ASGI middleware."""

import contextlib
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from graphdet.service.keys import SCOPES, KeyRing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

COOKIE = "graphdet_session"
OPEN_PATHS = ("/health", "/ready", "/login", "/static/")  # that need no key
SESSION_S = 12 * 3600.0
_MOST_CALLERS = 10_000  # whose rates are remembered
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Limits:
    """What one caller may ask for.

    body: bytes of a request. rate: requests a second, and `burst` at once. hosts: names by which the service may be
    called, so that a page of somebody else cannot reach it under a name of its own; none: any.
    """

    body: int = 4 * 2**20
    rate: float = 100.0
    burst: int = 200
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Caller:
    """Who asks, by the name of the key or of whoever started the service, and what they may do."""

    name: str
    scopes: frozenset[str]


@dataclass
class Doors:
    """How callers are known: by a key of the ring, or by a session that a key or the start of the service opened.

    trusted: who asks where neither is given; None: nobody.
    """

    keys: KeyRing | None = None
    trusted: Caller | None = None
    sessions: dict[str, tuple[Caller, str | None, float]] = field(default_factory=dict)

    def open_session(self, caller: Caller, key_name: str | None = None) -> str:
        """Begin a session of a browser; ends after SESSION_S, or when its key is revoked."""
        token = secrets.token_urlsafe(32)
        self.sessions[token] = (caller, key_name, time.monotonic() + SESSION_S)
        return token

    def close_session(self, token: str) -> None:
        """End a session."""
        self.sessions.pop(token, None)

    def caller(self, headers: dict[bytes, bytes]) -> Caller | None:
        """Who asks; None where a key or session is wrong or there is neither."""
        given = headers.get(b"authorization", b"").decode("latin-1")
        if given:
            kind, _, token = given.partition(" ")
            return self.by_key(token.strip()) if kind.lower() == "bearer" else None
        found = self.sessions.get(session_token(headers))
        if found is not None:
            caller, key_name, ends = found
            if time.monotonic() < ends and (key_name is None or self._holds(key_name)):
                return caller
        return self.trusted

    def by_key(self, token: str) -> Caller | None:
        """The caller of a key."""
        key = None if self.keys is None else self.keys.whose(token)
        return None if key is None else Caller(key.name, frozenset(key.scopes))

    def _holds(self, key_name: str) -> bool:
        return self.keys is not None and any(key.name == key_name for key in self.keys.valid())


def session_token(headers: dict[bytes, bytes]) -> str:
    """The session of a request's cookie, or an empty text."""
    try:
        cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value


class Gate:
    """The middleware."""

    def __init__(self, app: App, doors: Doors, limits: Limits, registry: CollectorRegistry) -> None:
        self._app, self._doors, self._limits = app, doors, limits
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        names = ("method", "route", "status")
        self._requests = Counter("graphdet_requests", "Requests answered.", names, registry=registry)
        self._seconds = Histogram(
            "graphdet_request_seconds", "Seconds to answer.", ("method", "route"), registry=registry
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message.get("headers", [])}
                more = [pair for pair in _HEADERS if pair[0] not in given]
                if b"content-security-policy" not in given:
                    more.append((b"content-security-policy", _POLICY))
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(answer, *refusal)
        else:
            await self._bounded(scope, receive, answer)
        route = getattr(scope.get("route"), "path", "none")  # never the address itself, which holds ids
        self._requests.labels(scope["method"], route, str(status)).inc()
        self._seconds.labels(scope["method"], route).observe(time.perf_counter() - begun)

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """Why a request is not handed on: status and words; else who asks is put into its state."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]").lower()
        if self._limits.hosts and host not in self._limits.hosts:
            return 421, f"this service is not called {host!r}"
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return 415, "send the body uncompressed"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limits.body:
            return 413, f"a body has at most {self._limits.body:,} bytes; send it in parts"
        path = scope["path"]
        caller = self._doors.caller(headers)
        name = caller.name if caller is not None else str((scope.get("client") or ("?",))[0])
        if not self._within_rate(name):
            return 429, f"at most {self._limits.rate:g} requests a second; wait a little"
        scope.setdefault("state", {})["caller"] = caller
        if path in OPEN_PATHS or any(path.startswith(one) for one in OPEN_PATHS if one.endswith("/")):
            return None
        if caller is None:
            return 401, "a key is needed: Authorization: Bearer KEY (graphdet keys add makes one)"
        needed = _scope_of(scope["method"], path)
        if needed not in caller.scopes:
            return 403, f"this key may not {needed}"
        if needed != "read" and b"authorization" not in headers and not _same_site(headers, host):
            return 403, "a page of another site may not do this"
        return None

    def _within_rate(self, name: str) -> bool:
        """Take one of the caller's tokens, which grow back at the rate."""
        now = time.monotonic()
        with self._lock:
            left, then = self._left.pop(name, (float(self._limits.burst), now))
            left = min(self._limits.burst, left + (now - then) * self._limits.rate)
            self._left[name] = (max(left - 1, 0.0), now)
            while len(self._left) > _MOST_CALLERS:
                self._left.popitem(last=False)
        return left >= 1

    async def _bounded(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Hand a request on with a body of at most the limit, whatever length it announced."""
        read = 0
        started = False

        def too_long() -> bool:
            return read > self._limits.body

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if too_long():
                raise _TooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            if started or not too_long():  # else whoever reads the body has an answer of its own for it
                started = True
                await send(message)

        with contextlib.suppress(_TooLong):
            await self._app(scope, bounded, noted)
        if too_long() and not started:
            await _refuse(send, 413, f"a body has at most {self._limits.body:,} bytes; send it in parts")


class _TooLong(Exception):
    pass


def _scope_of(method: str, path: str) -> str:
    """What a request needs to be allowed: reading, writing events, or deciding."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return SCOPES[0]
    return SCOPES[1] if path == "/events" else SCOPES[2]


def _same_site(headers: dict[bytes, bytes], host: str) -> bool:
    """Whether a browser sends this from a page of the service itself."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    origin = headers.get(b"origin", b"").decode("latin-1")
    return not origin or origin.partition("://")[2].rsplit(":", 1)[0].strip("[]").lower() == host


async def _refuse(send: Send, status: int, words: str) -> None:
    body = json.dumps({"error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
