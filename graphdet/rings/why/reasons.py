"""Reasons in words: what was counted, and what would be expected."""

from collections.abc import Callable, Mapping

from graphdet.rings.membership import HARDLY_NATS
from graphdet.rings.why.measures import Number
from graphdet.units import HOUR_MS

Words = Callable[[Mapping[str, Number]], str]


def duration_in_words(seconds: float) -> str:
    """Say a time span as people do.

    >>> duration_in_words(5400), duration_in_words(200_000), duration_in_words(20)
    ('1.5 hours', '2.3 days', '20 seconds')
    """
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= (1.5 * size if unit == "days" else size):
            return f"{seconds / size:.1f} {unit}"
    return "a second" if seconds < 1.5 else f"{seconds:.0f} seconds"


def inclusive_span_s(seconds: float, unit_ms: int) -> float:
    """A span with the last unit in it where times are coarse: acts on one day may be a day apart.

    >>> inclusive_span_s(0.0, 86_400_000), inclusive_span_s(20.0, 1000)
    (86400.0, 20.0)
    """
    return seconds + unit_ms / 1000 if unit_ms >= HOUR_MS else seconds


def span_in_words(seconds: float) -> str:
    """Say a span, one of whole days in days.

    >>> span_in_words(86_400), span_in_words(259_200), span_in_words(20)
    ('a day', '3 days', '20 seconds')
    """
    return within(seconds) if seconds > 0 and seconds % 86_400 == 0 else duration_in_words(seconds)


def two_digits(value: Number) -> str:
    """Write a number with two digits that count, without an exponent where it is large.

    >>> two_digits(129.7), two_digits(7.43), two_digits(0.0022)
    ('130', '7.4', '0.0022')
    """
    number = float(value)
    return f"{number:.0f}" if number >= 99.5 else f"{number:.2g}"


def within(seconds: Number) -> str:
    """Say a window.

    >>> within(10), within(60), within(3600), within(604800)
    ('10 seconds', 'a minute', 'an hour', '7 days')
    """
    value = float(seconds)
    for size, one, many in (
        (86_400, "a day", "days"),
        (3_600, "an hour", "hours"),
        (60, "a minute", "minutes"),
    ):
        if value >= size:
            return one if value == size else f"{value / size:g} {many}"
    return f"{value:g} seconds"


def _mostly_within(seconds: Number | None) -> str:
    """Say how close in time most acts are; nothing where the log has no times."""
    if seconds is None:
        return ""
    return f", nine in ten within {span_in_words(float(seconds))}"


def _at_the_time(n: Mapping[str, Number]) -> str:
    return "" if n.get("timed") == 0 else " at the time"


def _percent(share: Number) -> str:
    return f"{100 * float(share):.0f} %"


def _share(part: Number, of: Number) -> str:
    return _percent(float(part) / max(float(of), 1e-9))


