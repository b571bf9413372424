"""Verdicts as labels of users: what the next training learns from them.

The sure members of a ring judged guilty are fraud (1), all members of one judged innocent clean (0), a user judged is
what the verdict says. A verdict on a user is about less than one on the user's ring and goes before it. A user whom two
rings make both is a conflict: reported, and not learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphdet.casework.standing import GUILTY, RING_SUBJECT, UNSURE, USER, Standing

SURE = 0.5  # membership, relative to the ring's own score, from which a member of a guilty ring is labelled


@dataclass(frozen=True)
class VerdictLabels:
    """By user_id: the label, 1 fraud or 0 clean; the ring that made a user fraud; why there is no label (conflicts)."""

    label: dict[str, int]
    ring: dict[str, str]
    conflicts: dict[str, str]


def verdict_labels(standing: Standing) -> VerdictLabels:
    """Labels of users from the verdicts that count."""
    label: dict[str, int] = {}
    ring: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    source: dict[str, str] = {}
    rings = sorted((key, verdict) for key, verdict in standing.current.items() if key[0] == RING_SUBJECT)
    for (_, ring_id), verdict in rings:
        if verdict.verdict == UNSURE:
            continue
        value = int(verdict.verdict == GUILTY)
        members = verdict.found.get("members") or ()
        sure = set(verdict.found.get("sure_members", members))
        for user_id in members:
            if value and user_id not in sure:
                continue
            if label.setdefault(user_id, value) != value:
                conflicts[user_id] = f"{source[user_id]} and {ring_id} were judged differently"
            source.setdefault(user_id, ring_id)
            if value:
                ring.setdefault(user_id, ring_id)
    for (kind, user_id), verdict in standing.current.items():
        if kind != USER or verdict.verdict == UNSURE:
            continue
        label[user_id] = int(verdict.verdict == GUILTY)
        conflicts.pop(user_id, None)
        if not label[user_id]:
            ring.pop(user_id, None)
    for user_id in conflicts:
        label.pop(user_id, None)
        ring.pop(user_id, None)
    return VerdictLabels(label, ring, conflicts)


def merge(given: Mapping[str, int], verdicts: VerdictLabels) -> tuple[dict[str, int], dict[str, str]]:
    """Put labels of a file and of verdicts together; a user they disagree on is in neither, and why is said."""
    conflicts = dict(verdicts.conflicts)
    merged = dict(given)
    for user_id, value in verdicts.label.items():
        if merged.setdefault(user_id, value) != value:
            words = ("clean", "fraud")
            conflicts[user_id] = f"the label says {words[merged[user_id]]}, the verdict {words[value]}"
    for user_id in conflicts:
        merged.pop(user_id, None)
    return merged, conflicts
