"""Why a ring is one: its reasons, ranked; what speaks against it; each member's part; what would change the verdict.

A reason's strength is a number of nats: by how much its count is likelier as it is than as it would be among natural
groups of the same log. That is a statement about the log, which an analyst can check count by count, and it exists for
causes that the judge never sees (scripts, coattails, which entity).

There is another measure: how far the judge's logit falls when the evidence that a reason rests on is set to what
natural groups show. It is kept with the reason (`judge_logit_drop`) but does not rank. Several of the judge's inputs
say much the same, so when one is set the others still speak for the ring, and where the judge is sure the logit hardly
moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphdet.rings.evidence_table import JUDGED_BY
from graphdet.rings.find import Judge, Judged
from graphdet.rings.finding import Explanation, Reason, four_digits
from graphdet.rings.organic import Organic
from graphdet.rings.own_time import middle_of
from graphdet.rings.why.counter import innocent_explanations
from graphdet.rings.why.measures import (
    Measure,
    Measuring,
    Number,
    exclusive_targets,
    focus,
    new_accounts,
    rare_targets,
    same_amounts,
    shared_entities,
    shared_targets,
    throwaway,
)
from graphdet.rings.why.measures_time import coattail, lockstep, one_sitting, scripted
from graphdet.rings.why.member_reasons import member_nats, member_reasons
from graphdet.rings.why.reasons import inclusive_span_s, ring_words, sentence
from graphdet.rings.why.ring_view import LogView, RingView
from graphdet.rings.why.without import MOST_ACTS, fewest_members, logit_drops
from graphdet.tables import GraphArrays

MEASURES: tuple[Measuring, ...] = (
    shared_targets, rare_targets, exclusive_targets, lockstep, scripted, one_sitting, coattail, shared_entities, focus,
    throwaway, new_accounts, same_amounts,
)  # fmt: skip
OF_TIME: tuple[Measuring, ...] = (
    lockstep,
    scripted,
    coattail,
    new_accounts,
)  # which a log without times cannot show
CODES = tuple(measuring.__name__ for measuring in MEASURES)
COUNTER_CODES = (
    "common_taste", "taste_elsewhere", "natural_burst", "long_histories", "small", "household", "open_targets",
)  # fmt: skip
LEAST_REASON_NATS = 3.0  # nats, below which a reason is left out: odds of twenty to one
LEAST_SHARE_TRUE = 0.3  # share of the acts, members or targets that a reason has to be true of
LEAST_ODDS = 2.0  # times the expected odds that the observed odds of a reason have to be
MOST_NATURAL = 60  # natural groups that are measured
# What natural groups show is shrunk towards chance as if this many further groups had shown nothing.
FEW_NATURAL_GROUPS = 5.0
UPPER = 0.75  # the quantile over natural groups that still counts as natural
MOST_RATIO = 20.0  # times chance that natural groups may show at most
MOST_REASONS_IN_SENTENCE = 4
# Counter-evidence is in the sentence when it would take away this share of the strongest reason.
DOUBTED = 0.25


def summary_sentence(explanation: Explanation) -> str:
    """The strongest reasons in one sentence, the shared targets first, with what speaks strongly against the ring."""
    top = explanation.reasons[0].nats if explanation.reasons else 0.0
    ordered = [reason for reason in explanation.reasons if reason.code == "shared_targets"]
    ordered += [reason for reason in explanation.reasons if reason.code != "shared_targets"]
    but = [reason.text for reason in explanation.counter_evidence if reason.nats >= DOUBTED * top]
    return sentence([reason.text for reason in ordered[:MOST_REASONS_IN_SENTENCE]], but[:2])


def measures_of(log: LogView) -> tuple[Measuring, ...]:
    """The measures that a log can show, the shared targets first."""
    return MEASURES if log.graph.timed else tuple(one for one in MEASURES if one not in OF_TIME)


@dataclass(frozen=True)
class Natural:
    """What natural groups of a log show: per (code, variant) the ratio of observed to expected counts, and the median
    of each evidence (None without such groups).
    """

    ratios: Mapping[tuple[str, str], float]
    evidence: dict[str, float] | None


def natural_groups(judged: Judged, log: LogView) -> Natural:
    """Measure the groups that the judge takes for natural, at most MOST_NATURAL of them, evenly from strong to weak."""
    rows = np.flatnonzero(judged.apart & ~judged.flagged & (judged.score < 0.5))
    if not len(rows):
        return Natural({}, None)
    evidence = {name: float(np.median(values[rows])) for name, values in judged.evidence.items()}
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST_NATURAL).astype(np.int64))]
    seen: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        ring = RingView(log, judged.blocks.take(np.array([row])))
        for measuring in measures_of(log)[1:]:  # by what they share, natural groups were chosen
            for measure in measuring(ring):
                ratio = (measure.observed + 0.5) / (measure.expected + 0.5)
                seen.setdefault((measure.code, measure.variant), []).append(ratio)
    ratios = {}
    for key, values in seen.items():
        shrunk = len(values) / (len(values) + FEW_NATURAL_GROUPS) * np.log(np.quantile(values, UPPER))
        ratios[key] = float(np.clip(np.exp(shrunk), 1.0, MOST_RATIO))
    return Natural(ratios, evidence)


def strongest_measures(ring: RingView, natural: Natural) -> list[tuple[float, Measure]]:
    """The strongest variant of each measure that is strong enough for a reason, strongest first.

    Gives nats and the measure, whose expectation now is that of natural groups.
    """
    out = []
    for measuring in measures_of(ring.log):
        variants = []
        for measure in measuring(ring):
            ratio = natural.ratios.get((measure.code, measure.variant), 1.0)
            expected = measure.expected * ratio
            if measure.trials is not None:
                expected = min(expected, 0.99 * measure.trials)
            strength = measure.strength(ratio)
            share = measure.observed / measure.trials if measure.trials else 1.0
            numbers = {**measure.numbers, "by_chance": measure.expected}
            kept = replace(measure, expected=expected, numbers=numbers)
            enough = share >= LEAST_SHARE_TRUE and measure.observed >= measure.least_lift * expected
            if enough and measure.odds_ratio(ratio) >= LEAST_ODDS:
                variants.append((strength, kept))
        if variants:
            strength, best = max(variants, key=lambda pair: pair[0])
            strength -= float(np.log(len(variants)))  # the cost of having tried several
            if strength >= LEAST_REASON_NATS:
                out.append((strength, best))
    return sorted(out, key=lambda pair: (-pair[0], pair[1].code))


def _reason(strength: float, measure: Measure, more: Mapping[str, Number]) -> Reason:
    numbers: dict[str, Number] = {
        "observed": measure.observed,
        "expected": measure.expected,
        **measure.numbers,
        **more,
    }
    numbers = {name: four_digits(value) for name, value in numbers.items()}
    text = ring_words(measure.code, numbers)
    return Reason(measure.code, text, strength, numbers, acts=measure.acts)


def span_of(ring: RingView) -> dict[str, Number]:
    """Within how many seconds nine in ten acts were, the log's last unit included; nothing in one without times."""
    if not ring.log.graph.timed:
        return {}
    first, last = middle_of(ring.log.model.acts.at_ms[ring.act])
    span_s = (last - first) / 1000
    return {"span_s": inclusive_span_s(span_s, ring.log.graph.resolution_ms)}


