"""The page of one ring: the case in words, its pictures, its tables, and how to find it again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from graphdet import words
from graphdet.reports import html, svg
from graphdet.reports.answers import advice, answers, how_sure
from graphdet.reports.figures.chance import draw_chance
from graphdet.reports.figures.in_time import LOCKSTEP_ROWS_NAMED, draw_growth, draw_lockstep
from graphdet.reports.figures.layout import COLOURS, colour
from graphdet.reports.figures.matrix import MATRIX_ITEMS_DRAWN, draw_matrix
from graphdet.reports.figures.network import MEMBERS_DRAWN, draw_network
from graphdet.reports.figures.scripts import draw_scripts
from graphdet.reports.ring_data import MOST_ELSEWHERE, Act, Member, RingData
from graphdet.reports.run_facts import NOT_RECORDED, RunFacts
from graphdet.rings.why.reasons import two_digits

# Numbers of the evidence that count the ring's own acts as ordinary traffic: the page has one expectation, the other.
OWN_ACTS_LEFT_IN = ("expected_acts", "lift")
ROWS_SHOWN = 2_000
ROWS_ON_PAPER = 300  # of a table in a PDF
MEMBERS_TOLD = 500  # members whose acts are listed
EVENTS_SHOWN, ALL_EVENTS = 40, 6_000  # acts of one member that are listed, and of all together


def ring_page(
    ring: RingData,
    facts: RunFacts | None = None,
    *,
    links: Mapping[str, str] | None = None,
    has_overview: bool = True,
    pseudonymised: bool = False,
    rows: int = ROWS_SHOWN,
) -> str:
    """Render the page of one ring as a whole HTML document that needs no network, and no script to be complete.

    links: names of other formats → their files beside the page. rows: the most that a table shows.
    """
    facts = facts or RunFacts()
    return html.render(
        "ring.html.j2",
        ring=ring,
        facts=facts,
        links=list((links or {}).items()),
        has_overview=has_overview,
        pseudonymised=pseudonymised,
        answers=answers(ring, facts),
        how_sure=how_sure(ring),
        advice=advice(ring),
        legend=_legend(ring),
        commands=facts.commands(ring.ring_id),
        deciding=facts.deciding(ring.ring_id),
        weight=lambda why: _weight(why.nats, ring),
        weighed=any(why.strength for why in ring.reasons),
        queries=facts.queries_of(ring.ring_id),
        run=_run(ring, facts),
        members=ring.members[:rows],
        members_note=_shown("members", len(ring.members), "the strongest first", rows),
        told=_told(ring, min(rows, MEMBERS_TOLD)),
        events_note=_events_note(ring, min(rows, MEMBERS_TOLD)),
        most_elsewhere=MOST_ELSEWHERE,
        number_of={item.item_id: place for place, item in enumerate(ring.items, 1)},
        numbers=[number for number in ring.numbers if number.name not in OWN_ACTS_LEFT_IN],
        items=ring.items[:rows],
        items_note=_shown("targets", len(ring.items), "those with most members first", rows)
        + " The number is the same in all pictures.",
        colours=[colour(place) for place in range(min(len(ring.items), rows))],
        named=any(item.name for item in ring.items),
        around=ring.context.outside_by_item if ring.context is not None else None,
        gnn=_gnn(ring),
        **_pictures(ring),
    )


@dataclass(frozen=True)
class MemberActs:
    """A member with what it did: its acts on targets that are shown, and of a weak one some elsewhere."""

    member: Member
    acts: list[Act]
    elsewhere: list[Act]
    decided: str | None


def _told(ring: RingData, most: int) -> list[MemberActs]:
    """At most `most` members, the weak first, with EVENTS_SHOWN acts of each at most, and ALL_EVENTS in all."""
    acts, elsewhere = _by_user(ring.acts), _by_user(ring.elsewhere)
    order = [*ring.weak, *(member for member in ring.members if not member.is_weak)]
    out, left = [], ALL_EVENTS
    for member in order[:most]:
        its = acts.get(member.user_id, [])[: min(EVENTS_SHOWN, left)]
        left -= len(its)
        decided = ring.decided.members.get(member.user_id)
        out.append(MemberActs(member, its, elsewhere.get(member.user_id, []), decided))
    return out


def _by_user(acts: Iterable[Act]) -> dict[str, list[Act]]:
    groups: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        groups[act.user_id].append(act)
    return groups


def _events_note(ring: RingData, most: int) -> str:
    """Say what of the members' acts is shown."""
    more = f" The first {words.thousands(most)} members are here." if len(ring.members) > most else ""
    some = f", the first {EVENTS_SHOWN} of each" if len(ring.acts) > EVENTS_SHOWN else ""
    return (
        f"The acts on targets as the log has them{some}; several of one action, item and session stand in one row. Of "
        f"the weak members also what they do elsewhere.{more} A click on an id selects it."
    )


