"""The closed list of reasons for a verdict."""

import difflib

from graphdet.errors import UsageError

GUILTY, INNOCENT, UNSURE = VERDICTS = ("guilty", "innocent", "unsure")
OTHER = "other"  # for every verdict, with a note
REASONS: dict[str, dict[str, str]] = {
    GUILTY: {
        "paid-engagement": "clicks, orders, reviews or likes that somebody pays for",
        "fake-account": "accounts made for this, with no person behind them",
        "hijacked-account": "accounts taken over from their owners",
        "shared-operator": "one operator behind them: devices, addresses, payment, the same hand",
        "refund-abuse": "orders and returns made to take money or goods",
        "confirmed-elsewhere": "proven by another investigation, a platform or a court",
    },
    INNOCENT: {
        "fan-club": "people of one taste: fans, followers, a community",
        "class-or-team": "a school class, a course, a team at work",
        "household-or-office": "people who share a home, an office, a network",
        "newsletter-or-push": "readers sent there by a newsletter, a notification or a link",
        "event-or-promotion": "a sale, a broadcast, a news event drew them",
        "own-automation": "our own tests, crawlers or staff",
        "data-error": "the log is wrong: clocks, ids, duplicates",
    },
    UNSURE: {
        "needs-more-data": "too little to tell; look again with more",
        "needs-second-opinion": "somebody else should look",
    },
}


def check_reason(verdict: str, code: str, note: str) -> None:
    """Check a reason against a verdict.

    Raises:
        UsageError: no such verdict or reason, one that does not go with the verdict, or "other" without a note.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"a verdict is {', '.join(VERDICTS)}, not {verdict!r}")
    if code == OTHER:
        if not note.strip():
            raise UsageError("the reason other needs a note that says which")
        return
    if code in REASONS[verdict]:
        return
    fits = [name for name, codes in REASONS.items() if code in codes]
    near = difflib.get_close_matches(code, [*REASONS[verdict], OTHER], n=1)
    if fits:
        wrong = f"the reason {code} goes with the verdict {fits[0]}, not with {verdict}"
    else:
        wrong = f"there is no reason {code!r}" + (f"; did you mean {near[0]}?" if near else "")
    raise UsageError(f"{wrong}\n{listed(verdict)}")


def listed(verdict: str) -> str:
    """The reasons of a verdict, one a line.

    >>> print(listed("unsure"))
    Reasons for unsure:
      needs-more-data       too little to tell; look again with more
      needs-second-opinion  somebody else should look
      other                 say which in the note
    """
    rows = REASONS[verdict] | {OTHER: "say which in the note"}
    width = max(map(len, rows))
    return "\n".join(
        [f"Reasons for {verdict}:", *(f"  {code:{width}}  {words}" for code, words in rows.items())]
    )
