"""graphdet verdict, verdicts: give a verdict on a ring or a user, and look at those given.

graphdet allow, deny, snooze: who is never flagged, who always, and what nobody wants to hear of for a while.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, Days, Note, Until, print_head, who
from graphdet.cli.guard import guarded, say
from graphdet.errors import UsageError

if TYPE_CHECKING:
    from graphdet.casework.standing import Standing, Verdict


# Those of casework.standing.VERDICT_REASONS, which is loaded only when a verdict is given.
REASON_HELP = (
    "Why. Of guilty: paid-engagement, fake-account, hijacked-account, shared-operator, refund-abuse, "
    "confirmed-elsewhere. Of innocent: fan-club, class-or-team, household-or-office, newsletter-or-push, "
    "event-or-promotion, own-automation, data-error. Of unsure: needs-more-data, needs-second-opinion. Of any: other, "
    "with --note."
)


@guarded
def verdict(
    ring: Annotated[str | None, typer.Argument(metavar="[RING]", help="The ring, for instance R17.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="A user instead of a ring.")
    ] = None,
    guilty: Annotated[bool, typer.Option("--guilty", help="It is fraud.")] = False,
    innocent: Annotated[bool, typer.Option("--innocent", help="It is not.")] = False,
    unsure: Annotated[bool, typer.Option("--unsure", help="You looked and cannot tell.")] = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="CODE", help=REASON_HELP),
    ] = None,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Give a verdict on a ring or a user; a later one supersedes it, and both stay.

    It holds from the next run on: innocent rings stay quiet, and training learns from both kinds.
    """
    chosen = [name for name, on in _flags(guilty, innocent, unsure).items() if on]
    if len(chosen) != 1:
        raise UsageError("give one of --guilty, --innocent and --unsure")
    if (ring is None) == (user is None):
        raise UsageError("name a ring, for instance R17, or a user with --user")
    from graphdet.casework.decisions import give_verdict
    from graphdet.casework.standing import reasons_of

    if reason is None:
        raise UsageError(f"--reason CODE is missing\n{reasons_of(chosen[0])}")
    kind, subject = ("ring", str(ring)) if user is None else ("user", user)
    with options.opened(store) as target:
        given, head = give_verdict(target, kind, subject, chosen[0], reason, note, who(by))
    if json:
        from graphdet.cli import show

        show.print_json({"verdict": _row(given, True), "audit": {"seq": head.count, "hash": head.hash}})
        return
    from graphdet.words import visible

    print(visible(f"{kind.capitalize()} {given.subject}: {given.words()}."))
    print_head(head)


def _flags(guilty: bool, innocent: bool, unsure: bool) -> dict[str, bool]:
    return {"guilty": guilty, "innocent": innocent, "unsure": unsure}


