"""Rings of kinds that the judge was never shown: one JSON line per log, seed and kind.

    python -m benchmarks.rings.run_unseen DATA [--logs trivago …] [--seeds 1 2 …] [--per-kind 2] [--kinds coattail …]

Campaigns of every kind are planted into a real log together with hard innocents. A judge trained on all kinds is
compared with one that is not shown a kind, nor what was varied into it, on the same candidates and otherwise the same
lessons; lessons of other logs, which know every kind, are left out for both. The kinds that no judge is trained on
(mules, demoting reviews) are only looked for. Single-item bursts leave no block and are not here. A kind's F1 is of its
own recall and the precision of all flagged rings.
"""

import argparse
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.recording import record
from benchmarks.rings.detectors import named
from benchmarks.rings.logs import LOGS, read_log
from benchmarks.rings.planted import Truth, truth_of
from benchmarks.rings.scoring import MATCH, f1, matches
from graphdet.judge.examples import NATURAL, Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.training import train_ring_judge
from graphdet.learn.ring_lessons import planted_copies
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import Candidates, campaign_overlap, ring_candidates
from graphdet.simulation import CAMPAIGN_KINDS, TRAINED_KINDS, Campaign, innocent_plan, is_like, plant
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

BLOCKS = [name for name, campaign in CAMPAIGN_KINDS.items() if campaign.n_targets > 1]
UNSEEN = [name for name in BLOCKS if name not in TRAINED_KINDS]
MOST_ACCOUNTS = 40  # small logs carry one campaign of each kind only when none is a crowd


def planted_log(graph: GraphArrays, per_kind: int, seed: int) -> tuple[GraphArrays, Truth, list[str]]:
    """Plant `per_kind` campaigns of each kind and a group of each kind of hard innocents; the campaigns' kinds."""
    rng = np.random.default_rng((seed, 49_979_687))
    plan = []
    for name in BLOCKS * per_kind:
        density = float(np.clip(CAMPAIGN_KINDS[name].density + rng.uniform(-0.08, 0.05), 0.3, 0.95))
        n_accounts = min(CAMPAIGN_KINDS[name].n_accounts, MOST_ACCOUNTS)
        plan.append(replace(CAMPAIGN_KINDS[name], density=density, n_accounts=n_accounts))
    planted = plant(graph, plan, seed, innocent_plan(seed), leave_out_unfit=True)
    return planted.graph, truth_of(planted), [group.kind for group in planted.campaigns]


@dataclass(frozen=True)
class Copy:
    """What a planted copy of a log teaches, and the campaigns that its lessons number."""

    campaigns: list[Campaign]
    lessons: Lessons


def copies(graph: GraphArrays, seed: int) -> list[Copy]:
    """The planted copies that a judge of the log learns from."""
    with Workbench.in_memory() as bench:
        return [
            Copy([group.asked for group in planted.campaigns], lessons)
            for planted, _, _, lessons in planted_copies(graph, bench, seed, Silent())
        ]


def trained(learned: list[Copy], seed: int, without: str | None) -> RingJudge:
    """A judge of the log, shown all kinds of TRAINED or all but one; a block of that is no example of anything."""
    shown = []
    for copy in learned:
        hidden = np.array([without is not None and is_like(its, without) for its in copy.campaigns])
        of_hidden = hidden[copy.lessons.campaign] & (copy.lessons.campaign >= 0)
        shown.append(copy.lessons.of_rows(np.flatnonzero(~(of_hidden & (copy.lessons.jaccard >= NATURAL)))))
    return train_ring_judge(Lessons.joined(shown), JUDGE_DIRECTION, seed)


def judged(
    candidates: Candidates, judge: RingJudge, truth: Truth, kinds: list[str]
) -> tuple[dict[str, int], int, int]:
    """How many campaigns of each kind are found, and how many rings are flagged and right."""
    found = named(candidates, judge)
    match = matches(found.rings, truth)[: found.n_flagged]
    right = np.unique(match[match >= 0])
    return (
        {name: sum(kinds[row] == name for row in right) for name in sorted(set(kinds))},
        len(match),
        int((match >= 0).sum()),
    )


def one(
    name: str, graph: GraphArrays, per_kind: int, seed: int, left_out: list[str]
) -> list[dict[str, object]]:
    """All kinds on one planted log."""
    log, truth, kinds = planted_log(graph, per_kind, seed)
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(log, bench, seed, Silent())
    campaign, jaccard = campaign_overlap(candidates.blocks, truth.campaign_of_user)
    candidate = np.unique(campaign[jaccard >= MATCH])
    learned = copies(log, seed)
    known, flagged, right = judged(candidates, trained(learned, seed, None), truth, kinds)
    rows = []
    for kind in [kind for kind in BLOCKS if kind in kinds]:
        row: dict[str, object] = {"log": name, "seed": seed, "kind": kind, "n_users": log.n_users}
        row |= {"planted": kinds.count(kind), "margins": [round(truth.margins[k]) for k in _of(kinds, kind)]}
        row |= {"candidates": int(np.isin(_of(kinds, kind), candidate).sum()), "found": known[kind]}
        row |= {"flagged": flagged, "right": right}
        if kind in left_out:
            found, its_flagged, its_right = judged(candidates, trained(learned, seed, kind), truth, kinds)
            row |= {"found_without": found[kind], "flagged_without": its_flagged, "right_without": its_right}
        record("rings_unseen", **row)
        rows.append(row)
    return rows


def _of(kinds: list[str], kind: str) -> list[int]:
    return [row for row, its in enumerate(kinds) if its == kind]


def table(rows: list[dict[str, object]]) -> None:
    """Print sums over all logs and seeds, a line per kind."""
    by_kind: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        by_kind[str(row["kind"])].append(row)
    print(
        f"\n{'kind':14}{'found':>8}{'precision':>11}{'F1':>6}{'without it':>12}{'precision':>11}{'F1':>6}{'change':>8}"
    )
    for kind, its in by_kind.items():
        n = sum(row["planted"] for row in its)
        text = f"{kind:14}{sum(row['candidates'] for row in its):10}"
        scores = []
        for ending in ("", "_without"):
            if f"found{ending}" not in its[0]:
                continue
            found, flagged, right = (
                sum(row[f"{key}{ending}"] for row in its) for key in ("found", "flagged", "right")
            )
            scores.append(f1(right, flagged, found, n))
            text += f"{f'{found}/{n}':>{12 if ending else 8}}{right / max(flagged, 1):11.2f}{scores[-1]:6.2f}"
        if len(scores) == 2:
            text += f"{scores[1] - scores[0]:+8.2f}"
        print(text if kind in TRAINED_KINDS else f"{text}   never trained on")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="*", default=["trivago"], choices=list(LOGS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--per-kind", type=int, default=1)
    trained_blocks = [kind for kind in BLOCKS if kind in TRAINED_KINDS]
    parser.add_argument(
        "--kinds", nargs="*", default=trained_blocks, choices=trained_blocks, help="to leave out"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.logs:
            graph = read_log(name, arguments.data, Path(folder))
            for seed in arguments.seeds:
                rows += one(name, graph, arguments.per_kind, seed, arguments.kinds)
    table(rows)


if __name__ == "__main__":
    main()
