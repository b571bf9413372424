"""Asks a language model that the user runs to tell a ring; only facts without ids are sent (reports.narrative)."""

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from graphdet import __version__
from graphdet.errors import GraphdetError, UsageError
from graphdet.reports.narrative import fact_sheet, messages, read_narrative
from graphdet.reports.ring_data import RingData
from graphdet.reports.run_facts import RunFacts

NARRATIVE_KEY_VARIABLE = "GRAPHDET_NARRATIVE_KEY"
PATH = "/chat/completions"
MOST_BYTES = 1 << 20  # of an answer
MOST_TOKENS = 1_000
MOST_FAILURES = 3  # in a row, then nobody is asked any more


class NoNarrative(GraphdetError):
    """The model could not be asked, or its answer is none; the report does without."""


@dataclass
class Narrator:
    """Has rings told by a model behind an OpenAI-compatible endpoint.

    What goes wrong is a line in `warnings`, and the ring stays without a narrative.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    warnings: list[str] = field(default_factory=list)
    n_failures: int = 0

    def __post_init__(self) -> None:
        """Complete the URL.

        Raises:
            UsageError: it is no http(s) URL, or it holds a name or password.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("--narrative wants a URL such as http://localhost:8000/v1")
        if parts.username or parts.password:
            raise UsageError(f"--narrative: leave the key out of the URL and set {NARRATIVE_KEY_VARIABLE}")
        path = parts.path.rstrip("/")
        if not path.endswith(PATH):
            path += PATH if path.endswith("/v1") else f"/v1{PATH}"
        self.url = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def noted(self) -> dict[str, str]:
        """What the audit log keeps."""
        return {"endpoint": self.endpoint, "model": self.model}

    @property
    def endpoint(self) -> str:
        """The URL without its query, which could hold a secret."""
        return self.url.partition("?")[0]

    def tell(self, ring: RingData, facts: RunFacts | None) -> RingData:
        """The ring with its narrative, or as it is where there is none."""
        if self.n_failures >= MOST_FAILURES:
            return ring
        sheet = fact_sheet(ring, facts)
        try:
            answer = self._ask(messages(sheet))
        except NoNarrative as error:
            self.n_failures += 1
            rest = "; no more rings are told" if self.n_failures == MOST_FAILURES else ""
            self.warnings.append(f"ring {ring.ring_id} has no narrative: {error}{rest}")
            return ring
        self.n_failures = 0
        return replace(ring, narrative=read_narrative(answer, sheet, self.model, self.endpoint))

    def _ask(self, said: list[dict[str, str]]) -> str:
        """Send messages and give the answer's text.

        Raises:
            NoNarrative: says why.
        """
        body = {"model": self.model, "messages": said, "temperature": 0, "max_tokens": MOST_TOKENS}
        headers = {"Content-Type": "application/json", "User-Agent": f"graphdet/{__version__}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        try:
            content = self._send(request)
        except urllib.error.HTTPError as error:
            error.close()
            raise NoNarrative(f"{self.endpoint} answered with status {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise NoNarrative(f"{self.endpoint} cannot be asked: {reason or type(error).__name__}") from error
        return _text_of(content, self.endpoint)

    def _send(self, request: urllib.request.Request) -> bytes:
        """The bytes of the answer, at most MOST_BYTES and within the time limit."""
        ends = time.monotonic() + self.timeout_s
        opener = urllib.request.build_opener(_Straight)
        with opener.open(request, timeout=self.timeout_s) as answer:
            parts, size = [], 0
            while part := answer.read1(1 << 16):
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise NoNarrative(f"{self.endpoint} answered with more than {MOST_BYTES:,} bytes")
                if time.monotonic() > ends:
                    raise NoNarrative(f"{self.endpoint} did not end its answer in {self.timeout_s:g} s")
        return b"".join(parts)


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the facts and the key go where the user said, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse, which makes it an HTTPError."""


def _text_of(content: bytes, endpoint: str) -> str:
    """The text of the first choice.

    Raises:
        NoNarrative: the answer is no such document.
    """
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise NoNarrative(f"{endpoint} gave no chat completion (choices, message, content)") from error
    if not isinstance(text, str) or not text.strip():
        raise NoNarrative(f"{endpoint} gave an empty text")
    return text
