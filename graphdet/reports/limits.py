"""What a run cannot see, said openly in the report."""

from collections.abc import Mapping
from typing import Any

from graphdet import words
from graphdet.tables import RingTables

FEW_USERS = 200
FEW_INTERACTIONS = 1000
SHORT_S = 3600.0


def not_enough(facts: Mapping[str, Any], counts: Mapping[str, int]) -> str | None:
    """Say why the log is too small for findings to mean much, or None.

    The limits are those below which a share of natural groups cannot be told from chance; the run may know
    better and say so in `not_enough_data`.

    >>> not_enough({}, {"users": 3, "interactions": 9})
    'Not enough data: 3 users and 9 interactions. Rates of error cannot be estimated from so few.'
    """
    if facts.get("not_enough_data"):
        return f"Not enough data: {facts['not_enough_data']}"
    users, interactions = counts.get("users", 0), counts.get("interactions")
    if users >= FEW_USERS and (interactions is None or interactions >= FEW_INTERACTIONS):
        return None
    size = words.plural(users, "user")
    if interactions is not None:
        size += f" and {words.plural(interactions, 'interaction')}"
    return f"Not enough data: {size}. Rates of error cannot be estimated from so few."


def blind_spots(
    facts: Mapping[str, Any], counts: Mapping[str, int], rings: RingTables, n_suspects: int
) -> list[str]:
    """List what the reader should not conclude from this run."""
    lines = []
    n, rejected = facts.get("n_rows"), facts.get("n_rejects")
    if n and rejected:
        lines.append(
            f"{words.thousands(rejected)} of {words.thousands(n)} rows were rejected; what they held "
            f"was not judged."
        )
    below = rings.rings.num_rows - sum(bool(flag) for flag in rings.rings["flagged"].to_pylist())
    if below:
        lines.append(
            f"{words.plural(below, 'group')} looked coordinated but not more than natural groups "
            f"sometimes do, so they "
            "are not flagged. Some may be real; rings.csv lists them."
        )
    period = facts.get("period") or {}
    first, last = period.get("first_ms"), period.get("last_ms")
    if first is not None and last is not None and (last - first) / 1000 < SHORT_S:
        lines.append(
            f"The log covers only {words.duration((last - first) / 1000)}. Acting at the same time "
            f"says little when "
            "everyone does."
        )
    if not counts.get("entities"):
        lines.append(
            "The log names no devices, addresses or payment cards (or the config maps none), so "
            "accounts that share "
            "them were not linked."
        )
    if not facts.get("labels"):
        lines.append(
            "No labels were given. The scorers know campaigns like those planted for training; one "
            "of another kind may "
            "get a low score."
        )
    lines.append(
        "Accounts that act alone, or share a single item with others, cannot be told from chance by their "
        "coordination."
    )
    lines.append(
        "Natural groups (a fan club, a school class, a newsletter's readers) can look coordinated. "
        "Read what speaks "
        "against a ring before acting on it."
    )
    if not n_suspects and not rings.rings.num_rows:
        lines.append("Finding nothing is no proof that nothing is there.")
    return lines
