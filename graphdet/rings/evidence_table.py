"""The one table of a ring's evidence numbers: what each is called, what it means, and how the judge takes it.

A number is computed in `rings.evidence` under the name it has here. Everything else that has to know the numbers (the
judge's inputs, the reasons, the report) is derived from EVIDENCE_TABLE, so a new number is one row here and one line
there.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from graphdet.arrays import Float

ShownAs = Literal["count", "percent", "figure"]
InputScale = Literal[
    "log",  # ln x: sizes and lifts
    "logit",  # ln (x / (1 - x)), kept finite by a hundredth at both ends: shares
    "log_above_one",  # ln max(x, 1): whatever is below 1 counts as 1
    "log_shifted",  # ln (x + 0.001): ratios that may be 0
    "log_of_hours",  # ln (x + 1/24): days, of which less than an hour are none
    "asinh",  # asinh (x / 10): nats, linear around 0 and logarithmic on either side
    "plain",  # the number itself
]


@dataclass(frozen=True)
class EvidenceNumber:
    """One number of the evidence.

    name: its key in the evidence. title, shown_as and meaning: how a report writes and explains it.

    scale and direction: how the judge takes it, or None where it is not told to the judge. direction is 1 where a
    larger number speaks for a ring, -1 where it speaks against one, and 0 where that is left to be learned.

    supports: codes of the reasons that rest on this number in the judge's eyes (see rings.why.explain).

    needs: what a log must have for the number to be known: "times", or "sittings", which are times finer than days.

    measured_by: the code of the measured counter-evidence (see rings.why.counter) that says the same as this number
    does; a report does not repeat it.
    """

    name: str
    title: str
    shown_as: ShownAs
    meaning: str
    scale: InputScale | None = None
    direction: Literal[-1, 0, 1] | None = None
    supports: tuple[str, ...] = ()
    needs: Literal["times", "sittings"] | None = None
    measured_by: str | None = None

    @property
    def is_judged(self) -> bool:
        """Whether the judge is told this number."""
        return self.direction is not None


# The order of the rows is the order of the judge's inputs, which the shipped weights depend on, and of the report.
#
# Small groups on items that nobody else visits have a large focus too, so its direction is left to be learned, as are
# those of the sizes and of what was done in one sitting: scripts do all in one, bought accounts one act at a time. The
# judge is not told the lift: it grows with the size of the log, so that every group of a log larger than those it
# learned from looked like a ring. Nor is it told the elsewhere_lift, without which it is right more often in a log it
# does not know (docs/decisions/0003-rings.md), nor n_acts and expected_acts, which say the same as the margin, the
# density and the two sizes. Analysts are shown all of them.
EVIDENCE_TABLE: tuple[EvidenceNumber, ...] = (
    EvidenceNumber(
        "n_users",
        "Members",
        "count",
        "Accounts in the ring.",
        scale="log",
        direction=0,
    ),
    EvidenceNumber(
        "n_items",
        "Targets",
        "count",
        "Items the ring acts on together.",
        scale="log",
        direction=0,
    ),
    EvidenceNumber(
        "n_acts",
        "Account–item pairs",
        "count",
        "Pairs of a member and a target with at least one act; repeats are not counted.",
    ),
    EvidenceNumber(
        "expected_acts",
        "Pairs with own acts as traffic",
        "figure",
        "What accounts as active as these would do on items as popular as these, at these times, by chance, with the "
        "ring's own acts counted as ordinary traffic, which favours innocence.",
    ),
    EvidenceNumber(
        "density",
        "Density",
        "percent",
        "How much of the whole members × targets grid is filled.",
        scale="logit",
        direction=1,
        supports=("shared_targets",),
    ),
    EvidenceNumber(
        "lift",
        "Times more than that",
        "figure",
        "Account–item pairs, divided by the number before.",
    ),
    EvidenceNumber(
        "margin_nats",
        "Margin (nats)",
        "figure",
        "How much better the log is explained with this ring than without it, after paying for naming its "
        "members and targets; the first act on each target is not counted. Above zero the ring is worth "
        "telling apart by this alone; each 2.3 more is a factor of ten.",
        scale="asinh",
        direction=1,
        supports=("shared_targets",),
    ),
    EvidenceNumber(
        "margin_touched_nats",
        "Margin among touched items (nats)",
        "figure",
        "The same with the targets named among the items that its members touched, not among all of the "
        "log. At zero and below, chance explains the ring as well.",
    ),
    EvidenceNumber(
        "exclusivity",
        "Share of the audience",
        "percent",
        "Of all who acted on a target while the ring was at work, the share in it.",
        scale="log_shifted",
        direction=1,
        supports=("exclusive_targets",),
        measured_by="open_targets",
    ),
    EvidenceNumber(
        "focus",
        "Share of the members' activity",
        "percent",
        "Of all that the members do, the share on the targets.",
        scale="logit",
        direction=0,
        supports=("focus",),
        measured_by="long_histories",
    ),
    EvidenceNumber(
        "sharpness",
        "Sharpness of the edge",
        "percent",
        "Of the accounts that touch at least three quarters as many targets as a typical member while the ring was "
        "at work, the share inside. A group of fans fades out gradually; a steered group ends sharply.",
        scale="logit",
        direction=1,
        supports=("exclusive_targets",),
    ),
    EvidenceNumber(
        "halo_lift",
        "Outsiders who share targets",
        "figure",
        "How often outsiders share two targets, against chance (1). High values mean that the targets "
        "belong to a common taste, which speaks against a ring.",
        scale="log",
        direction=-1,
        measured_by="common_taste",
    ),
    EvidenceNumber(
        "elsewhere_lift",
        "What members share elsewhere",
        "figure",
        "How often members meet on other items, against chance (1). High values mean like-minded people, "
        "which speaks against a ring, or more targets that we did not name.",
        measured_by="taste_elsewhere",
    ),
    EvidenceNumber(
        "fading_nats",
        "Beyond the audience (nats)",
        "figure",
        "Of outsiders who act on a target, ever fewer act on one more. How many times more accounts act on as many "
        "targets as the members do than that gives, as a logarithm: each 2.3 is a factor of ten.",
        scale="asinh",
        direction=1,
        supports=("shared_targets",),
    ),
    EvidenceNumber(
        "unlikeness",
        "Unlikeness of the members",
        "figure",
        "How much the members differ in what they do elsewhere (how many items, how many visits, how popular items), "
        "against all accounts (1). Accounts of one make are alike.",
        scale="log",
        direction=-1,
    ),
    EvidenceNumber(
        "spread",
        "Spread in time",
        "figure",
        "How far apart in time the members act on a target, against its whole audience (1). Small values "
        "mean acting in step.",
        scale="log_shifted",
        direction=-1,
        supports=("lockstep",),
        needs="times",
    ),
    EvidenceNumber(
        "session_share",
        "Targets taken in one go",
        "percent",
        "Acts made in a session that holds another act on a target.",
        scale="logit",
        direction=0,
        supports=("one_sitting", "scripted"),
        needs="sittings",
    ),
    EvidenceNumber(
        "recurrence",
        "The same at other times",
        "percent",
        "Accounts who do half as much as a typical member, within the ring's own time or the busiest other "
        "window just as long: the share in that other window. A crowd comes every day, a campaign once.",
        scale="logit",
        direction=-1,
        needs="times",
    ),
    EvidenceNumber(
        "duration_days",
        "Duration (days)",
        "figure",
        "Days from the first to the last of the ring's acts, its first and last twentieth left out. A community lasts "
        "for years, a campaign has an end.",
        scale="log_of_hours",
        direction=-1,
        needs="times",
    ),
    EvidenceNumber(
        "overdispersion",
        "Unevenness of the members",
        "figure",
        "How much the members differ in the number of targets they act on, against chance (1). Who is "
        "steered gets about as many targets as the others; an audience has a core and a fringe.",
        scale="log_above_one",
        direction=-1,
    ),
    EvidenceNumber(
        "shared_entity_share",
        "Shared device or address",
        "percent",
        "Members who share a device, address or other such thing with another member.",
        scale="plain",
        direction=1,
        supports=("shared_entities",),
    ),
)

EVIDENCE = tuple(number.name for number in EVIDENCE_TABLE)
INPUTS = tuple(number.name for number in EVIDENCE_TABLE if number.is_judged)
JUDGE_DIRECTION = tuple(number.direction for number in EVIDENCE_TABLE if number.direction is not None)
# The numbers that each reason rests on in the judge's eyes, by the reason's code.
JUDGED_BY: dict[str, tuple[str, ...]] = {
    code: tuple(number.name for number in EVIDENCE_TABLE if code in number.supports)
    for code in dict.fromkeys(code for number in EVIDENCE_TABLE for code in number.supports)
}

# A ring stands out from the crowd only within these two limits (see rings.find.stands_out).
LEAST_SHARPNESS = 0.5
MOST_RECURRENCE = 0.5


def judge_inputs(evidence: dict[str, Float]) -> Float:
    """Put INPUTS on the scales that the judge weighs them on; what is unknown stays NaN.

    Shapes: evidence name → float64[n_blocks]; returns float64[n_blocks, n_inputs].

    Raises:
        KeyError: one of INPUTS is missing from the evidence.
    """
    columns = [
        on_scale(number.scale, evidence[number.name]) for number in EVIDENCE_TABLE if number.scale is not None
    ]
    return np.column_stack(columns).astype(np.float64)


def as_a_log_without(what: Literal["times", "sittings"], inputs: Float) -> Float:
    """The inputs of a log as one without times, or of whole days, would show them, float64[n, n_inputs]."""
    lost = ("times", "sittings") if what == "times" else ("sittings",)
    columns = [number.needs in lost for number in EVIDENCE_TABLE if number.is_judged]
    return np.where(np.array(columns), np.nan, inputs)


def on_scale(scale: InputScale, value: Float) -> Float:
    """Put numbers on a scale, float64[n] to float64[n].

    >>> on_scale("log_above_one", np.array([0.2, 1.0])).tolist()
    [0.0, 0.0]
    """
    if scale == "log":
        return np.log(np.maximum(value, 1e-9))
    if scale == "logit":
        return np.log((value + 0.01) / (1.01 - value))
    if scale == "log_above_one":
        return np.log(np.maximum(value, 1.0))
    if scale == "log_of_hours":
        return np.log(value + 1 / 24)
    if scale == "asinh":
        return np.arcsinh(value / 10)
    return np.log(value + 1e-3) if scale == "log_shifted" else value