def _weight(nats: float, ring: RingData) -> str:
    """How much a reason weighs beside the strongest, as five dots."""
    most = max((why.nats for why in ring.reasons), default=0.0)
    full = min(round(5 * nats / max(most, 1e-9)), 5)
    return "●" * max(full, 1) + "○" * (5 - max(full, 1))


def _pictures(ring: RingData) -> dict[str, Markup | str]:
    """The drawings and what is said below each."""
    return {
        "network": draw_network(ring),
        "network_note": _network_note(ring),
        "matrix": draw_matrix(ring) if ring.acts else Markup(""),
        "matrix_note": _matrix_note(ring),
        "lockstep": draw_lockstep(ring) if ring.timed else Markup(""),
        "lockstep_note": _lockstep_note(ring),
        "growth": draw_growth(ring) if ring.timed else Markup(""),
        "chance": draw_chance(ring),
        "chance_note": _chance_note(ring),
        "scripts": draw_scripts(ring) if ring.timed else Markup(""),
        "scripts_note": (
            "One row per script: the targets of a session, by number and colour, in the order they were first "
            "acted on, with the time between. Sessions of several members with one script are not how people browse."
        ),
    }


def _gnn(ring: RingData) -> list[tuple[str, float]]:
    """What the network's logit of the members together is made of, in words and in logit."""
    if ring.gnn is None:
        return []
    sums = ring.gnn["sums"]
    inside = sums.get("ties_inside", 0.0)
    parts = [
        ("that they move with each other", inside),
        ("that they move with accounts outside", sums.get("ties", 0.0) - inside),
        ("what the accounts are like that they move with", sums.get("partners", 0.0)),
    ]
    return parts + [(row["text"], row["effect"]) for row in ring.gnn["features"]]


def _network_note(ring: RingData) -> str:
    note = "Members on the left, targets in the middle with their number, a line where the one acted on the other"
    if len(ring.members) > MEMBERS_DRAWN:
        note += (
            "; members with much the same targets share a box, and a line is stronger the more of them act"
        )
    note += "."
    if ring.context is not None:
        note += (
            " On the right, greyed, the innocent context: other accounts that acted on the same targets"
            f"{' while the ring was at work' if ring.timed else ''}, those with most targets alone, the others by how "
            "many targets they touched."
        )
    return note + " Hover over a box to see its lines alone."


def _matrix_note(ring: RingData) -> str:
    note = "One row per member, one column per target; filled where the member acted on it."
    if len(ring.members) > LOCKSTEP_ROWS_NAMED:
        note = "Members as thin rows, targets as columns; filled where the members acted on the target."
    if len(ring.items) > MATRIX_ITEMS_DRAWN:
        note += f" The first {MATRIX_ITEMS_DRAWN} targets are drawn; the table holds more."
    if ring.context is not None:
        note += (
            " Below the line, the accounts outside that come nearest. A steered ring ends sharply; a crowd of one "
            "taste fades out."
        )
    return note


def _lockstep_note(ring: RingData) -> str:
    note = (
        "Above: all acts of the members, those on the targets in red; the band marks the ring's window, the middle "
        "nine tenths of its first acts. Below, the acts on targets alone: one row per member, one mark per act. Marks "
        "above each other are members in step."
    )
    if len(ring.members) > LOCKSTEP_ROWS_NAMED:
        note = (
            "Above: all acts of the members, those on the targets in red; the band marks the ring's window, the middle "
            "nine tenths of its first acts. Below, the acts on targets alone: members from top to bottom, their acts "
            "gathered in cells, darker for more. Upright stripes are members in step."
        )
    return note + " Grey bars across the time axis are silences left out."


