"""What the commands of the analyst's desk share: who decides, and how it is told."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from graphdet.audit import Head
    from graphdet.casework.disclosure import Disclosure, Listener
    from graphdet.ports import AuditStore

WHO_VARIABLE = "GRAPHDET_ANALYST"
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", envvar=WHO_VARIABLE, help="Who decides [default: your login name]."),
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, in your own words.")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="DATE", help="The date or time (UTC) from which it ends."),
]
Days = Annotated[float | None, typer.Option("--days", metavar="N", help="It ends after so many days.")]


def who(by: str | None) -> str:
    """The name that is noted: the one given, else the login name."""
    if by:
        return by
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def print_head(head: "Head") -> None:
    """Say where the audit log ends now."""
    print(f"Audit log: entry {head.count}, head {head.hash}")


def noted(by: str | None) -> "Listener":
    """Note what is given out in the audit log of its store, before it is."""
    from graphdet.casework.decisions import record

    def note(store: "AuditStore", given: "Disclosure") -> None:
        after = {"formats": list(given.formats), "out": given.out, "pseudonymised": given.pseudonymised}
        about = (given.kind, ", ".join(given.subjects)) if given.subjects else ("store", store.url)
        record(store, who(by), given.what, *about, after=after | dict(given.more))

    return note
