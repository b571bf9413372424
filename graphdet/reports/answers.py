"""A ring in answers: what, who, when, where, how, how sure, and what to do; plain words with numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphdet import words
from graphdet.reports.evidence import meaning_of_p, meaning_of_q
from graphdet.reports.ring_data import RingData
from graphdet.reports.run_facts import RunFacts
from graphdet.rings.why.doubts import WEAK_DOUBT
from graphdet.rings.why.reasons import inclusive_span_s, two_digits
from graphdet.units import DAY_MS

NAMED = 5  # members and targets that are named in a sentence
SURE_Q = 0.02
MANY_DOUBTS = 2
QUESTIONED, MOSTLY_QUESTIONED = (
    0.25,
    0.5,
)  # shares of the strongest evidence that an innocent explanation would account for
FEW_MEMBERS = 6  # members below which friends or a family may look the same


@dataclass(frozen=True)
class Answer:
    """One question and its answer, sentence by sentence."""

    question: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What to do: one sentence, then steps in their order, then what must not be done."""

    headline: str
    steps: tuple[str, ...]
    not_yet: tuple[str, ...]


def answers(ring: RingData, facts: RunFacts) -> list[Answer]:
    """Answer what, who, when, where and how."""
    return [
        Answer("What", _what(ring)),
        Answer("Who", _who(ring)),
        Answer("When", _when(ring, facts)),
        Answer("Where", _where(ring)),
        Answer("How", _how(ring)),
    ]


