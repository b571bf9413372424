"""What can hold a ring back from being flagged: the rules by name, each in plain words.

`crowd_rules` says which groups do not stand out. detect.held_back puts to each ring that is not flagged all the rules
that speak against it, as rings.finding.Explanation.held_back. What analysts decided comes from casework.effects.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.rings.evidence_table import LEAST_SHARPNESS, MOST_RECURRENCE
from graphdet.words import figure, percent, plural

HeldBackBy = Literal[
    "decision",  # a verdict or a snooze
    "crowd",  # a slice of a larger crowd
    "recurring",  # one visit of a crowd that comes regularly
    "chance",  # it may be a chance meeting
    "ordinary_tail",  # ordinary groups of the log look as strong
    "company",  # of a burst: other accounts came as well
    "little_known",  # of a burst: the item has no past
    "opening",  # of a burst: the item was new
    "ordinary_bursts",  # of a burst: ordinary accounts come in such bursts
    "no_past",  # of payments: the account does hardly anything else
    "log_habit",  # of payments: other accounts of the log do nearly the same
    "larger_group",  # of a pair: more accounts than a handful are in lockstep
    "followers",  # of a pair: many others act on the same items
    "few_sittings",  # of a pair: it is one sitting, or few
    "shuffled",  # dealt out anew, the log has groups as strong
    "score",  # its score is below what a flag needs
    "q_value",  # rings at least as strong are too often natural groups
    "unrecorded",  # found by a version that kept no rule
]

DECISION: HeldBackBy = "decision"
UNRECORDED: HeldBackBy = "unrecorded"
TOO_WEAK: tuple[HeldBackBy, ...] = ("score", "q_value")  # what is broken by being weak

# A group's two margins (see margin.Margins): one of them must reach its limit, or chance explains the group. The limits
# were set so that in untouched logs, those too small to teach a judge better, no group reaches either.
LEAST_MARGIN_AMONG_ALL, LEAST_MARGIN_AMONG_TOUCHED = -30.0, 5.0

_WORDS: dict[HeldBackBy, Callable[[Mapping[str, Any]], str]] = {
    "decision": lambda n: str(n["text"]),
    "crowd": lambda n: (
        f"Of the accounts that act on three quarters as many of its targets as a typical member in its time, only "
        f"{percent(n['sharpness'])} are members: it may be a slice of a larger crowd."
    ),
    "recurring": lambda n: (
        f"Of the accounts that do the same as its members in its time or in another just as long, "
        f"{percent(n['recurrence'])} do it in the other: it may be one visit of a crowd that comes regularly."
    ),
    "chance": lambda n: (
        f"Chance explains it as well, or nearly: its margin over chance is {figure(n['margin_touched_nats'])}, and a "
        f"flag needs {figure(LEAST_MARGIN_AMONG_TOUCHED)}."
    ),
    "ordinary_tail": lambda n: (
        f"Too many ordinary groups of this log look nearly as strong to the judge (p-value {figure(n['p_value'])})."
    ),
    "company": lambda n: (
        f"Accounts that do other things too came at the same time, {n['company']:.3g} more than the item is used "
        f"to, as in a crowd that a mention or a sale brings."
    ),
    "little_known": lambda n: (
        f"Outside it there are only {plural(int(n['acts_outside_burst']), 'act')} on the item, so it has no past that "
        f"the burst could be held against."
    ),
    "opening": lambda n: (
        f"It came {n['days_after_first_act']:.3g} days after the item's first act. The first accounts of a new item "
        f"are new themselves, and this log does not show that openings are weaker than that."
    ),
    "ordinary_bursts": lambda n: (
        "Ordinary accounts come to single items of this log in bursts that are nearly as strong."
    ),
    "no_past": lambda n: (
        f"{int(n['payments'])} of the {int(n['payments_of_account'])} payments of the account are of this form, so it "
        f"has no past that they could be held against."
    ),
    "log_habit": lambda n: (
        "Other accounts of this log have payments that look nearly as strong: it may be a habit here."
    ),
    "larger_group": lambda n: (
        f"{int(n['accounts'])} accounts are in lockstep, and more than {int(n['most_accounts'])} are judged as a ring, "
        f"by what they do together."
    ),
    "followers": lambda n: (
        f"{plural(int(n['followers']), 'other account')} came to half of the same items within a day: they may be "
        f"followers of one source."
    ),
    "few_sittings": lambda n: (
        f"All of it is in {plural(int(n['close_sittings']), 'sitting')}, as of two people side by side, or of one with "
        f"two devices."
    ),
    "shuffled": lambda n: (
        "Chance makes groups as strong in this log: with its items dealt out anew among the same acts, one is as "
        "strong to the judge."
    ),
    "score": lambda n: f"Its score is {n['score']:.3g}, and a flag needs {n['least_score']:.3g}.",
    "q_value": lambda n: f"Its q-value is {n['q_value']:.3g}, above the level of {n['fdr']:.3g}.",
    "unrecorded": lambda n: "Which rule held it back was not recorded.",
}
HELD_BACK_BY: tuple[HeldBackBy, ...] = tuple(_WORDS)  # in the order in which they are told


def rule_words(code: HeldBackBy, numbers: Mapping[str, Any]) -> str:
    """One rule in a whole sentence.

    >>> rule_words("score", {"score": 0.4, "least_score": 0.9})
    'Its score is 0.4, and a flag needs 0.9.'
    """
    return _WORDS[code](numbers)


def crowd_rules(evidence: Mapping[str, Float]) -> dict[HeldBackBy, NDArray[np.bool_]]:
    """Which groups do not stand out from the crowd, rule by rule; a number that is unknown, NaN, breaks none.

    A group stands out when at least LEAST_SHARPNESS of the accounts that act like its members, while it is at work, are
    members. Below that it is an arbitrary slice of a larger crowd, and nobody could say why these accounts are accused
    and not the others, however much they have in common. For the same reason it does not stand out when more accounts
    do the same at another time than its members in theirs (recurrence above MOST_RECURRENCE): then it is one visit of a
    crowd that comes regularly. Nor does it when both its margins are below their limits.

    Shapes: evidence name → float64[n]; returns rule → bool[n].

    >>> group = {"sharpness": 0.2, "recurrence": np.nan, "margin_nats": 9.0, "margin_touched_nats": -2.0}
    >>> broken = crowd_rules({name: np.array([value]) for name, value in group.items()})
    >>> [code for code, which in broken.items() if which[0]]
    ['crowd']
    """
    among_all = evidence["margin_nats"] < LEAST_MARGIN_AMONG_ALL
    return {
        "crowd": evidence["sharpness"] < LEAST_SHARPNESS,
        "recurring": evidence["recurrence"] > MOST_RECURRENCE,
        "chance": among_all & (evidence["margin_touched_nats"] < LEAST_MARGIN_AMONG_TOUCHED),
    }
