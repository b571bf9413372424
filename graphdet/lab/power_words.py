"""What the measured power says: sentences for people, and the table as CSV."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphdet import words
from graphdet.evaluation.intervals import wilson
from graphdet.files import write_text
from graphdet.lab.adversary import Adversary, BestAnswer, Means
from graphdet.lab.power import CAMOUFLAGE, N_TARGETS, UNSEEN, Curve, Lost, PowerTrial, slowest, smallest
from graphdet.learn.insufficient import size_of
from graphdet.tables import GraphArrays


def power_method(graph: GraphArrays, n_trials: int, copies: int, seed: int) -> list[str]:
    """Sentences on what was planted and how it was judged."""
    return [
        f"{words.plural(n_trials, 'campaign')} of {N_TARGETS} targets, each account with {CAMOUFLAGE:g} other act per "
        f"act on a target, planted into {words.plural(copies, 'copy', 'copies')} of the log ({size_of(graph)}), seed "
        f"{seed}.",
        "The judge was trained on other plants in the same log, as `graphdet train` does. Each campaign was judged as "
        "the only one among the log's own candidates; its ring counts from a Jaccard index of .5.",
        "Beyond chance: what naming the planted block saves in the description of the log, in nats, against a model of "
        "activity, popularity and time. At 0 and below no method could tell it from coincidence.",
        "Real rings may do what these campaigns do not: the chances hold for groups like these.",
    ]


def power_headline(trials: Sequence[PowerTrial], fdr: float) -> str:
    """How many of the planted rings that stand out from chance were flagged, in a sentence."""
    beyond = [trial for trial in trials if trial.margin > 0]
    found = sum(trial.found for trial in beyond)
    return (
        f"Of {words.plural(len(beyond), 'planted ring')} that stand out from chance on ordinary items, "
        f"{words.thousands(found)} {'was' if found == 1 else 'were'} flagged at an expected false share of "
        f"{words.percent(fdr)}."
    )


def smallest_found(curve: Curve, fields: Sequence[tuple[int, float, float]]) -> list[str]:
    """Sentences on the smallest rings that are found, by window and density, and on the slowest.

    fields: accounts, density and window of each field of the table.
    """
    most = max(cell[0] for cell in fields)
    densities = sorted({cell[1] for cell in fields}, reverse=True)
    windows = sorted({cell[2] for cell in fields})
    lines = []
    for window in windows:
        parts = []
        for density in densities:
            least = smallest(curve, density, window, most)
            size = f"{least} accounts" if least is not None else f"none up to {most} accounts"
            parts.append(f"{size} at density {words.percent(density)}")
        lines.append(f"Smallest within {words.duration(window)}, found 8 times of 10: {'; '.join(parts)}.")
    middle = sorted({cell[0] for cell in fields})[len({cell[0] for cell in fields}) // 2]
    slow = slowest(curve, middle, 0.6, windows)
    lines.append(
        f"Slowest of {middle} accounts at density 60 %: "
        + (f"{words.duration(slow)}, the longest window tried." if slow == max(windows)
           else f"{words.duration(slow)}." if slow is not None else "none of the windows tried.")
    )  # fmt: skip
    return lines


def unseen_rings(cells: Sequence[dict[str, Any]], lost: Sequence[Lost]) -> list[str]:
    """Sentences on what would go unseen, and on what was lost where."""
    blind = [cell for cell in cells if cell["chance"] < UNSEEN]
    within = [cell for cell in cells if cell["margin"] <= 0]
    lines = [
        f"{len(blind)} of {len(cells)} fields have a chance below {words.percent(UNSEEN)}"
        + (f", all with at most {max(cell['accounts'] for cell in blind)} accounts." if blind else "."),
        f"In {len(within)} of {len(cells)} fields most rings lie within chance: no method could find them in this log.",
    ]
    for each in lost:
        name = {"mid": "ordinary", "popular": "popular (the top 7 %)"}.get(each.popularity, each.popularity)
        lines.append(
            f"On {name} items: {each.planted} planted, {each.beyond_chance} of them beyond chance, {each.candidates} "
            f"came out as candidates, {each.found} were flagged."
        )
    lines.append("Accounts that hit a single item, each once, form no block and are not found as rings.")
    return lines


def adversary_words(found: Adversary, means: Means, graph: GraphArrays, seed: int) -> dict[str, Any]:
    """What the search for the attacker's best answer says: headline, says, tactics and how, in sentences."""
    unseen = [one for one in found.answers if one.trials and one.high <= 0.5]
    most = max(unseen, key=lambda one: one.acts, default=None)
    headline = (
        f"With {means.accounts} accounts and up to {means.targets} targets an attacker who chooses well gains about "
        f"{most.acts:,.0f} acts and is found {most.found} times of {most.trials}."
        if most is not None
        else f"No yield tried with {means.accounts} accounts is surely gained unseen by half of the attempts."
    )
    says = []
    for one in found.answers:
        says.append(
            f"{one.acts:,.0f} acts: tactics as drawn were found {_of(one.random_found, one.random_trials)}, the best "
            f"{_of(one.found, one.trials)}, after one training {_of(one.found_after, one.trials)}; {one.candidates} of "
            f"{one.trials} came out as candidates, of the others no judge hears."
        )
    says.append(
        f"In the log as it is {words.plural(found.rings_before, 'ring')} flagged before that training and "
        f"{found.rings_after} after it."
    )
    how = [
        f"{found.tactics} tactics drawn at random over all knobs of the simulator, {found.trials} campaigns planted "
        f"into {words.plural(found.copies, 'copy', 'copies')} of the log ({size_of(graph)}), seed {seed}; the worst "
        "were dropped in three rungs." + (" The time limit ended the search early." if found.stopped else ""),
        f"The best of each yield was measured on up to {means.report} new campaigns in copies that the search had not "
        "seen. "
        "Found: at least half of its accounts are in a flagged ring, burst or pair, each campaign judged as the only "
        "one.",
        "The training taught the judge of rings the three best tactics of each yield, beside what it learns of a log "
        "anyway. An attacker who searches again after that is not measured.",
        "A better attacker may exist: more tries can only find more dangerous tactics, and the simulator's knobs are "
        "not all that people do.",
    ]
    return {
        "headline": headline,
        "says": says,
        "tactics": [tactic_words(one) for one in found.answers],
        "how": how,
    }


