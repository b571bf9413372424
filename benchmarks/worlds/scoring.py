"""What a method says of a world's users and groups, held against the truth."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks.worlds.truth import BURST, RING, UNKNOWN, World

MATCH = 0.5  # Jaccard index from which a group is the ring
PURE = 0.8  # share of labelled members from which a group is right
HALF = 0.5  # share of a ring's members from which it is touched
Members = frozenset[str]
Figures = dict[str, object]


@dataclass(frozen=True)
class Said:
    """What a method says.

    score: higher is worse; a user without one stands below all others. flagged: the users it accuses (None: it has no
    threshold of its own). listed: its groups, strongest first. accused: those of `listed` that it flags (None: it has
    no threshold). kinds: how many flagged groups are of each kind, where it tells kinds. held_back: groups that it does
    not flag, each with the rule that speaks against it.
    """

    score: dict[str, float]
    flagged: Members | None = None
    listed: tuple[Members, ...] = ()
    accused: tuple[Members, ...] | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    held_back: tuple[tuple[str, Members], ...] = ()


def figures(said: Said, world: World, tight: dict[int, Members] | None = None) -> Figures:
    """All figures of one method in one world. tight: accounts by the least number of objects that two of them share."""
    out: Figures = {"users": len(world.known), "unit": world.unit, "flagged": None, "right": None}
    if said.flagged is not None:
        out["flagged"] = len(said.flagged & world.known)
    if tight:
        out |= tight_figures(said, tight)
    if world.unit == UNKNOWN:
        return out
    out |= user_figures(said, world)
    if said.listed or said.accused is not None:
        out |= group_figures(said, world)
        if world.unit in (RING, BURST):
            out |= ring_figures(said, world)
    if world.communities:
        people = frozenset().union(*world.communities.values()) & world.known - world.guilty
        out["in_communities"] = len(people)
        out["innocents_accused"] = None if said.flagged is None else len(said.flagged & people)
    return out


def user_figures(said: Said, world: World) -> Figures:
    """How users are ranked and flagged; tied users share a place."""
    users = sorted(world.known)
    y = np.array([user in world.guilty for user in users])
    score = np.array([said.score.get(user, -np.inf) for user in users])
    place = np.unique(score, return_inverse=True)[1].astype(np.float64)
    out: Figures = {"guilty": int(y.sum()), "share": float(y.mean())}
    if 0 < y.sum() < len(y):
        precision, recall, _ = precision_recall_curve(y, place)
        out["auprc"] = float(average_precision_score(y, place))
        out["auroc"] = float(roc_auc_score(y, place))
        out["best_f1"] = float(_f1(precision, recall).max())
    if said.flagged is not None:
        flagged = said.flagged & world.known
        right = len(flagged & world.guilty)
        out["right"] = right
        out["f1"] = 2 * right / max(len(flagged) + int(y.sum()), 1)
    return out


def judged(groups: tuple[Members, ...], world: World) -> list[Members]:
    """The known members of groups; a group without any is left out of every count, as its members are."""
    return [group & world.known for group in groups if group & world.known]


def pure(group: Members, world: World) -> bool:
    """Whether enough members of a group, all of them known, are labelled."""
    return len(group & world.guilty) >= PURE * len(group)


def group_figures(said: Said, world: World) -> Figures:
    """Pure groups among those flagged and listed; rings half of whose members are flagged, or in one listed group."""
    listed = judged(said.listed, world)
    out: Figures = {"listed_rings": len(listed), "pure_listed": sum(pure(group, world) for group in listed)}
    if said.accused is not None:
        accused = judged(said.accused, world)
        out["flagged_rings"] = len(accused)
        out["pure_flagged"] = sum(pure(group, world) for group in accused)
    rings = [its & world.known for its in world.rings.values() if its & world.known]
    out["true_rings"] = len(rings)
    out["half_listed"] = sum(any(len(ring & group) >= HALF * len(ring) for group in listed) for ring in rings)
    if said.flagged is not None:
        out["half_flagged"] = sum(len(ring & said.flagged) >= HALF * len(ring) for ring in rings)
    if said.kinds:
        out["kinds"] = said.kinds
    if said.held_back:
        out["held_back"] = {  # rule: groups, pure ones among them
            rule: [len(its), sum(pure(group, world) for group in its)]
            for rule in sorted({rule for rule, _ in said.held_back})
            if (its := judged(tuple(group for held, group in said.held_back if held == rule), world))
        }
    return out


def ring_figures(said: Said, world: World) -> Figures:
    """Flagged groups as rings. Without a threshold the cut is where F1 is best, by looking at the truth."""
    rings = {name: its & world.known for name, its in world.rings.items() if its & world.known}
    groups = said.listed if said.accused is None else said.accused
    found = [matched(group, rings) for group in judged(groups, world)]
    cuts = range(len(found) + 1) if said.accused is None else [len(found)]
    told = [_told(found[:n], len(rings)) for n in cuts]
    precision, recall, f1 = max(told, key=lambda each: each[2])
    out: Figures = {"ring_precision": precision, "ring_recall": recall, "ring_f1": f1}
    if world.levels:
        flagged = {name for names in found for name in names}
        listed = {name for group in judged(said.listed, world) for name in matched(group, rings)}
        for key, those in (("levels", flagged), ("levels_listed", listed)):
            out[key] = {
                level: [
                    sum(world.levels[name] == level for name in those),
                    sum(its == level for its in world.levels.values()),
                ]
                for level in sorted(set(world.levels.values()))
            }
    return out


def matched(group: Members, rings: dict[str, Members]) -> list[str]:
    """The ring that a group is, as a list of one; of equals the first; empty where it is none."""
    jaccard = {name: len(group & ring) / len(group | ring) for name, ring in rings.items() if group & ring}
    best = max(jaccard, key=lambda name: jaccard[name], default=None)
    return [best] if best is not None and jaccard[best] >= MATCH else []


def _told(found: list[list[str]], n_rings: int) -> tuple[float, float, float]:
    """Ring precision, recall and F1 of groups by the ring that each is."""
    right = [name for names in found for name in names]
    precision, recall = len(right) / max(len(found), 1), len(set(right)) / max(n_rings, 1)
    return precision, recall, float(_f1(np.array(precision), np.array(recall)))


def _f1(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def tight_figures(said: Said, tight: dict[int, Members]) -> Figures:
    """Of the accounts that share so many objects at the same moments with another, how many are flagged."""
    out: Figures = {f"tight_{n}": len(accounts) for n, accounts in tight.items()}
    if said.flagged is not None:
        out |= {f"tight_{n}_flagged": len(accounts & said.flagged) for n, accounts in tight.items()}
    return out