_RING: dict[str, Words] = {
    "shared_targets": lambda n: (
        f"{n['n_members']} accounts act on the same {n['n_targets']} items"
        f"{_mostly_within(n.get('span_s'))}: {n['n_acts']} account–item pairs where "
        f"{two_digits(n['expected'])} would be expected"
    ),
    "rare_targets": lambda n: (
        f"{n['observed']} of the {n['n_targets']} targets are among the rarest items of the log (at most "
        f"{n['most_outsiders']} other visitors), where {two_digits(n['expected'])} would be expected"
    ),
    "exclusive_targets": lambda n: (
        f"{_share(n['n_by_members'], n['n_audience_acts'])} of the targets' audience{_at_the_time(n)} is in the group, "
        f"where {_share(n['expected'], n['n_audience_acts'])} is usual for groups of this log"
    ),
    "lockstep": lambda n: (
        f"{n['observed']} of {n['n_acts']} first acts come within {within(n['window_s'])} of another member's on the "
        f"same target, where {two_digits(n['expected'])} would be expected"
    ),
    "scripted": lambda n: (
        f"{n['observed']} of {n['n_steps']} steps from target to target keep the same order and pace (about "
        f"{within(round(float(n['pace_s']), 1))} each), where {two_digits(n['expected'])} would be expected"
    ),
    "one_sitting": lambda n: (
        f"{n['observed']} of {n['n_members']} accounts do all their targets in one session, where "
        f"{two_digits(n['expected'])} would be expected"
    ),
    "coattail": lambda n: (
        f"{n['observed']} of {n['n_acts']} first acts on targets come right after an item that is hot then, where "
        f"{two_digits(n['expected'])} would be expected"
    ),
    "shared_entities": lambda n: (
        f"{n['n_sharing']} of {n['n_members']} accounts share {n['n_entities']} {n['kind']}"
        f"{'' if n['n_entities'] == 1 else ' entities'} with each other, where {two_digits(n['expected'])} "
        f"coincidences would be expected"
    ),
    "focus": lambda n: (
        f"{_percent(n['share'])} of all that the accounts do is on the targets, where "
        f"{_share(n['expected'], n['n_members'])} is usual for others who visit two of them"
    ),
    "throwaway": lambda n: (
        f"{n['observed']} of {n['n_members']} accounts were used for one session and never again, where "
        f"{two_digits(n['expected'])} would be expected"
    ),
    "new_accounts": lambda n: (
        f"{n['observed']} of {n['n_members']} accounts are active only in the "
        f"{duration_in_words(86_400 * float(n['days']))} of the group, where {two_digits(n['expected'])} "
        f"would be expected"
    ),
    "same_amounts": lambda n: (
        f"{n['n_same']} of {n['n_events']} events on targets are of the same amount, where {two_digits(n['expected'])} "
        f"would be expected"
    ),
    # What speaks against:
    "common_taste": lambda n: (
        f"outsiders share two of the targets {two_digits(n['lift'])} times as often as chance, so the targets may "
        f"simply belong together"
    ),
    "taste_elsewhere": lambda n: (
        f"the accounts meet on other items too, {two_digits(n['lift'])} times as often as chance: like-minded people, "
        f"or more targets than are named"
    ),
    "natural_burst": lambda n: (
        f"the targets' other visitors came at the same time, {n['observed']} acts of outsiders where "
        f"{two_digits(n['expected'])} would be expected in it"
    ),
    "long_histories": lambda n: (
        f"{n['observed']} of {n['n_members']} accounts have a longer history of other things, before or after, and do "
        f"{_percent(n['share_outside'])} of it outside the targets"
    ),
    "small": lambda n: (
        f"the group is small ({n['n_members']} accounts): two who know each other carry "
        f"{_percent(n['share_of_two'])} of what ties it together"
    ),
    "household": lambda n: (
        f"{n['observed']} of only {n['n_members']} accounts are on one {n['kind']}: a family or a shared flat would be"
    ),
    "open_targets": lambda n: (
        f"{_share(n['observed'], n['n_audience_acts'])} of the targets' audience{_at_the_time(n)} is outside the group"
        f": these items draw others too"
    ),
}

_ROLE = {
    "core": "core of the group",
    "fringe": "fringe of the group",
    "bystander": "weak member, perhaps a bystander: on few of the targets, and more often elsewhere",
    "chance": "weak member: so few of its acts are on targets that it may be chance",
    "": "part of the group",
}


def _case_without(n: Mapping[str, Number]) -> str:
    """Say what the group is without a member; nothing where that was not worked out."""
    if "margin_without_nats" not in n:
        return ""
    fall = float(n["margin_nats"]) - float(n["margin_without_nats"])
    case = "a weaker" if fall > HARDLY_NATS else "a clearer" if fall < -HARDLY_NATS else "as clear a"
    return f"; without it the group is {case} case"


_MEMBER: dict[str, Words] = {
    "shared_targets": lambda n: (
        f"touched {n['observed']} of {n['n_targets']} targets; expected {two_digits(n['expected'])}"
    ),
    "lockstep": lambda n: (
        f"{n['observed']} of its {n['n_acts']} first acts on targets within {within(n['window_s'])} of another member; "
        f"expected {two_digits(n['expected'])}"
    ),
    "shared_entities": lambda n: (
        f"shares {n['kind']} with {n['observed']} other member{'' if n['observed'] == 1 else 's'}; "
        f"expected {two_digits(n['expected'])}"
    ),
    "focus": lambda n: (
        f"{n['observed']} of all its {n['n_acts']} items are targets; expected {two_digits(n['expected'])}"
    ),
    "membership": lambda n: f"{_ROLE[str(n.get('role', ''))]}{_case_without(n)}",
}


def ring_words(code: str, numbers: Mapping[str, Number]) -> str:
    """The reason of a ring, or what speaks against it, as the part of a sentence."""
    return _RING[code](numbers)


def member_words(code: str, numbers: Mapping[str, Number]) -> str:
    """The reason of a member as the part of a sentence."""
    return _MEMBER[code](numbers)


def sentence(parts: list[str], but: list[str]) -> str:
    """One sentence of the parts, and what speaks against it.

    >>> sentence(["a happens", "b too"], ["c"])
    'A happens; b too. But: c.'
    """
    text = "; ".join(parts)
    text = f"{text[:1].upper()}{text[1:]}." if text else ""
    return f"{text} But: {'; '.join(but)}." if but else text