def explain_ring(
    judged: Judged, row: int, log: LogView, natural: Natural, judge: Judge | None = None
) -> Explanation:
    """Explain one ring (a row of judged); what would change the verdict is left to explain_rings."""
    ring = RingView(log, judged.blocks.take(np.array([row])))
    evidence = {name: float(values[row]) for name, values in judged.evidence.items()}
    measures = strongest_measures(ring, natural)
    span = span_of(ring)
    drops: dict[str, float] = {}
    if judge is not None and natural.evidence is not None:
        codes = [measure.code for _, measure in measures if measure.code in JUDGED_BY]
        fall = logit_drops(judged, row, natural.evidence, [JUDGED_BY[code] for code in codes], judge)
        drops = dict(zip(codes, fall.tolist(), strict=True))
    reasons = []
    for strength, measure in measures:
        more: dict[str, Number] = dict(span) if measure.code == "shared_targets" else {}
        if measure.code in drops:
            more["judge_logit_drop"] = drops[measure.code]
        reasons.append(_reason(strength, measure, more))
    by_code = {reason.code: reason for reason in reasons}
    window = float(by_code["lockstep"].numbers["window_s"]) if "lockstep" in by_code else None
    against = innocent_explanations(ring, evidence, {reason.code: reason.nats for reason in reasons}, window)
    counter = [
        _reason(strength, measure, {}) for strength, measure in against if strength >= LEAST_REASON_NATS
    ]
    counter.sort(key=lambda reason: (-reason.nats, reason.code))
    usual = focus(ring)[0]
    members = member_reasons(
        ring, evidence["margin_touched_nats"], window, usual.expected / max(len(ring.members), 1)
    )
    user_ids = [log.graph.user_ids[int(member)].as_py() for member in ring.members]
    return Explanation(
        numbers=evidence,
        reasons=tuple(reasons),
        counter_evidence=tuple(counter),
        member_reasons=dict(zip(user_ids, members, strict=True)),
    )