@guarded
def verdicts(
    precision: Annotated[
        bool, typer.Option("--precision", help="How often findings were right, by detector and sign.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Superseded ones too.")] = False,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Print the verdicts, lists and snoozes that hold in a store."""
    from graphdet.audit import utc_now
    from graphdet.casework.decisions import decision_doubts, standing_of

    with options.opened(store, read_only=True) as source:
        standing = standing_of(source).at(utc_now())
        for warning in decision_doubts(source):
            say(f"Warning: {warning}")
    if precision:
        _print_precision(standing, json)
        return
    shown = [(one, _counts(standing, one)) for one in reversed(standing.verdicts)]
    shown = [(one, counts) for one, counts in shown if every or counts or one.seq is None]
    if json:
        from dataclasses import asdict

        from graphdet.cli import show

        show.print_json(
            {
                "verdicts": [_row(one, counts) for one, counts in shown],
                "lists": [asdict(one) for one in standing.listed.values()],
                "snoozes": [asdict(one) for one in standing.snoozed.values()],
            }
        )
        return
    _print_verdicts(shown)
    _print_lists(standing)


def _counts(standing: "Standing", one: "Verdict") -> bool:
    """Whether a verdict is the one that counts of its subject."""
    return standing.current.get((one.kind, one.subject)) is one


def _row(one: "Verdict", counts: bool) -> dict[str, Any]:
    """A verdict as a JSON object."""
    names = ("kind", "subject", "verdict", "reason", "note", "who", "at")
    state = "counts" if counts else ("unusable" if one.fault else "superseded")
    document = {name: getattr(one, name) for name in names}
    return document | {"entry": one.seq, "state": state, "fault": one.fault, "found": dict(one.found)}


def _print_verdicts(shown: list[tuple["Verdict", bool]]) -> None:
    """Print verdicts, the latest first."""
    from graphdet.cli import show
    from graphdet.words import shorten

    if not shown:
        print(
            "No verdicts yet; give one with: graphdet verdict RING --guilty|--innocent|--unsure --reason CODE"
        )
        return
    headings = ("", "", "verdict", "reason", "by", "at", "state", "note")
    rows = []
    for one, counts in shown:
        state = "counts" if counts else (f"unusable: {one.fault}" if one.fault else "superseded")
        state += "" if one.seq is not None else " (Neo4j Browser, not in the audit log yet)"
        texts = (one.kind, one.subject, one.verdict, one.reason, one.who, one.at[:16].replace("T", " "))
        rows.append(
            [*(shorten(text, show.NOTE_WIDTH) for text in texts), state, shorten(one.note, show.NOTE_WIDTH)]
        )
    show.print_rows([(heading, False) for heading in headings], rows)


def _print_lists(standing: "Standing") -> None:
    """Print who is on a list and what is snoozed."""
    from graphdet.cli import show
    from graphdet.words import shorten

    rows = [
        (one.list, one.user_id, one.who, one.at, one.until, one.note) for one in standing.listed.values()
    ] + [("snooze", one.ring_id, one.who, one.at, one.until, one.note) for one in standing.snoozed.values()]
    if not rows:
        return
    print()
    headings = ("list", "", "by", "since", "until", "note")
    show.print_rows(
        [(heading, False) for heading in headings],
        ([shorten(text or "–", show.NOTE_WIDTH) for text in row] for row in rows),
    )


def _print_precision(standing: "Standing", as_json: bool) -> None:
    """Print how often findings were right, and how sure that is."""
    from graphdet.casework.effects import precision_of
    from graphdet.cli import show
    from graphdet.words import percent

    rows = precision_of(standing.current.values())
    if as_json:
        show.print_json({"interval": "Wilson, 95 %", "precision": rows})
        return
    if not rows:
        print("No verdicts yet, so nobody knows.")
        return
    headings = [("of", False), ("detector or sign", False)]
    headings += [(name, True) for name in ("guilty", "innocent", "unsure", "precision", "95 % interval")]
    cells = []
    for row in rows:
        n = [str(row[name]) for name in ("n_guilty", "n_innocent", "n_unsure")]
        between = f"{percent(row['low'])} – {percent(row['high'])}"
        cells.append((row["of"], row["detector"], *n, percent(row["precision"]), between))
    show.print_rows(headings, cells)
    say("Verdicts are no random sample: people look first at what looks worst.")


UserArguments = Annotated[
    list[str], typer.Argument(metavar="USER", help="Users, by their ids.", show_default=False)
]
Remove = Annotated[bool, typer.Option("--remove", help="Take them off the list.")]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE", help="The date or time (UTC) from which they are off the list."
    ),
]


@guarded
def allow(
    users: UserArguments,
    remove: Remove = False,
    expires: Expires = None,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Never flag these users; they are still scored, and their reason says so. Holds from the next run on."""
    _put("allow", users, remove, expires, note, by, store, json)


@guarded
def deny(
    users: UserArguments,
    remove: Remove = False,
    expires: Expires = None,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Always flag these users, and say so in their reason. Holds from the next run on."""
    _put("deny", users, remove, expires, note, by, store, json)


def _put(
    name: str,
    users: list[str],
    remove: bool,
    expires: str | None,
    note: str,
    by: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Put users on a list or take them off, and say it."""
    if remove and expires is not None:
        raise UsageError("give --remove or --expires, not both")
    from graphdet.casework.decisions import ends_at, put_on_list
    from graphdet.casework.subjects import unknown_users
    from graphdet.logs.values import BLANKS

    users, until = list(dict.fromkeys(user.strip(BLANKS) for user in users)), ends_at(expires, None)
    with options.opened(store) as target:
        unknown = [] if remove else unknown_users(target, users)
        head = put_on_list(target, name, users, remove=remove, until=until, note=note, who=who(by))
    if as_json:
        from graphdet.cli import show

        document = {"list": name, "removed": remove, "until": until and until.isoformat(), "users": users}
        document |= {"unknown": unknown}
        show.print_json({**document, "audit": {"seq": head.count, "hash": head.hash}})
        return
    if unknown:
        from graphdet.words import visible

        some = visible(", ".join(unknown[:5])) + (" …" if len(unknown) > 5 else "")
        say(f"Warning: the log has no user {some}; ids are written as in the log. Listed all the same.")
    n = f"{len(users)} user{'' if len(users) == 1 else 's'}"
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    print(f"{n} {'taken off' if remove else 'on'} the {name} list{end}.")
    print_head(head)


@guarded
def snooze_command(
    ring: Annotated[str, typer.Argument(metavar="RING", help="The ring, for instance R17.")],
    until: Until = None,
    days: Days = None,
    remove: Annotated[bool, typer.Option("--remove", help="End the snooze now.")] = False,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Do not flag a ring until a date, or for some days. Holds from the next run on."""
    if remove == (until is not None or days is not None):
        raise UsageError("give --until DATE, --days N, or --remove")
    from graphdet.casework import decisions

    end = decisions.ends_at(until, days)
    with options.opened(store) as target:
        ring_id, head = decisions.snooze_ring(target, ring, end, note=note, who=who(by))
    if json:
        from graphdet.cli import show

        document = {"ring_id": ring_id, "until": end and end.isoformat()}
        show.print_json({**document, "audit": {"seq": head.count, "hash": head.hash}})
        return
    print(f"Ring {ring_id}: " + (f"snoozed until {end:%Y-%m-%d %H:%M} UTC." if end else "snoozed no more."))
    print_head(head)
