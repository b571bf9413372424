"""Events of callers who wait for an answer: POST /events of the service.

The rows of a call wait in memory until the watcher takes them, and its answer is given when they are in the store, so
nothing that was answered is lost. An answer to a call with a key is kept in the transaction of its rows: whoever sends
the same again under the same key, because the answer did not come, is told what became of the first one.
"""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from graphdet.errors import GraphdetError, InputError, StoreBusy, StoreError, UsageError
from graphdet.live.watching import Live
from graphdet.logs.parts import CleanRows, LogPart
from graphdet.logs.rejects import DUPLICATE

CALL_ROWS = 10_000  # of one call, and of the calls that are taken together
MOST_WAITING = 50_000  # rows that wait to be taken
MOST_ANSWERS = 100_000  # that are kept under their keys, the newest
KEY_CHARS = 200


@dataclass(frozen=True)
class Call:
    """Rows of a caller, as JSON lines, each with its end.

    key: chosen by the caller, the same when the same is sent again; empty for none.
    """

    caller: str
    key: str
    lines: tuple[bytes, ...]
    answer: "Future[dict[str, Any]]" = field(default_factory=Future)
    number: str = field(default_factory=lambda: uuid4().hex[:16])

    @property
    def identity(self) -> str:
        """What the answer is kept under: the caller and its key."""
        return sha256(json.dumps([self.caller, self.key or self.number]).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """Of what was sent."""
        return sha256(b"".join(self.lines)).hexdigest()

    @property
    def part(self) -> LogPart:
        """The rows as a part of a log; rejects.csv names it by caller and key."""
        name = f"POST /events {self.caller} {self.key or self.number}"
        return LogPart(name, "jsonl", b"", b"".join(self.lines), 1)


def json_rows(body: bytes, one_a_line: bool) -> tuple[bytes, ...]:
    """The rows of a body: an object, a list of them, or with `one_a_line` JSON lines; values stay as they are written.

    Rows of JSON lines are judged by the reader of logs, the structure of the other two here.

    Raises:
        UsageError: it is no JSON in UTF-8, has no row, or too many.

    >>> json_rows(b'[{"a": 1.50}, 7]', False)
    (b'{"a": 1.50}\\n', b'7\\n')
    """
    if one_a_line:
        rows = tuple(line.strip(b" \r") + b"\n" for line in body.split(b"\n") if line.strip(b" \r\t"))
    else:
        try:
            rows = tuple(_elements(body.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"the body is no JSON object or list of objects ({error}); send JSON lines as application/x-ndjson"
            ) from None
    if not 0 < len(rows) <= CALL_ROWS:
        raise UsageError(f"a call has 1 to {CALL_ROWS:,} rows, not {len(rows):,}; send them in parts")
    return rows


def _elements(text: str) -> Iterator[bytes]:
    """The text of every element of a list, or of the whole where it is none, each on a line of its own."""
    decoder, blanks = json.JSONDecoder(), " \t\r\n"
    text = text.strip(blanks)
    if not text.startswith("["):
        json.loads(text)
        yield _one_line(text)
        return
    at = _past(text, 1, blanks)
    while not (at == len(text) - 1 and text[at] == "]"):
        _, end = decoder.raw_decode(text, at)
        yield _one_line(text[at:end])
        at = _past(text, end, blanks)
        if text[at : at + 1] == ",":
            at = _past(text, at + 1, blanks)
            if text[at : at + 1] == "]":
                raise ValueError("a comma before the end of the list")
        elif at != len(text) - 1 or text[at] != "]":
            raise ValueError(f"the list is broken at character {at}")


def _past(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _one_line(text: str) -> bytes:
    """JSON has line ends between its words only, so they may be blanks."""
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8") + b"\n"


class Inbox:
    """Calls that wait to be taken; many threads put calls in, the watcher takes them."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._came = threading.Condition()
        self._why_closed: str | None = None
        self.n_waiting = 0  # rows

    def put(self, call: Call) -> None:
        """Let a call wait for its answer.

        Raises:
            UsageError: the key cannot be one.
            StoreBusy: too many rows wait.
            StoreError: nobody will take it any more.
        """
        if len(call.key) > KEY_CHARS or not call.key.isascii() or (call.key and not call.key.isprintable()):
            raise UsageError(f"Idempotency-Key: give at most {KEY_CHARS} printable ASCII characters")
        with self._came:
            if self._why_closed is not None:
                raise StoreError(self._why_closed)
            if self.n_waiting + len(call.lines) > MOST_WAITING:
                raise StoreBusy(f"{self.n_waiting:,} rows wait to be stored; send these again in a moment")
            self._calls.append(call)
            self.n_waiting += len(call.lines)
            self._came.notify()

    def wait(self, most_s: float) -> None:
        """Wait until a call is there."""
        with self._came:
            if not self._calls:
                self._came.wait(most_s)

    def take(self) -> list[Call]:
        """The oldest calls, up to CALL_ROWS rows, none twice; callers that have gone are left out."""
        taken: dict[str, Call] = {}
        n_rows = 0
        with self._came:
            while self._calls and n_rows + len(self._calls[0].lines) <= CALL_ROWS:
                if self._calls[0].identity in taken:
                    break
                call = self._calls.popleft()
                self.n_waiting -= len(call.lines)
                if call.answer.set_running_or_notify_cancel():
                    taken[call.identity] = call
                    n_rows += len(call.lines)
        return list(taken.values())

    def close(self, why: str) -> None:
        """Refuse the calls that wait, and all that come."""
        with self._came:
            self._why_closed = why
            left, self.n_waiting = list(self._calls), 0
            self._calls.clear()
        for call in left:
            if call.answer.set_running_or_notify_cancel():
                call.answer.set_exception(StoreError(why))


def add_calls(live: Live, calls: Sequence[Call]) -> None:
    """Add the rows of some calls in one transaction, and answer each; a call that fails does so alone."""
    try:
        _add(live, calls)
    except InputError as error:
        if len(calls) > 1:
            for call in calls:
                if not call.answer.done():
                    add_calls(live, [call])
        else:
            calls[0].answer.set_exception(error)
    except BaseException as error:
        own = error if isinstance(error, GraphdetError) else StoreError("the events could not be stored")
        for call in calls:
            if not call.answer.done():
                call.answer.set_exception(own)
        if not isinstance(error, StoreError):
            raise


def _add(live: Live, calls: Sequence[Call]) -> None:
    known = live.store.answers([call.identity for call in calls if call.key])
    new = []
    for call in calls:
        if call.identity not in known:
            new.append(call)
            continue
        kept = json.loads(known[call.identity])
        if kept["digest"] == call.digest:
            call.answer.set_result(kept["answer"])
        else:
            call.answer.set_exception(UsageError("this Idempotency-Key was given with other events before"))
    if not new:
        return
    answers: list[dict[str, Any]] = []

    def keep(found: CleanRows) -> None:
        answers.extend(_answers(found, new))
        with_key = [(call, answer) for call, answer in zip(new, answers, strict=True) if call.key]
        if with_key:
            texts = {
                call.identity: json.dumps({"digest": call.digest, "answer": answer})
                for call, answer in with_key
            }
            live.store.add_answers(texts, MOST_ANSWERS)

    live.add([call.part for call in new], beside=keep)
    for call, answer in zip(new, answers, strict=True):
        call.answer.set_result(answer)


def _answers(found: CleanRows, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """What became of the rows of each call: counts, and the rows that were put aside with the reasons."""
    aside: Mapping[int, list[dict[str, Any]]] = {place: [] for place in range(len(calls))}
    for place, line, reason in found.put_aside:
        aside[place].append({"row": line, "reason": reason})
    answers = []
    for place, call in enumerate(calls):
        n_duplicates = sum(one["reason"] == DUPLICATE for one in aside[place])
        n_filtered = found.filtered.get(place, 0)
        answers.append({
            "n_rows": len(call.lines), "n_events": len(call.lines) - len(aside[place]) - n_filtered,
            "n_rejects": len(aside[place]) - n_duplicates, "n_duplicates": n_duplicates,
            "n_filtered": n_filtered, "rejects": aside[place],
        })  # fmt: skip
    return answers


class Turns:
    """A lock for which threads stand in line, so that a busy watcher keeps nobody out; its holder may take it again."""

    def __init__(self) -> None:
        self._line, self._lock = threading.Lock(), threading.RLock()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._holder == me:
            self._lock.acquire()
        else:
            with self._line:  # who waits for the lock is the next to have it
                self._lock.acquire()
            self._holder = me
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = None
        self._lock.release()
