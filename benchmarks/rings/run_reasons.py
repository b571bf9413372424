"""Are the reasons of a ring its causes? Campaigns of known causes planted into real logs, found and explained.

    python -m benchmarks.rings.run_reasons DATA [--logs trivago online_retail] [--seeds 1 2 3]

Rings are found with the judge that comes with the package, without training. For every flagged ring that is a campaign
(Jaccard at least .5): is a true cause among its three strongest reasons, are named reasons true, do they stay when a
tenth of the unrelated rows is gone or the candidates' seed is another, and does the judge's logit fall more without the
acts that a reason cites than without as many random acts of the ring? See known_causes.py for what counts as true.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.recording import record
from benchmarks.rings.known_causes import MADE_FOR, Known, known_log, thinned
from benchmarks.rings.logs import LOGS, read_log
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.blocks import MIN_ITEMS, MIN_USERS, block_acts
from graphdet.rings.evidence_table import JUDGED_BY
from graphdet.rings.find import Candidates, Judged, campaign_overlap, judge_rings, ring_candidates
from graphdet.rings.finding import Explanation
from graphdet.rings.why.explain import CODES, explain_rings
from graphdet.rings.why.without import logits_without
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

TOP = 3
CUT = 0.25  # of a ring's acts, taken away to see what a reason is worth
DRAWS = 5
FLOOR = -10.0  # of a logit: what is left is too little to be a ring


@dataclass(frozen=True)
class Told:
    """The flagged rings of a log that are campaigns: row of judged → campaign, and the explanations."""

    candidates: Candidates
    judged: Judged
    campaign: dict[int, int]
    why: dict[int, Explanation]
    seconds: float
    n_flagged: int


def told(graph: GraphArrays, of_user: np.ndarray, seed: int) -> Told:
    """Find, match and explain."""
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(graph, bench, seed, Silent())
    judge = shipped_judge().logits
    judged = judge_rings(candidates, judge, 0.05)
    campaign, jaccard = campaign_overlap(judged.blocks, of_user)
    rows = np.flatnonzero(judged.flagged & (jaccard >= 0.5)).tolist()
    started = time.perf_counter()
    why = explain_rings(judged, rows, candidates.model, graph, judge)
    seconds = time.perf_counter() - started
    return Told(
        candidates,
        judged,
        {row: int(campaign[row]) for row in rows},
        dict(zip(rows, why, strict=True)),
        seconds,
        int(judged.flagged.sum()),
    )


def codes(why: Explanation, n: int = TOP) -> list[str]:
    return [reason.code for reason in why.reasons[:n]]


def by_logit(why: Explanation, n: int = TOP) -> list[str]:
    """The same reasons ranked by the fall of the judge's logit instead, those it cannot see last."""
    order = sorted(why.reasons, key=lambda reason: -float(reason.numbers.get("judge_logit_drop", -np.inf)))
    return [reason.code for reason in order[:n] if reason.code in JUDGED_BY]


def stable(base: Told, other: Told) -> list[float]:
    """Per ring found both times the Jaccard index of the two sets of top reasons."""
    again = {campaign: codes(other.why[row]) for row, campaign in other.campaign.items()}
    out = []
    for row, campaign in base.campaign.items():
        if campaign in again:
            mine, its = set(codes(base.why[row])), set(again[campaign])
            out.append(len(mine & its) / len(mine | its))
    return out


def faithful(found: Told, graph: GraphArrays, seed: int) -> list[dict[str, float]]:
    """Per ring the fall of the logit without a quarter of its acts: those the strongest reason cites most, those the
    strongest reason beside shared targets does, and random ones (mean of DRAWS).
    """
    rng = np.random.default_rng(seed)
    rows = list(found.why)
    if not rows:
        return []
    acts = block_acts(found.judged.blocks.take(np.asarray(rows)), found.candidates.model)
    mine = [acts.act[acts.block == place] for place in range(len(rows))]
    cut = [max(1, int(CUT * len(its))) for its in mine]
    special = []
    for row in rows:
        others = [reason for reason in found.why[row].reasons if reason.code != "shared_targets"]
        special.append(others[0] if others else None)
    worlds = {
        "top": [found.why[row].reasons[0].acts[:n] for row, n in zip(rows, cut, strict=True)],
        "special": [
            reason.acts[:n] if reason else its[:0] for reason, its, n in zip(special, mine, cut, strict=True)
        ],
    }
    judge = shipped_judge().logits

    def fall(gone: list[np.ndarray]) -> np.ndarray:
        left = logits_without(found.judged, rows, gone, found.candidates.model, graph, judge)
        return found.judged.logit[rows] - np.maximum(left, FLOOR)

    falls = {name: fall(gone) for name, gone in worlds.items()}
    sizes = {name: [len(part) for part in gone] for name, gone in worlds.items()}
    indptr, users = found.candidates.model.by_user.indptr, found.judged.blocks.users
    all_acts = []  # of the members, targets or not
    for row in rows:
        members = users.indices[users.indptr[row] : users.indptr[row + 1]]
        all_acts.append(np.concatenate([np.arange(indptr[u], indptr[u + 1]) for u in members]))

    def drawn(of: list[np.ndarray], name: str) -> np.ndarray:
        draws = [
            fall([rng.permutation(its)[:n] for its, n in zip(of, sizes[name], strict=True)])
            for _ in range(DRAWS)
        ]
        return np.mean(draws, axis=0)

    random = {name: drawn(mine, name) for name in worlds}
    any_act = {name: drawn(all_acts, name) for name in worlds}
    return [
        {
            "top": float(falls["top"][k]),
            "top_random": float(random["top"][k]),
            "top_any": float(any_act["top"][k]),
            "special": float(falls["special"][k]) if special[k] else np.nan,
            "special_any": float(any_act["special"][k]) if special[k] else np.nan,
            "special_random": float(random["special"][k]) if special[k] else np.nan,
        }
        for k in range(len(rows))
    ]


