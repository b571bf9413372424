"""The one place that every report, export and revealed pseudonym goes through before it is handed out.

An audit log hooks in here: what cannot be noted must not be given out, so `disclose` is called first and may raise.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphdet.ports import Store

log = logging.getLogger("graphdet.disclosure")


@dataclass(frozen=True)
class Disclosure:
    """What is about to be handed out: the verb, to where or about whom, in which formats, under which names."""

    what: str  # "report", "reveal" or "explain"
    subjects: tuple[str, ...]  # ring ids (none: all findings), the pseudonyms to reveal, or users
    formats: tuple[str, ...] = ()
    out: str | None = None
    pseudonymised: bool = False
    kind: str = "ring"  # of the subjects: ring, pseudonym or user
    more: Mapping[str, Any] = field(default_factory=dict)  # what else is to be noted


Listener = Callable[[Store, Disclosure], None]


def disclose(store: Store, disclosure: Disclosure, listener: Listener | None = None) -> None:
    """Note a disclosure: in Python's log, and with the listener that the caller brings.

    Raises:
        GraphdetError: the listener could not note it; nothing may be handed out then.
    """
    if listener is not None:
        listener(store, disclosure)
    log.info(
        "%s of %s from %s as %s to %s, %s",
        disclosure.what,
        ", ".join(disclosure.subjects) or "all findings",
        store.url,
        ", ".join(disclosure.formats) or "text",
        disclosure.out or "the terminal",
        "pseudonymised" if disclosure.pseudonymised else "with the log's own ids",
    )