def _of(found: int, trials: int) -> str:
    low, high = wilson(found, trials)
    return f"{found} of {trials} times ({words.percent(low)} to {words.percent(high)})"


def tactic_words(answer: BestAnswer) -> str:
    """One tactic in a sentence."""
    knobs: dict[str, Any] = answer.knobs
    cover = (
        f"{knobs['camouflage']:g} other {'act' if knobs['camouflage'] == 1 else 'acts'} for each act "
        f"({knobs['camouflage_kind']})"
        if knobs["camouflage"]
        else "no other acts"
    )
    parts = [
        f"{knobs['n_accounts']} accounts"
        + (f", {words.percent(knobs['hijacked_share'])} of them hijacked" if knobs["hijacked_share"] else ""),
        f"{knobs['n_targets']} {knobs['target_popularity']} targets"
        + (" of one taste" if knobs["related_targets"] else ""),
        f"{words.percent(knobs['density'])} of the targets each, "
        + ("once" if knobs["repeats"] == 1 else f"{knobs['repeats']:g} times"),
        f"within {words.duration(knobs['window_s'])}, {knobs['pace']} pace"
        + (", in one sitting" if knobs["one_sitting"] else ""),
        cover + (", behind a hot item" if knobs["coattail"] else ""),
    ]
    shared = [name for name in ("device", "ip") if knobs[f"shared_{name}_share"]]
    parts += [f"half of them share one {' and one '.join(shared)}"] if shared else []
    return f"{answer.acts:,.0f} acts: {'; '.join(parts)}."


def write_power_csv(path: Path, cells: Sequence[dict[str, Any]]) -> None:
    """Write the table, one cell of the grid or one answer a line; a figure that is not known is empty.

    Raises:
        GraphdetError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(cells[0])
    for cell in cells:
        writer.writerow([_shown(value) for value in cell.values()])
    write_text(path, text.getvalue())


def _shown(value: float | int | str) -> str:
    return str(value) if isinstance(value, int | str) else "" if value != value else f"{value:.6g}"
