"""The JSON interface: users, rings, verdicts, health and metrics."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from graphdet.casework.decisions import give_verdict
from graphdet.casework.standing import RING_SUBJECT, USER
from graphdet.errors import StoreError
from graphdet.files import plain
from graphdet.service.snapshot import Keeper, Snapshot

api_routes = APIRouter()
MOST_ROWS = 1000
Status = Literal["open", "guilty", "innocent", "unsure", "snoozed"]


class VerdictGiven(BaseModel):
    """A verdict on a ring or a user; exactly one of the two is named."""

    model_config = ConfigDict(extra="forbid")
    ring: str | None = Field(None, max_length=200)
    user: str | None = Field(None, max_length=10_000)
    verdict: Literal["guilty", "innocent", "unsure"]
    reason: str = Field(max_length=100)
    note: str = Field("", max_length=10_000)


class HttpRefusal(Exception):
    """What a caller did wrong: an HTTP status and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def keeper_of(request: Request) -> Keeper:
    """The keeper of the store that is served."""
    keeper: Keeper = request.app.state.keeper
    return keeper


def caller_of(request: Request) -> str:
    """The name of whoever asks."""
    return str(request.state.caller.name)


@api_routes.get("/health", tags=["service"])
def say_alive() -> dict[str, str]:
    """Say that the service runs."""
    return {"status": "ok"}


@api_routes.get("/ready", tags=["service"])
def say_ready(request: Request, response: Response) -> dict[str, Any]:
    """Say whether the store can be read, when it was, and what is not looked at yet; 503 where it cannot."""
    try:
        held = keeper_of(request).snapshot()
    except StoreError as error:
        response.status_code = 503
        return {"status": "unavailable", "error": str(error)}
    answer = {"status": "ok", "read_at": held.read_at, "n_users": held.scores.num_rows}
    watching = request.app.state.watching
    return answer if watching is None else answer | watching.readiness()


@api_routes.get("/metrics", tags=["service"])
def give_metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


@api_routes.get("/users/{user_id:path}", tags=["findings"])
def give_user(request: Request, user_id: Annotated[str, Path(max_length=10_000)]) -> dict[str, Any]:
    """Give a user's score, the reasons and the rings it is in; 404 where it has neither."""
    found = keeper_of(request).snapshot().user(user_id)
    if found is None:
        raise HttpRefusal(404, "no user of this name has a score or a ring; ids are written as in the log")
    return dict(plain(found))


@api_routes.get("/rings", tags=["findings"])
def list_rings(
    request: Request,
    flagged: Annotated[bool | None, Query(description="Only flagged rings, or only leads.")] = None,
    status: Annotated[Status | None, Query(description="What somebody decided.")] = None,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List rings and leads, flagged ones first, of each the strongest first."""
    held = keeper_of(request).snapshot()
    chosen = [
        ring_id
        for ring_id, one in held.findings.items()
        if (flagged is None or one.flagged == flagged)
        and (status is None or held.status(ring_id) == status)
        and (kind is None or one.kind == kind)
    ]
    rows = [_summary(held, ring_id) for ring_id in chosen[offset : offset + limit]]
    return {"n_rings": len(chosen), "rings": plain(rows)}


@api_routes.get("/rings/{ring_id}", tags=["findings"])
def give_ring(request: Request, ring_id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
    """Give a ring or lead with its reasons, what speaks against it, its members and its targets."""
    held = keeper_of(request).snapshot()
    one = held.findings.get(ring_id)
    if one is None:
        raise HttpRefusal(404, "there is no such ring")
    document = _summary(held, ring_id) | {
        "reasons": [reason.text for reason in one.explanation.reasons],
        "against": [reason.text for reason in one.explanation.counter_evidence],
        "held_back": [reason.text for reason in one.held_back],
        "members": held.members_of.get(ring_id, []),
        "items": held.items_of.get(ring_id, []),
    }
    return dict(plain(document))


@api_routes.post("/verdicts", tags=["decisions"], status_code=201)
def take_verdict(request: Request, given: VerdictGiven) -> dict[str, Any]:
    """Give a verdict on a ring or a user; it is noted in the audit log under the name of the key."""
    if (given.ring is None) == (given.user is None):
        raise HttpRefusal(422, "name a ring or a user, one of them")
    kind, subject = (USER, given.user) if given.ring is None else (RING_SUBJECT, given.ring)
    with keeper_of(request).open(read_only=False) as store:
        made, head = give_verdict(
            store, kind, str(subject), given.verdict, given.reason, given.note, caller_of(request)
        )
    return {"kind": made.kind, "subject": made.subject, "verdict": made.verdict, "entry": head.count}


def _summary(held: Snapshot, ring_id: str) -> dict[str, Any]:
    """A ring in one row, with what was decided on it."""
    one = held.findings[ring_id]
    names = ("ring_id", "kind", "n_users", "n_items", "score", "p_value", "q_value", "flagged", "first_seen")
    return {name: getattr(one, name) for name in (*names, "last_seen", "reason")} | {
        "status": held.status(ring_id)
    }