def explain_rings(
    judged: Judged, rows: Sequence[int], model: Organic, graph: GraphArrays, judge: Judge | None = None
) -> list[Explanation]:
    """Explain rings (rows of judged). With the judge also: what would change the verdict of those that are flagged."""
    if not len(rows):
        return []
    log = LogView(model, graph)
    natural = natural_groups(judged, log)
    out = [explain_ring(judged, row, log, natural, judge) for row in rows]
    flagged = [place for place, row in enumerate(rows) if judged.flagged[row]]
    if judge is not None and flagged and log.n_acts <= MOST_ACTS:
        changes = _would_change(judged, [rows[place] for place in flagged], log, judge)
        for place, change in zip(flagged, changes, strict=True):
            out[place] = replace(out[place], would_change=change)
    return out


def _would_change(judged: Judged, rows: Sequence[int], log: LogView, judge: Judge) -> list[dict[str, Any]]:
    """Per ring the fewest members, strongest first, whose acts on the targets keep it above the threshold."""
    rings = [RingView(log, judged.blocks.take(np.array([row]))) for row in rows]
    places = [np.argsort(-member_nats(ring), kind="stable") for ring in rings]
    acts = [
        [ring.act[ring.user == place] for place in order] for ring, order in zip(rings, places, strict=True)
    ]
    fewest, left = fewest_members(judged, rows, acts, log.model, log.graph, judge)
    out = []
    for ring, row, order, mine, n, logit in zip(rings, rows, places, acts, fewest, left, strict=True):
        gone = [log.graph.user_ids[int(ring.members[place])].as_py() for place in order[:n]]
        n_acts, of = sum(len(part) for part in mine[:n]), len(ring.act)
        after = (
            "too little is left to be a group"
            if not np.isfinite(logit)
            else "the judge's score falls below what a flag needs"
        )
        text = (
            f"Had {n} of {len(ring.members)} accounts not acted on the targets ({n_acts} of {of} account–item pairs), "
            f"the group would not be flagged: {after}. Taken were the accounts with most evidence, one after the "
            f"other; another choice may need fewer."
        )
        out.append(
            {
                "members": gone,
                "n_members": int(n),
                "of_members": len(ring.members),
                "n_acts": n_acts,
                "of_acts": of,
                "logit": four_digits(float(judged.logit[row])),
                "logit_left": four_digits(float(logit)) if np.isfinite(logit) else None,
                "threshold": four_digits(judged.threshold),
                "text": text,
            }
        )
    return out
