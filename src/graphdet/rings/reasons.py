"""One sentence per ring, from the numbers an analyst would check first."""

from graphdet.rings.organic import Float


def duration_in_words(seconds: float) -> str:
    """Say a time span as people do.

    >>> duration_in_words(5400), duration_in_words(200_000), duration_in_words(20)
    ('1.5 hours', '2.3 days', '20 seconds')
    """
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= (1.5 * size if unit == "days" else size):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def two_digits(value: float) -> str:
    """Write a number with two digits that count, without an exponent where it is large.

    >>> two_digits(129.7), two_digits(7.43), two_digits(0.0022)
    ('130', '7.4', '0.0022')
    """
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def ring_reason(evidence: dict[str, float], span_s: float) -> str:
    """Write the reason of one ring; evidence as in EVIDENCE, span_s from its first to its last act in seconds."""
    e = evidence
    parts = [
        f"{e['n_users']:.0f} accounts act on the same {e['n_items']:.0f} items within "
        f"{duration_in_words(span_s)}: "
        f"{e['n_acts']:.0f} acts where {two_digits(e['expected_acts'])} would be expected of them "
        f"({100 * e['density']:.0f} % of all account–item pairs)"
    ]
    parts += [phrase for _, phrase in _signs(e)]
    return "; ".join(parts) + "."


def ring_signs(evidence: dict[str, float]) -> list[str]:
    """Short names of the signs that the reason of a ring rests on; a sign whose number is absent is not there.

    >>> ring_signs({"exclusivity": 0.5, "n_items": 4, "spread": 0.1})
    ['exclusive-audience', 'in-step']
    """
    absent = {"exclusivity": 0, "sharpness": 0, "shared_entity_share": 0, "spread": 1, "session_share": 0}
    return [sign for sign, _ in _signs({**absent, "n_items": 0, **evidence})]


def _signs(e: dict[str, float]) -> list[tuple[str, str]]:
    """Signs that an analyst would check, with the phrase for each."""
    signs = []
    if e["exclusivity"] >= 0.2:
        phrase = f"{100 * e['exclusivity']:.0f} % of those items' audience at the time is in the group"
        signs.append(("exclusive-audience", phrase))
    if e["sharpness"] >= 0.9:
        signs.append(("sharp-edge", "hardly anybody outside acts on half as many of them"))
    if e["shared_entity_share"] >= 0.2:
        phrase = f"{100 * e['shared_entity_share']:.0f} % share a device or address with another member"
        signs.append(("shared-entities", phrase))
    if e["spread"] <= 0.3:
        phrase = "they come to each item much closer together in time than its other visitors"
        signs.append(("in-step", phrase))
    if e["session_share"] >= 0.9 and e["n_items"] >= 4:
        signs.append(("same-sittings", "nearly all of it in sittings that visit several of the items"))
    return signs


def row(evidence: dict[str, Float], index: int) -> dict[str, float]:
    """The evidence of one ring as plain numbers, rounded so that it reads and repeats alike."""
    return {name: float(f"{float(values[index]):.6g}") for name, values in evidence.items()}