def innocents_explained(known: Known, found: Told) -> list[dict[str, object]]:
    """What is said of hard innocents if somebody accused them: those large enough to be a ring, as planted."""
    from graphdet.rings.blocks import Blocks, membership
    from graphdet.rings.evidence import gather_evidence
    from graphdet.rings.margin import naming_margins
    from graphdet.rings.why.explain import LogView, explain_ring, natural_groups

    planted, model = known.planted, found.candidates.model
    groups = [
        (number, np.flatnonzero(planted.innocent_of_user == number), planted.innocent_targets[number])
        for number in range(len(planted.innocents))
    ]
    groups = [each for each in groups if len(each[1]) >= MIN_USERS and len(each[2]) >= MIN_ITEMS]
    if not groups:
        return []
    blocks = Blocks(
        membership([users.astype(np.int64) for _, users, _ in groups], model.n_users),
        membership([np.sort(items).astype(np.int64) for _, _, items in groups], model.n_items),
    )
    evidence = gather_evidence(blocks, model, planted.graph, naming_margins(blocks, model))
    n, nothing = len(groups), np.zeros(len(groups))
    judged = Judged(
        blocks,
        evidence,
        logit=nothing,
        score=nothing,
        p_value=nothing,
        q_value=nothing,
        level=nothing,
        flagged=np.zeros(n, bool),
        fold=np.zeros(n, np.int64),
        apart=np.ones(n, bool),
        threshold=0.0,
        by_tail=False,
        overruled=0,
        made_by_chance=np.zeros(n, bool),
        candidate=np.arange(n),
    )
    log = LogView(model, planted.graph)
    natural = natural_groups(found.judged, log)
    out = []
    for row, (number, _, _) in enumerate(groups):
        why = explain_ring(judged, row, log, natural)
        top = why.reasons[0].nats if why.reasons else 0.0
        against = why.counter_evidence[0].nats / max(top, 1e-9) if why.counter_evidence else 0.0
        out.append({"kind": planted.innocents[number].kind, "against": against, "codes": codes(why)})
    return out


def one(name: str, graph: GraphArrays, seed: int) -> dict[str, object]:
    """Everything about one planted log."""
    known = known_log(graph, seed)
    planted = known.planted
    base = told(planted.graph, planted.campaign_of_user, seed)
    rings = []
    fidelity = faithful(base, planted.graph, seed)
    for (row, campaign), falls in zip(base.campaign.items(), fidelity, strict=True):
        why = base.why[row]
        top = why.reasons[0].nats if why.reasons else 0.0
        change = why.would_change
        rings.append(
            {
                "case": known.cases[campaign],
                "true": sorted(known.causes[campaign]),
                "named": codes(why, len(CODES)),
                "by_logit": by_logit(why),
                "against": why.counter_evidence[0].nats / max(top, 1e-9) if why.counter_evidence else 0.0,
                "needed": change["n_members"] / change["of_members"] if change else None,
                **{name: round(value, 3) for name, value in falls.items()},
            }
        )
    fewer = told(thinned(planted, 0.1, seed), planted.campaign_of_user, seed)
    reseeded = told(planted.graph, planted.campaign_of_user, seed + 100)
    values: dict[str, object] = {
        "log": name,
        "seed": seed,
        "planted": len(known.cases),
        "flagged": base.n_flagged,
        "rings": rings,
        "innocents": innocents_explained(known, base),
        "stable_thinned": stable(base, fewer),
        "stable_seed": stable(base, reseeded),
        "seconds": round(base.seconds, 1),
    }
    record("reasons", **values)
    return values


