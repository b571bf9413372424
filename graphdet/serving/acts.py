"""The acts of one account: those of the log, and such as came since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.errors import InputError
from graphdet.schema import DEFAULT_ACTION

# An act without a session begins a new one after so long a pause, as cleaning does by default.
GAP_MS = 1_800_000


@dataclass(frozen=True)
class NewAct:
    """One event since the log was read; without a session it goes on with the latest, or begins one after a pause."""

    item_id: str
    at_ms: int
    action: str = DEFAULT_ACTION
    session_id: str | None = None


@dataclass(frozen=True)
class AccountActs:
    """Interactions of one account, one per (session, item, action), by time.

    Shapes: item, session, action, at_ms (the first time), n int64[n_acts]; is_new bool[n_acts], not of the log.
    Sessions are numbered within the account. Items that the log lacks have rows from its number of items on.
    """

    item: Int
    session: Int
    action: Int
    at_ms: Int
    n: Int
    is_new: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.item)


def with_new(
    old: AccountActs,
    session_ids: Sequence[str | int],
    new: Sequence[NewAct],
    item_row: Mapping[str, int],
    actions: Sequence[str],
) -> AccountActs:
    """Old acts and new events. An event of a session, item and action that are there already is one more of it.

    `session_ids` are the names of the old acts' sessions, by their number, or these numbers where no new event names
    its session; `item_row` and `actions` are those of the log.
    """
    sessions = {name: place for place, name in enumerate(session_ids)}
    codes = {name: place for place, name in enumerate(actions)}
    unseen: dict[str, int] = {}
    first_ms, n = old.at_ms.copy(), old.n.copy()
    more: dict[tuple[int, int, int], list[int]] = {}
    latest, latest_ms = (int(old.session[-1]), int(old.at_ms[-1])) if len(old) else (-1, 0)
    for act in sorted(new, key=lambda each: each.at_ms):
        item = item_row.get(act.item_id, -1)
        if item < 0:
            item = len(item_row) + unseen.setdefault(act.item_id, len(unseen))
        if act.session_id is not None:
            session = sessions.setdefault(act.session_id, len(sessions))
        elif latest >= 0 and abs(act.at_ms - latest_ms) <= GAP_MS:
            session = latest
        else:
            session = sessions.setdefault(f"\0{act.at_ms}", len(sessions))
        if act.at_ms >= latest_ms or latest < 0:
            latest, latest_ms = session, act.at_ms
        code = codes.setdefault(act.action, len(codes))
        same = np.flatnonzero((old.session == session) & (old.item == item) & (old.action == code))
        if len(same):
            first_ms[same[0]], n[same[0]] = min(int(first_ms[same[0]]), act.at_ms), n[same[0]] + 1
        else:  # by time, so the first is the earliest
            more.setdefault((session, item, code), [act.at_ms, 0])[1] += 1
    added = np.array([(*key, *row) for key, row in more.items()], np.int64).reshape(-1, 5)
    known = np.stack([old.session, old.item, old.action, first_ms, n], axis=1)
    table = np.concatenate([known, added])
    order = np.lexsort((table[:, 2], table[:, 0], table[:, 1], table[:, 3]))
    session_of, item_of, action_of, first_ms, n = (table[order, column] for column in range(5))
    return AccountActs(
        item_of, session_of, action_of, first_ms, n, np.r_[old.is_new, np.ones(len(added), bool)][order]
    )


def parse_acts(found: object) -> list[NewAct]:
    """AccountActs out of JSON: a list of objects with item_id and at_ms (UTC epoch), and maybe action and session_id.

    Raises:
        InputError: it is no such list; says which entry and what is wrong.
    """
    if not isinstance(found, list):
        raise InputError(f"acts must be a list of objects, not {type(found).__name__}")
    acts = []
    for place, row in enumerate(found):
        where = f"act {place} of the list"
        if not isinstance(row, dict):
            raise InputError(f"{where} is no object with item_id and at_ms")
        unknown = sorted(set(row) - {"item_id", "at_ms", "action", "session_id"})
        if unknown:
            raise InputError(
                f"{where} has an unknown key {unknown[0]!r}; use item_id, at_ms, action, session_id"
            )
        item, at_ms, session = row.get("item_id"), row.get("at_ms"), row.get("session_id")
        action = row.get("action", DEFAULT_ACTION)
        if not isinstance(item, str) or not item:
            raise InputError(f"{where} needs item_id, a text")
        if not isinstance(at_ms, int) or isinstance(at_ms, bool) or not 0 <= at_ms < 1 << 53:
            raise InputError(f"{where} needs at_ms, whole milliseconds since 1970 (UTC)")
        if not isinstance(action, str) or not (session is None or isinstance(session, str)):
            raise InputError(f"{where}: action and session_id are texts")
        acts.append(NewAct(item, at_ms, action.lower(), session))
    return acts