def _chance_note(ring: RingData) -> str:
    context = ring.context
    if context is None:
        return ""
    note = (
        "Left, the organic model: every member meets every target independently, as often as its own activity, the "
        f"target's popularity{' and the time of both' if ring.timed else ''} would have it "
        f"({'in 64 time slices of equal numbers of acts; ' if ring.timed else ''}the "
        "ring's own acts are left in, which favours innocence). The grey hill is the exact distribution of the number "
        f"of account–item pairs under it, {words.figure(context.organic.expected)} on average"
    )
    if ring.expected_pairs is not None:
        note += (
            f"; without that favour, as everywhere else on this page, {two_digits(ring.expected_pairs)} would be "
            f"expected"
        )
    note += "."
    if context.matched is not None:
        note += (
            f" Right, groups of equal size and activity: {len(context.matched.groups)} times, each member is "
            f"replaced by an account outside that did about as much (within a quarter)"
            f"{' while the ring was at work' if ring.timed else ''}, "
            f"drawn at random; each group then gets the {words.plural(ring.n_items, 'item')} that most of it touch. "
            f"It answers whether picking the best items after the fact could explain the ring."
            f"{' Here only acts within the window count.' if ring.timed else ''}"
        )
    return note


def _legend(ring: RingData) -> list[tuple[str, Markup]]:
    """Show the mark of each target that has a colour of its own, and the one of the others."""

    def sample(kind: int, size: float, css: str) -> Markup:
        return svg.tag(
            "svg", svg.mark(kind, 7.0, 7.0, size, "", css), viewBox="0 0 14 14", aria_hidden="true"
        )

    shown = [
        (f"{place + 1} · {words.shorten(item.title, 28)}", sample(place, 4.5, colour(place)))
        for place, item in enumerate(ring.items[:COLOURS])
    ]
    if len(ring.items) > COLOURS:
        rest = len(ring.items) - COLOURS
        shown.append((words.plural(rest, "other target"), sample(0, 2.7, "cx")))
    return shown


def _run(ring: RingData, facts: RunFacts) -> list[tuple[str, str]]:
    """The table of data window, coverage and digests."""
    window = NOT_RECORDED
    if facts.first_ms is not None and facts.last_ms is not None:
        window = f"{words.clock(facts.first_ms)} to {words.clock(facts.last_ms)} UTC"
    elif not ring.timed:
        window = "the log has no times"
    elif ring.context is not None:
        window = f"{words.clock(ring.context.log_first_ms)} to {words.clock(ring.context.log_last_ms)} UTC"
    coverage = NOT_RECORDED
    if facts.n_rows:
        used = facts.n_rows - (facts.n_rejects or 0)
        coverage = (
            f"{words.thousands(used)} of {words.thousands(facts.n_rows)} rows read could be used "
            f"({words.percent(used / facts.n_rows)}); the rest is in rejects.csv with its reason"
        )
    entities = (
        "linked" if facts.has_entities else "not in this log, so accounts that share one were not linked"
    )
    return [
        ("Data window", window),
        ("Coverage", coverage),
        ("Devices, addresses …", entities),
        ("Config", f"{facts.config_name}, SHA-256 {facts.config_digest}"),
        ("Model", f"SHA-256 {facts.model_digest}" if facts.model_digest != NOT_RECORDED else NOT_RECORDED),
        ("Seed", NOT_RECORDED if facts.seed is None else str(facts.seed)),
        ("Level", NOT_RECORDED if facts.fdr is None else f"q-value of at most {facts.fdr:g}"),
        ("Program", f"graphdet {facts.version}"),
    ]


def _shown(what: str, n: int, order: str, rows: int) -> str:
    """Say how many rows of a table are shown."""
    if n <= rows:
        return f"All {words.thousands(n)} {what}, {order}."
    return f"{words.thousands(rows)} of {words.thousands(n)} {what}, {order}; the JSON file holds all."
