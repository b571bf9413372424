"""The case brief: one ring on two pages, for whoever decides."""

from collections.abc import Sequence
from pathlib import Path

from graphdet import words
from graphdet.files import make_folder, write_text
from graphdet.reports import html
from graphdet.reports.answers import Answer, advice, answers, parts_in_words
from graphdet.reports.evidence import meaning_of_p, meaning_of_q
from graphdet.reports.figures.in_time import draw_lockstep
from graphdet.reports.figures.matrix import draw_matrix
from graphdet.reports.figures.network import draw_network
from graphdet.reports.ring_data import RingData
from graphdet.reports.ring_names import page_name
from graphdet.reports.run_facts import RunFacts

BRIEF_FORMATS = ("html", "pdf")
WEAK_SHOWN, AGAINST_SHOWN = 8, 5
WIDEST_PICTURE, TALLEST_PICTURE = 330, 395  # CSS pixels on paper, where two stand beside each other


def case_brief(ring: RingData, facts: RunFacts | None = None, *, pseudonymised: bool = False) -> str:
    """Render the brief of a ring as a whole HTML document, which prints on two pages."""
    facts = facts or RunFacts()
    return html.render(
        "brief.html.j2",
        ring=ring,
        facts=facts,
        pseudonymised=pseudonymised,
        five=five_facts(ring, facts),
        advice=advice(ring),
        matrix=draw_matrix(ring) if ring.acts else "",
        second=draw_lockstep(ring) if ring.timed and ring.acts else draw_network(ring),
        weak=ring.weak[:WEAK_SHOWN],
        more_weak=len(ring.weak) - WEAK_SHOWN,
        against=ring.against[:AGAINST_SHOWN],
        deciding=facts.deciding(ring.ring_id)[:2],
    )


def five_facts(ring: RingData, facts: RunFacts) -> list[Answer]:
    """What, when, how, who and how sure, a sentence or two each."""
    told = {answer.question: answer.lines for answer in answers(ring, facts)}
    others = [why.text.rstrip(".") for why in ring.reasons if why.code != "shared_targets"][:2]
    how = [f"{text[:1].upper()}{text[1:]}." for text in others] or list(told["How"][:1])
    who = parts_in_words(ring)[:1] or list(told["Who"][:1])
    shared = [
        f"{words.plural(len(entity.user_ids), 'member')} used the same {words.visible(entity.kind)}."
        for entity in ring.shared[:1]
    ]
    sure = (
        f"Score {words.score_in_words(ring.score)}, the judge's probability that this is a campaign. "
        f"{meaning_of_p(ring.p_value, ring.n_log_users)}",
        meaning_of_q(ring.q_value),
    )
    return [
        Answer("What", told["What"][:1]),
        Answer("When", told["When"][:2]),
        Answer("How", tuple(how)),
        Answer("Who", (*who, *shared)),
        Answer("How sure", sure),
    ]


def write_brief(
    folder: Path, ring: RingData, formats: Sequence[str], facts: RunFacts, *, pseudonymised: bool
) -> list[Path]:
    """Write RING_ID.brief.html and RING_ID.brief.pdf, those of `formats`.

    Raises:
        GraphdetError: a file cannot be written, or PDF needs a package that is not there.
    """
    make_folder(folder)
    page = case_brief(ring, facts, pseudonymised=pseudonymised)
    name = f"{page_name(ring.ring_id)}.brief"
    written = [write_text(folder / f"{name}.html", page)] if "html" in formats else []
    if "pdf" in formats:
        from graphdet.reports.pdf import write_pdf  # a heavy package, and not everybody has it

        written.append(write_pdf(folder / f"{name}.pdf", page, (WIDEST_PICTURE, TALLEST_PICTURE)))
    return written
