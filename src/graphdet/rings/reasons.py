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
    if e["exclusivity"] >= 0.2:
        parts.append(f"{100 * e['exclusivity']:.0f} % of those items' audience at the time is in the group")
    if e["sharpness"] >= 0.9:
        parts.append("hardly anybody outside acts on half as many of them")
    if e["shared_entity_share"] >= 0.2:
        parts.append(f"{100 * e['shared_entity_share']:.0f} % share a device or address with another member")
    if e["spread"] <= 0.3:
        parts.append("they come to each item much closer together in time than its other visitors")
    if e["session_share"] >= 0.9 and e["n_items"] >= 4:
        parts.append("nearly all of it in sittings that visit several of the items")
    return "; ".join(parts) + "."


def row(evidence: dict[str, Float], index: int) -> dict[str, float]:
    """The evidence of one ring as plain numbers, rounded so that it reads and repeats alike."""
    return {name: float(f"{float(values[index]):.6g}") for name, values in evidence.items()}
