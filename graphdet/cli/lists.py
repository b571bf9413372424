"""graphdet allow, deny, snooze: who is never flagged, who always, and what nobody wants to hear of for a while."""

from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, Days, Note, Until, print_head, who
from graphdet.cli.guard import guarded
from graphdet.errors import UsageError

Users = Annotated[list[str], typer.Argument(metavar="USER", help="Users, by their ids.", show_default=False)]
Remove = Annotated[bool, typer.Option("--remove", help="Take them off the list.")]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE", help="The date or time (UTC) from which they are off the list."
    ),
]


@guarded
def allow(
    users: Users,
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
    users: Users,
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

    until = ends_at(expires, None)
    with options.opened(store) as target:
        head = put_on_list(target, name, users, remove=remove, until=until, note=note, who=who(by))
    if as_json:
        from graphdet.cli import show

        told = {"list": name, "removed": remove, "until": until and until.isoformat(), "users": users}
        show.print_json({**told, "audit": {"seq": head.count, "hash": head.hash}})
        return
    n = f"{len(users)} user{'' if len(users) == 1 else 's'}"
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    print(f"{n} {'taken off' if remove else 'on'} the {name} list{end}.")
    print_head(head)


@guarded
def snooze(
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
        ring_id, head = decisions.snooze(target, ring, end, note=note, who=who(by))
    if json:
        from graphdet.cli import show

        told = {"ring_id": ring_id, "until": end and end.isoformat()}
        show.print_json({**told, "audit": {"seq": head.count, "hash": head.hash}})
        return
    print(f"Ring {ring_id}: " + (f"snoozed until {end:%Y-%m-%d %H:%M} UTC." if end else "snoozed no more."))
    print_head(head)
