"""The desk: a queue of rings, a ring with its evidence and graph, and decisions with what they would hit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment

from graphdet import __version__, schema, words
from graphdet.audit import utc_now
from graphdet.casework import decisions
from graphdet.casework.standing import OTHER, VERDICT_REASONS, VERDICTS
from graphdet.ports import GraphStore
from graphdet.reports.html import templates_of
from graphdet.reports.ring_page import ring_page
from graphdet.service.api import HttpRefusal, caller_of, keeper_of
from graphdet.service.limits import COOKIE, SESSION_S, session_token
from graphdet.service.snapshot import Snapshot

desk_routes = APIRouter(prefix="/desk", default_response_class=HTMLResponse, include_in_schema=False)
STATUSES = ("open", "snoozed", *VERDICTS)
PAGE_ROWS = 50
MOST_NODES = 120  # nodes of a ring's graph at first
MOST_EXPANDED = 40  # nodes that one click adds
SNOOZE_DAYS = 14.0


@dataclass(frozen=True)
class QueueView:
    """What the queue shows: status, flagged ones or leads, kind, and a word of an id, member, target or reason."""

    status: str = "open"
    what: str = "flagged"
    kind: str = ""
    search: str = ""
    page: int = 1


@desk_routes.get("/")
def show_queue(
    request: Request,
    status: str = "open",
    what: str = "flagged",
    kind: str = "",
    search: str = "",
    page: int = 1,
) -> HTMLResponse:
    """Show the queue; asked for by htmx, its rows alone."""
    held = keeper_of(request).snapshot()
    wanted = QueueView(status, what, kind, search[:200].strip(), max(page, 1))
    chosen = chosen_rings(held, wanted)
    first = (wanted.page - 1) * PAGE_ROWS
    rows = [_row(held, ring_id) for ring_id in chosen[first : first + PAGE_ROWS]]
    count = Counter(held.status(ring_id) for ring_id, one in held.findings.items() if one.flagged)
    return _page(
        "rows.html.j2" if "hx-request" in request.headers else "queue.html.j2",
        held=held, wanted=wanted, rows=rows, n_chosen=len(chosen), n_pages=-(-len(chosen) // PAGE_ROWS),
        count=count, statuses=STATUSES, kinds=schema.RING_KINDS, caller=caller_of(request),
        n_flagged=sum(one.flagged for one in held.findings.values()),
    )  # fmt: skip


def chosen_rings(held: Snapshot, wanted: QueueView) -> list[str]:
    """The rings of the queue in its order: flagged ones first, of each the strongest first."""
    word = wanted.search.lower()
    chosen = []
    for ring_id, one in held.findings.items():
        if wanted.what != "all" and one.flagged != (wanted.what == "flagged"):
            continue
        if wanted.status != "all" and held.status(ring_id) != wanted.status:
            continue
        if wanted.kind and one.kind != wanted.kind:
            continue
        if word and not _mentions(held, ring_id, word):
            continue
        chosen.append(ring_id)
    return chosen


def _mentions(held: Snapshot, ring_id: str, word: str) -> bool:
    one = held.findings[ring_id]
    if word in ring_id.lower() or word in str(one.reason or "").lower():
        return True
    if any(word == row["user_id"].lower() for row in held.members_of.get(ring_id, ())):
        return True
    return any(word == row["item_id"].lower() for row in held.items_of.get(ring_id, ()))


def _row(held: Snapshot, ring_id: str) -> dict[str, Any]:
    one = held.findings[ring_id]
    return {
        "ring": one,
        "status": held.status(ring_id),
        "verdict": held.standing.of_ring(ring_id),
        "assigned": held.standing.assigned.get(ring_id, ""),
        "held_back": held.held_back.get(ring_id, ""),
    }


@desk_routes.get("/rings/{ring_id}")
def show_ring(request: Request, ring_id: str) -> HTMLResponse:
    """Show a ring: what to decide, its page, and its graph."""
    held = keeper_of(request).snapshot()
    if ring_id not in held.findings:
        raise HttpRefusal(404, "there is no such ring")
    queue_ids = chosen_rings(held, QueueView())
    place = queue_ids.index(ring_id) if ring_id in queue_ids else -1
    later = queue_ids[place + 1 :] + queue_ids[: max(place, 0)]
    return _page(
        "ring.html.j2",
        **_row(held, ring_id),
        effects=effects(held, [ring_id]),
        notes=held.standing.notes.get(("ring", ring_id), []),
        snoozed=held.standing.snoozed.get(ring_id),
        next_id=later[0] if later else None,
        n_open=len(queue_ids),
        reasons=VERDICT_REASONS,
        other=OTHER,
        caller=caller_of(request),
        may_decide="decide" in request.state.caller.scopes,
    )


@desk_routes.get("/rings/{ring_id}/page")
def show_page(request: Request, ring_id: str) -> HTMLResponse:
    """The ring's page as in a report; it brings its own policy, which allows its own style and script alone."""
    if ring_id not in keeper_of(request).snapshot().findings:
        raise HttpRefusal(404, "there is no such ring")
    text = ring_page(keeper_of(request).ring(ring_id), has_overview=False)
    return HTMLResponse(text, headers={"content-security-policy": "frame-ancestors 'self'"})


