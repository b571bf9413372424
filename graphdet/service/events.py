"""Events in: POST /events, and the watcher that takes them in a thread of the service."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from graphdet.errors import ConfigError, InputError
from graphdet.live.inbox import Call, Inbox, json_rows
from graphdet.service.api import HttpRefusal, caller_of
from graphdet.verbs.watch import Watcher
from graphdet.words import iso

event_routes = APIRouter()
SWITCH_S = 0.0005
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A JSON object, a list of them, or JSON lines, with the names of the config's columns.",
        "content": {kind: {"schema": {}} for kind in ("application/json", JSON_LINES[0])},
    }
}


class Watching:
    """A watcher at work beside the server, and what is told of it.

    Args:
        watcher: its inbox is opened here.
        ended: called when the watcher has ended by itself, which it does for an error alone.

    Raises:
        ConfigError: the config reads another encoding than that of JSON.
    """

    def __init__(self, watcher: Watcher, ended: Callable[[], None] = lambda: None) -> None:
        encoding = watcher.live.config.read.encoding.lower().replace("_", "-")
        if encoding not in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"):
            raise ConfigError(
                f"config {watcher.live.config.name}: [read] encoding is {encoding}, and events over HTTP are UTF-8; "
                "write utf-8"
            )
        self.watcher, self.ended = watcher, ended
        self.inbox = watcher.inbox = Inbox()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="graphdet watcher", daemon=True)

    def start(self) -> None:
        """Begin; from now on threads of this process change quickly, so that answers wait little for a look."""
        sys.setswitchinterval(SWITCH_S)
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done, and wait for that.

        Raises:
            GraphdetError and its children: the watcher failed.
        """
        self.watcher.stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            self.watcher.run()
        except BaseException as error:
            self.error = error
        finally:
            self.inbox.close("the service takes no more events; look at its log")
            if not self.watcher.stop.is_set():
                self.ended()

    def readiness(self) -> dict[str, Any]:
        """How far the findings are behind the events."""
        state = self.watcher.live.state
        return {
            "n_events": state.n_events, "n_waiting": self.inbox.n_waiting, "n_not_looked_at": state.since_look,
            "behind": self.inbox.n_waiting + state.since_look,
            "newest_event": None if state.newest_ms is None else iso(state.newest_ms),
        }  # fmt: skip

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        state, delivery = self.watcher.live.state, self.watcher.delivery
        counts = {
            "events": ("Events taken into the store.", state.n_events),
            "events_rejected": ("Rows put aside, as wrong or late.", state.n_rejects),
            "events_late": ("Rows put aside as too late.", state.n_late),
            "events_duplicate": ("Rows that were there already.", state.n_duplicates),
            "alerts_sent": ("Alerts that a target took, since the start.", delivery.n_sent),
        }
        for name, (words, value) in counts.items():
            yield CounterMetricFamily(f"graphdet_{name}", words, value=value)
        yield GaugeMetricFamily(
            "graphdet_events_behind",
            "Rows that are not looked at yet.",
            self.inbox.n_waiting + state.since_look,
        )
        if state.newest_ms is not None:
            yield GaugeMetricFamily(
                "graphdet_newest_event_seconds", "Time of the newest event.", state.newest_ms / 1000
            )
        yield SummaryMetricFamily(
            "graphdet_look_seconds",
            "Looks since the start, and their seconds.",
            self.watcher.n_looks,
            self.watcher.looks_s,
        )


@event_routes.post("/events", tags=["events"], status_code=202, openapi_extra=_BODY)
async def take_events(
    request: Request, idempotency_key: Annotated[str, Header(max_length=1000)] = ""
) -> dict[str, Any]:
    """Take events; the answer comes when they are in the store, with what was put aside and why.

    The same events under the same Idempotency-Key count once and have the same answer.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in ("application/json", *JSON_LINES):
        raise HttpRefusal(415, f"send application/json or {JSON_LINES[0]}, not {kind}")
    rows = await run_in_threadpool(json_rows, await request.body(), kind in JSON_LINES)
    call = Call(caller_of(request), idempotency_key, rows)
    request.app.state.watching.inbox.put(call)
    try:
        return await asyncio.wrap_future(call.answer)
    except InputError as error:
        raise HttpRefusal(422, str(error)) from error