def table(rows: list[dict]) -> None:
    """Print the figures over all logs and seeds."""
    rings = [ring for row in rows for ring in row["rings"]]
    special = [set(ring["true"]) - {"shared_targets"} for ring in rings]
    easy = {"shared_targets", "exclusive_targets"}
    print(
        f"\n{len(rings)} rings found and explained of {sum(row['planted'] for row in rows)} campaigns", end=""
    )
    print(f" in {len(rows)} logs; {sum(row['flagged'] for row in rows)} flagged in all")
    for title, key in (("ranked by nats", "named"), ("ranked by the judge's logit", "by_logit")):
        top = [set(ring[key][:TOP]) for ring in rings]
        any_true = np.mean([bool(its & set(ring["true"])) for its, ring in zip(top, rings, strict=True)])
        strict = [
            bool(its & true) if true else "shared_targets" in its
            for its, true in zip(top, special, strict=True)
        ]
        of_those = [bool(its & true) for its, true in zip(top, special, strict=True) if true]
        hard = [bool(its & (true - easy)) for its, true in zip(top, special, strict=True) if true - easy]
        made = [MADE_FOR[r["case"]] in its for its, r in zip(top, rings, strict=True) if MADE_FOR[r["case"]]]
        print(
            f"true cause in the top three, {title}: any {any_true:.2f}; strict {np.mean(strict):.2f} (a specific cause "
            f"where there is one); of the {len(of_those)} with specific causes {np.mean(of_those):.2f}; of the "
            f"{len(hard)} with causes beside exclusive targets {np.mean(hard):.2f}; the very cause it was made for "
            f"{np.mean(made):.2f} of {len(made)}"
        )
    print(
        f"\n{'reason':20}{'named':>7}{'true':>6}{'precision':>11}{'in top 3':>10}{'precision':>11}{'recall':>8}"
    )
    for code in CODES:
        named = [ring for ring in rings if code in ring["named"]]
        top = [ring for ring in rings if code in ring["named"][:TOP]]
        true = [ring for ring in rings if code in ring["true"]]
        hits = sum(code in ring["true"] for ring in named)
        hits_top = sum(code in ring["true"] for ring in top)
        print(
            f"{code:20}{len(named):7}{len(true):6}{hits / max(len(named), 1):11.2f}{len(top):10}"
            f"{hits_top / max(len(top), 1):11.2f}{hits / max(len(true), 1):8.2f}"
        )
    wrong: dict[str, list[str]] = defaultdict(list)
    for ring in rings:
        for code in ring["named"]:
            if code not in ring["true"]:
                wrong[code].append(ring["case"])
    print("\nnamed and not a cause:", {code: sorted(of) for code, of in sorted(wrong.items())})
    missed = [
        r["case"] for r, true in zip(rings, special, strict=True) if true and not true & set(r["named"][:TOP])
    ]
    print("no specific cause in the top three:", sorted(missed))
    for key, title in (("stable_thinned", "a tenth of unrelated rows gone"), ("stable_seed", "another seed")):
        values = [value for row in rows for value in row[key]]
        print(
            f"top three with {title}: same set {np.mean(np.array(values) == 1):.2f}, Jaccard {np.mean(values):.2f}, "
            f"of {len(values)} found both times"
        )
    for key, title in (("top", "strongest reason"), ("special", "strongest beside shared targets")):
        pairs = [(r[key], r[f"{key}_random"], r[f"{key}_any"]) for r in rings if np.isfinite(r[key])]
        falls, random, any_act = np.array(pairs).T if pairs else np.zeros((3, 0))
        print(
            f"without a quarter of the acts, those that the {title} cites: logit falls by {falls.mean():.2f}; by "
            f"{random.mean():.2f} without random acts on targets (more in {np.mean(falls > random):.2f} of "
            f"{len(pairs)} rings), by {any_act.mean():.2f} without random acts of members (more in "
            f"{np.mean(falls > any_act):.2f})"
        )
    needed = [ring["needed"] for ring in rings if ring["needed"] is not None]
    print(f"members without whom no flag: {np.median(needed):.2f} of a ring (median)")
    doubted = np.mean([ring["against"] >= 0.25 for ring in rings])
    innocents = [each["against"] >= 0.25 for row in rows for each in row["innocents"]]
    print(
        f"counter-evidence worth a quarter of the strongest reason: {doubted:.2f} of the rings, "
        f"{np.mean(innocents):.2f} of {len(innocents)} hard innocents"
    )
    print(f"seconds to explain, per log: {[row['seconds'] for row in rows]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="*", default=["trivago", "online_retail"], choices=list(LOGS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.logs:
            graph = read_log(name, arguments.data, Path(folder))
            rows += [one(name, graph, seed) for seed in arguments.seeds]
    table(rows)


if __name__ == "__main__":
    main()