@desk_routes.get("/rings/{ring_id}/graph")
def show_graph(request: Request, ring_id: str) -> JSONResponse:
    """Give the ring as nodes and edges: members, targets, and what members share, the strongest first."""
    held = keeper_of(request).snapshot()
    if ring_id not in held.findings:
        raise HttpRefusal(404, "there is no such ring")
    found = keeper_of(request).ring(ring_id)
    graph = _Graph(held)
    for member in found.members[: MOST_NODES // 2]:
        graph.user(member.user_id, weak=member.is_weak, member=True)
    for item in found.items[: MOST_NODES // 4]:
        graph.node("item", item.item_id, item.title)
    for thing in sorted(found.shared, key=lambda one: -len(one.user_ids))[: MOST_NODES // 4]:
        flagged = sum(user in held.flagged_users for user in thing.user_ids)
        graph.node(thing.kind, thing.entity_id, thing.entity_id, flagged=flagged)
        for user_id in thing.user_ids:
            graph.edge(("user", user_id), (thing.kind, thing.entity_id))
    for act in found.acts:
        graph.edge(("user", act.user_id), ("item", act.item_id))
    left_out = max(len(found.members) - MOST_NODES // 2, 0)
    return JSONResponse(graph.document() | {"left_out": left_out})


@desk_routes.get("/expand")
def show_around(request: Request, user: str) -> JSONResponse:
    """Give what lies around a user: its devices and how many flagged accounts use each, its items, its other rings."""
    held = keeper_of(request).snapshot()
    if user not in held.row_of:
        raise HttpRefusal(404, "the log has no such user")
    graph = _Graph(held)
    graph.user(user)
    for ring_id in held.rings_of.get(user, [])[:MOST_EXPANDED]:
        one = held.findings[ring_id]
        graph.node("ring", ring_id, f"{ring_id}: {one.kind} of {one.n_users}", flagged=int(one.flagged))
        graph.edge(("user", user), ("ring", ring_id))
    with keeper_of(request).open() as store:
        things, others = _shared_things(store, user)
        items = _items_of(store, user)
    for (kind, entity_id), users in list(others.items())[:MOST_EXPANDED]:
        graph.node(kind, entity_id, entity_id, flagged=sum(one in held.flagged_users for one in users))
        graph.edge(("user", user), (kind, entity_id))
    for item_id in items[: MOST_EXPANDED // 2]:
        graph.node("item", item_id, item_id)
        graph.edge(("user", user), ("item", item_id))
    counted = [sum(one in held.flagged_users for one in users if one != user) for users in others.values()]
    said = words.plural(things, "shared thing") + " of this account"
    if any(counted):
        said += (
            f", {sum(n > 0 for n in counted)} of them also used by flagged accounts (up to {max(counted)})"
        )
    return JSONResponse(graph.document() | {"said": said})


def _shared_things(store: GraphStore, user: str) -> tuple[int, dict[tuple[str, str], list[str]]]:
    """How many entities a user has, and (kind, entity_id) → users of each, those of most users first."""
    mine = pa.table({"user_id": pa.array([user], pa.string())})
    entities = store.entities()
    keys = entities.join(store.bench.from_arrow(mine), on="user_id", how="semi").select("kind", "entity_id")
    table = entities.join(keys, on=["kind", "entity_id"], how="semi").collect("pyarrow").to_native()
    found: dict[tuple[str, str], list[str]] = {}
    for row in table.select(["kind", "entity_id", "user_id"]).to_pylist():
        found.setdefault((row["kind"], row["entity_id"]), []).append(row["user_id"])
    order = sorted(found, key=lambda key: (-len(found[key]), key))
    return len(found), {key: found[key] for key in order}


def _items_of(store: GraphStore, user: str) -> list[str]:
    """The items of a user, those with most acts first."""
    acts = store.neighbourhood([user], 1).collect("pyarrow").to_native()
    if not acts.num_rows:
        return []
    sums = acts.group_by("item_id").aggregate([("n", "sum")])
    order = pc.sort_indices(sums, [("n_sum", "descending"), ("item_id", "ascending")])
    return list(sums["item_id"].take(order).to_pylist())


class _Graph:
    """Nodes and edges for the drawing; an edge to a node that is not drawn is left out."""

    def __init__(self, held: Snapshot) -> None:
        self._held = held
        self._nodes: dict[tuple[str, str], dict[str, Any]] = {}
        self._edges: dict[tuple[tuple[str, str], tuple[str, str]], int] = {}

    def node(self, kind: str, name: str, label: str, **more: Any) -> None:
        text = words.visible(words.shorten(label, 30))
        self._nodes[kind, name] = {"kind": kind, "name": name, "label": text, **more}

    def user(self, user_id: str, **more: Any) -> None:
        flagged = int(user_id in self._held.flagged_users)
        self.node("user", user_id, user_id, flagged=flagged, **more)

    def edge(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        self._edges[one, other] = self._edges.get((one, other), 0) + 1

    def document(self) -> dict[str, Any]:
        """JSON for the drawing; ids are `kind:name`, so that a user and an item of one name are two nodes."""
        nodes = [{"id": f"{kind}:{name}", **data} for (kind, name), data in self._nodes.items()]
        edges = [
            {"source": f"{a[0]}:{a[1]}", "target": f"{b[0]}:{b[1]}", "n": n}
            for (a, b), n in self._edges.items()
            if a in self._nodes and b in self._nodes
        ]
        return {"nodes": nodes, "edges": edges}


def effects(held: Snapshot, ring_ids: Sequence[str]) -> dict[str, Any]:
    """What a decision on rings would hit.

    n_accounts: their members, each once. innocent: how many of them are likely innocent, the sum of one less their
    score. weak: members whom no ring vouches for, with the ring; allowed, innocent_before: accounts that somebody
    cleared; not_flagged: rings that are leads only.
    """
    rings_of: dict[str, list[str]] = {}
    for ring_id in ring_ids:
        for row in held.members_of.get(ring_id, ()):
            rings_of.setdefault(row["user_id"], []).append(ring_id)
    scores = [(held.user(user) or {}).get("score") or 0.0 for user in rings_of]
    allowed = [
        user
        for user in rings_of
        if (one := held.standing.listed.get(user)) is not None and one.list == "allow"
    ]
    cleared = [
        user
        for user in rings_of
        if (verdict := held.standing.of_user(user)) is not None and verdict.verdict == "innocent"
    ]
    return {
        "n_accounts": len(rings_of),
        "innocent": sum(1 - score for score in scores),
        "weak": sorted(
            (user, rings[0])
            for user, rings in rings_of.items()
            if all(held.is_weak(ring, user) for ring in rings)
        ),
        "allowed": sorted(allowed),
        "innocent_before": sorted(cleared),
        "not_flagged": [ring_id for ring_id in ring_ids if not held.findings[ring_id].flagged],
    }


@desk_routes.post("/preview")
def show_effects(request: Request, rings: Annotated[list[str] | None, Form()] = None) -> HTMLResponse:
    """Say what a decision on the chosen rings would hit, and ask for it."""
    held = keeper_of(request).snapshot()
    chosen = [ring_id for ring_id in rings or () if ring_id in held.findings]
    if not chosen:
        raise HttpRefusal(422, "choose at least one ring")
    return _page(
        "preview.html.j2", chosen=chosen, effects=effects(held, chosen), reasons=VERDICT_REASONS, other=OTHER,
        caller=caller_of(request),
    )  # fmt: skip


@desk_routes.post("/decide")
def carry_out(
    request: Request,
    rings: Annotated[list[str], Form()],
    decision: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=10_000)] = "",
    then: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Carry a decision out: `VERDICT REASON` or `snooze`; then show what was done, with a way to undo it."""
    who = caller_of(request)
    with keeper_of(request).open(read_only=False) as store:
        if decision == "snooze":
            until = decisions.ends_at(None, SNOOZE_DAYS)
            for ring_id in rings:
                decisions.snooze_ring(store, ring_id, until, note=note, who=who)
            batch, said = "", f"snoozed for {SNOOZE_DAYS:g} days"
        else:
            verdict, _, reason = decision.partition(" ")
            batch = decisions.give_verdicts(store, rings, verdict, reason, note, who)
            said = f"judged {verdict} ({reason})"
    then = then if then in keeper_of(request).snapshot().findings else ""
    return _page(
        "done.html.j2", rings=rings, said=said, batch=batch, caller=who, then=then,
    )  # fmt: skip


@desk_routes.post("/undo")
def take_back(request: Request, batch: Annotated[str, Form(max_length=64)]) -> RedirectResponse:
    """Take a decision back."""
    with keeper_of(request).open(read_only=False) as store:
        decisions.undo(store, batch, caller_of(request))
    return RedirectResponse("/desk/?status=open", status_code=303)


@desk_routes.post("/note")
def keep_note(
    request: Request, ring: Annotated[str, Form()], text: Annotated[str, Form(max_length=10_000)]
) -> RedirectResponse:
    """Keep a note on a ring."""
    with keeper_of(request).open(read_only=False) as store:
        ring_id = decisions.note_on_ring(store, ring, text, caller_of(request))
    return RedirectResponse(f"/desk/rings/{quote(ring_id)}#notes", status_code=303)


@desk_routes.post("/assign")
def set_assignee(
    request: Request, ring: Annotated[str, Form()], to: Annotated[str, Form(max_length=200)] = ""
) -> RedirectResponse:
    """Say who looks after a ring."""
    with keeper_of(request).open(read_only=False) as store:
        ring_id = decisions.assign_ring(store, ring, to, caller_of(request))
    return RedirectResponse(f"/desk/rings/{quote(ring_id)}#notes", status_code=303)


@desk_routes.get("/api")
def show_interface(request: Request) -> HTMLResponse:
    """The JSON interface, from its own description."""
    return _page("api.html.j2", described=request.app.openapi(), caller=caller_of(request))


session_routes = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)


@session_routes.get("/login")
def ask_key(request: Request, session: str = "") -> Response:
    """Ask for a key; with the one-time session of `graphdet review` go straight to the desk."""
    doors = request.app.state.doors
    if session and session in doors.sessions:
        caller, key_name, _ = doors.sessions[session]
        doors.close_session(session)  # an address is seen by others: it works once
        return _with_session(doors.open_session(caller, key_name))
    return _page("login.html.j2", wrong=bool(session), caller="")


@session_routes.post("/login")
def log_in(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
    """Open a session for a key that may read."""
    doors = request.app.state.doors
    caller = doors.by_key(key.strip())
    if caller is None or "read" not in caller.scopes:
        return _page("login.html.j2", 401, wrong=True, caller="")
    return _with_session(doors.open_session(caller, caller.name))


@session_routes.post("/logout")
def log_out(request: Request) -> RedirectResponse:
    """End the session."""
    request.app.state.doors.close_session(session_token(dict(request.scope["headers"])))
    away = RedirectResponse("/login", status_code=303)
    away.delete_cookie(COOKIE)
    return away


def _with_session(token: str) -> RedirectResponse:
    inside = RedirectResponse("/desk/", status_code=303)
    inside.set_cookie(COOKIE, token, max_age=int(SESSION_S), httponly=True, samesite="strict")
    return inside


@cache
def _environment() -> Environment:
    environment = templates_of("graphdet.service")
    environment.filters.update(plural=words.plural, part_of_url=lambda text: quote(str(text), safe=""))
    return environment


def _page(template: str, code: int = 200, **values: Any) -> HTMLResponse:
    text = _environment().get_template(template).render(**values, version=__version__, now=utc_now())
    return HTMLResponse(text, code)


def refused_page(error: Exception) -> str:
    """A page that says what went wrong."""
    return (
        _environment()
        .get_template("refused.html.j2")
        .render(error=str(error), caller="", version=__version__)
    )


def static(name: str) -> bytes | None:
    """A file of the desk, of a closed list; None where there is none of that name."""
    if name not in STATIC_TYPES:
        return None
    return resources.files("graphdet.service").joinpath("static", name).read_bytes()


STATIC_TYPES = {
    "desk.css": "text/css; charset=utf-8",
    "desk.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "cytoscape.min.js": "text/javascript; charset=utf-8",
}