def _named(names: Sequence[str]) -> str:
    """List some names, short ones whole, and say how many more there are.

    >>> _named(["a", "b"]), _named(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    shown = ", ".join(words.shorten(name, 40) for name in names[:NAMED])
    rest = len(names) - NAMED
    return f"{shown} and {words.thousands(rest)} more" if rest > 0 else shown


def _what(ring: RingData) -> tuple[str, ...]:
    pairs, cells = len(ring.first_acts), ring.n_users * ring.n_items
    line = (
        f"{words.plural(ring.n_users, 'account')} act on the same {words.plural(ring.n_items, 'item')}: "
        f"{words.thousands(pairs)} of the {words.thousands(cells)} account–item pairs "
        f"there could be ({words.percent(pairs / max(cells, 1))})"
    )
    if ring.expected_pairs is None:
        return (f"{line}.",)
    return (
        f"{line}, where {two_digits(ring.expected_pairs)} would be expected of accounts as active as these, by what "
        f"everybody else does on these items{' at the time' if ring.timed else ''}.",
    )


def _who(ring: RingData) -> tuple[str, ...]:
    members = [member.user_id for member in ring.members]
    lines = [f"Accounts, the surest members first: {_named(members)}."]
    lines += parts_in_words(ring)
    for entity in ring.shared[:3]:
        lines.append(
            f"{words.plural(len(entity.user_ids), 'member')} used the same {words.visible(entity.kind)} "
            f"{words.shorten(entity.entity_id, 40)}."
        )
    if len(ring.shared) > 3:
        lines.append(f"{words.thousands(len(ring.shared) - 3)} more such things are shared by members.")
    lines.append("An account is not a person: the log does not say who was at the keyboard.")
    return tuple(lines)


def parts_in_words(ring: RingData) -> list[str]:
    """How many members are core, fringe and weak, and what these words mean; the weak ones by name."""
    if all(member.role is None for member in ring.members):
        return []
    count = Counter(member.part for member in ring.members)
    parts = ", ".join(
        f"{words.thousands(count[part])} {part}" for part in ("core", "fringe", "weak") if count[part]
    )
    lines = [
        f"Of the members {parts}: the core acts on more than half as many targets as the ring's middle member, the "
        f"fringe on fewer."
    ]
    if ring.weak:
        one = len(ring.weak) == 1
        lines.append(
            f"{'This one is' if one else 'These are'} weak, and the ring does not vouch for {'it' if one else 'them'}: "
            f"{_named([member.user_id for member in ring.weak])}. Weak is who hardly beats chance on the targets, or "
            f"acts on few of them and more elsewhere, while the case is as clear without it."
        )
    return lines


def _when(ring: RingData, facts: RunFacts) -> tuple[str, ...]:
    if not ring.timed:
        return ("The log does not say when anything happened; nothing here rests on time.",)
    if not ring.acts:
        return (f"From {ring.first_seen or '–'} to {ring.last_seen or '–'}.",)
    first, last = ring.window_ms
    very_first, very_last = min(ring.first_acts.values()), max(ring.first_acts.values())
    whole = (very_first, very_last) == (first, last)
    most = f"{'' if whole else 'nine in ten of '}the first acts of members on targets"
    if ring.unit_ms == DAY_MS:
        days = words.plural((last - first) // DAY_MS + 1, "day")
        lines = [f"From {_day(first)} to {_day(last)}, {days} in all: {most}."]
    else:
        span = words.duration((last - first) / 1000)
        lines = [f"From {words.clock(first)} to {words.clock(last)} UTC, {span} in all: {most}."]
    if not whole:
        write = _day if ring.unit_ms == DAY_MS else words.clock
        lines.append(f"The very first was on {write(very_first)}, the very last on {write(very_last)}.")
    if ring.acts[-1].at_ms > very_last:
        lines.append(f"Members came back to targets until {words.clock(ring.acts[-1].at_ms)}.")
    if facts.first_ms is not None and facts.last_ms is not None and facts.last_ms > facts.first_ms:
        share = min(1.0, (last - first) / (facts.last_ms - facts.first_ms))
        lines.append(
            f"That is {words.percent(share)} of the time the log covers "
            f"({words.clock(facts.first_ms)} to {words.clock(facts.last_ms)})."
        )
    return tuple(lines)


def _day(at_ms: int) -> str:
    return words.clock(at_ms)[:10]


def _where(ring: RingData) -> tuple[str, ...]:
    lines = [f"On these items, those of most members first: {_named([item.title for item in ring.items])}."]
    share = ring.evidence.get("exclusivity")
    if share is not None:
        lines.append(
            f"Of all accounts that acted on them{' while the ring was at work' if ring.timed else ''}, "
            f"{words.percent(share)} are in the ring."
        )
    elif ring.context is not None:
        outside = sum(ring.context.bands.values())
        when = " in the same time" if ring.timed else ""
        lines.append(f"{words.plural(outside, 'other account')} acted on one or more of them{when}.")
    focus = ring.evidence.get("focus")
    if focus is not None:
        lines.append(f"Of all that the members do, {words.percent(focus)} is on these items.")
    return tuple(lines)


def _how(ring: RingData) -> tuple[str, ...]:
    step = ring.step
    lines = []
    total = sum(act.n for act in ring.acts)
    if total:
        count = {name: sum(act.n for act in ring.acts if act.action == name) for name in ring.actions}
        done = ", ".join(
            f"{words.visible(name)} {words.percent(n / total)}" for name, n in list(count.items())[:4]
        )
        pairs = words.plural(len(ring.first_acts), "account–item pair")
        lines.append(f"The {pairs} are {words.plural(total, 'act')}, repeats counted: {done}.")
    if step.median_gap_s is not None:
        near = f"within {words.duration(inclusive_span_s(step.median_gap_s, ring.unit_ms))} of"
        if ring.unit_ms == DAY_MS:
            days = round(step.median_gap_s * 1000 / DAY_MS)
            near = f"within {words.plural(days, 'day')} of" if days else "on the same day as"
        lines.append(
            f"Half of the time, a member's act on a target is {near} another member's act on the same target."
        )
    if step.order_share is not None and step.n_order_pairs >= 10:
        lines.append(
            f"Where two sessions hold the same two targets, they take them in the same order in "
            f"{words.percent(step.order_share)} of {words.plural(step.n_order_pairs, 'comparison')}; "
            f"chance would give 50 %."
        )
    together = ring.evidence.get("session_share")
    if together is not None and ring.timed:
        lines.append(
            f"{words.percent(together)} of the acts are in a session that holds another act on a target."
        )
    return tuple(lines) or ("The store holds no acts of the members on the targets.",)


def how_sure(ring: RingData) -> list[str]:
    """Say how sure the finding is and what p and q are, for people who do not know them."""
    lines = [
        f"Score {words.score_in_words(ring.score)}: from 0 to 1; the probability, as the judge of rings "
        f"estimates it, that this is a coordinated campaign of the kinds it was taught.",
        f"p-value {words.chance(ring.p_value, ring.n_log_users)}. {meaning_of_p(ring.p_value, ring.n_log_users)} "
        f"It is not the probability that these accounts are innocent.",
        f"q-value {words.chance(ring.q_value, ring.n_log_users)}. {meaning_of_q(ring.q_value)} "
        f"It speaks of all such rings together, not of this one alone.",
    ]
    if ring.held_back:
        lines.append("What held it back from being flagged, said above, is not in the score, nor in p and q.")
    context = ring.context
    if context is not None and context.matched is not None:
        best = int(context.matched.groups.max())
        when = " in the same time" if ring.timed else ""
        lines.append(
            f"Held against {len(context.matched.groups)} groups of {words.thousands(ring.n_users)} other accounts, "
            f"as active{when}, each on the {words.thousands(ring.n_items)} items it shares most: the most "
            f"that any gathered was {words.plural(best, 'account–item pair')}; this ring has "
            f"{words.thousands(context.matched.observed)}{' in that time' if ring.timed else ''}."
        )
    return lines


def advice(ring: RingData) -> Advice:
    """Recommend what to do, from the error rate, the doubts and how sure each membership is."""
    weak = [member.user_id for member in ring.weak]
    never = [
        "Do not treat membership alone as proof about one account: look at what it did itself.",
        "Do not tell the accounts which pattern gave them away.",
    ]
    check = "Check three members by hand in the log, among them the least sure one."
    if weak:
        never.insert(
            0, f"Do not act on the weak {'member' if len(weak) == 1 else 'members'} for being in this ring."
        )
        check = (
            f"Check these by hand, for they may be bystanders: {_named(weak)}. Their events are on the ring's page, in "
            f"Members. Then two of the core."
        )
    preserve = "Keep the ring's page, its JSON file and the log's files: they are the evidence."
    if not ring.flagged:
        return Advice(
            "No action on this alone: it is a lead, which one rule or more held back from being flagged.",
            (
                "Ask whether what held it back holds here: who knows the accounts may know more than the log does.",
                "Look again after the next run, above all if it has grown.",
                preserve,
            ),
            tuple(never),
        )
    doubted, strongest = _doubted(ring)
    q, n_doubts = ring.q_value, sum(why.code != WEAK_DOUBT for why in ring.against)
    sure = q is not None and q <= SURE_Q and ring.n_users >= FEW_MEMBERS
    if sure and doubted < QUESTIONED and n_doubts < MANY_DOUBTS:
        little = (
            f"what speaks against it would account for {words.percent(doubted)} of its strongest evidence at most"
            if doubted
            else "no innocent explanation was measured"
        )
        return Advice(
            f"Put before a person who may decide, with priority: the evidence is strong, and {little}.",
            (
                preserve,
                "Stop the gain first: leave these acts out of rankings, counts and payouts. That harms no account "
                "and can be undone.",
                check,
                "If they hold, ask for verification or suspend the accounts, as your rules say, and note the verdict.",
            ),
            tuple(never),
        )
    return Advice(
        f"Review before any measure: {_question(ring, doubted, strongest)}",
        (
            preserve,
            "Answer what speaks against it, point by point; an innocent explanation that holds ends the case.",
            check,
            "Until then, at most leave these acts out of rankings and counts: that can be undone.",
        ),
        tuple(never),
    )


def _doubted(ring: RingData) -> tuple[float, str]:
    """Which share of the strongest evidence the strongest innocent explanation would account for, and what it is."""
    strength = max((why.nats for why in ring.reasons), default=0.0)
    against = max(ring.against, key=lambda why: why.nats, default=None)
    if against is None or not against.nats:
        return 0.0, ""
    return min(against.nats / max(strength, 1e-9), 1.0), against.text.rstrip(".")


def _question(ring: RingData, doubted: float, strongest: str) -> str:
    """What has to be answered first."""
    if doubted >= MOSTLY_QUESTIONED:
        return (
            f"one innocent explanation would account for most of the strongest evidence ({words.percent(doubted)}): "
            f"{strongest}."
        )
    if doubted >= QUESTIONED:
        return (
            f"one innocent explanation would account for {words.percent(doubted)} of the strongest evidence: "
            f"{strongest}."
        )
    if ring.n_users < FEW_MEMBERS:
        return (
            f"it has only {words.plural(ring.n_users, 'member')}, and friends or a family may look the same."
        )
    return "the evidence is enough to look, and there are questions to answer first."
