"""Rings that span owners, found by keyed hashes of the items they act on; no user is shown.

The parties agree on a key that the server does not have. Of each group that looks suspicious a party offers, for every
target and every week in which members acted on it, HMAC-SHA256(key, week and item id), and how many members there are.
The server tells two parties which hashes of two of their groups are equal.

What leaks. To the server: how many groups, hashes and members, and which hashes are equal. To the other party, of
groups that overlap with its own: the number of members, and that these targets were acted on in these weeks. Whoever
has the key can try out ids that they know against hashes that they see, so the server must not have it.
"""

import hashlib
import hmac
import secrets
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import poisson

from graphdet.errors import GraphdetError, UsageError
from graphdet.rings.blocks import Blocks
from graphdet.rings.company import WEEK_MS
from graphdet.tables import GraphArrays

_LEAST_KEY_BYTES = 16

MOST_OFFERS, MOST_HASHES = 500, 1_000
LEAST_EQUAL = 3  # equal hashes, below which nothing is told
HASH_HEX = 32


@dataclass(frozen=True)
class Offer:
    """What is told of a group: a random name, its members' number, and keyed hashes of items and weeks."""

    name: str
    n_members: int
    hashes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As sent."""
        return {"name": self.name, "n_members": self.n_members, "hashes": list(self.hashes)}

    @classmethod
    def from_json(cls, given: Any) -> "Offer":
        """Read what was sent.

        Raises:
            GraphdetError: it is no offer.
        """
        try:
            offer = cls(str(given["name"]), int(given["n_members"]), tuple(map(str, given["hashes"])))
        except (KeyError, TypeError, ValueError) as error:
            raise GraphdetError(f"an offer of another form ({error}); use one version everywhere") from error
        if len(offer.hashes) > MOST_HASHES or any(len(each) != HASH_HEX for each in offer.hashes):
            raise GraphdetError(
                f"an offer has more than {MOST_HASHES} hashes, or hashes that are not {HASH_HEX} long"
            )
        return offer


@dataclass(frozen=True)
class OfferedGroup:
    """A group that is offered, as its owner knows it: rows of members, and the item row behind each hash."""

    offer: Offer
    block: int
    item_of: Mapping[str, int]


def read_common_key(path: Path) -> bytes:
    """The key in a file that nobody else may read.

    Raises:
        UsageError: it cannot be read, is too short, or others may read it.
    """
    try:
        key, mode = path.read_bytes().strip(), path.stat().st_mode
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; make a key with: openssl rand -hex 32 > {path}"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path} can be read by others; keep it to yourself with: chmod 600 {path}")
    if len(key) < _LEAST_KEY_BYTES:
        raise UsageError(
            f"{path} holds {len(key)} bytes, a key has {_LEAST_KEY_BYTES} at least; openssl rand -hex 32 makes one"
        )
    return key


def keyed_hash(key: bytes, item: str, week: int) -> str:
    """The hash of an item in a week, under which two owners find the same; ids are compared without case and width.

    >>> keyed_hash(b"k", " Item-1", 3) == keyed_hash(b"k", "item-1", 3) != keyed_hash(b"k", "item-1", 4)
    True
    """
    same = unicodedata.normalize("NFKC", item).casefold().strip()
    return hmac.new(key, f"{week}\x1f{same}".encode(), hashlib.sha256).hexdigest()[:HASH_HEX]


def offers(graph: GraphArrays, blocks: Blocks, chosen: Sequence[int], key: bytes) -> list[OfferedGroup]:
    """Offer the chosen blocks, the first MOST_OFFERS of them; in a log without times every act is in week 0."""
    edge = np.argsort(graph.user_ix, kind="stable")
    start = np.searchsorted(graph.user_ix[edge], np.arange(graph.n_users + 1))
    groups = []
    for block in list(chosen)[:MOST_OFFERS]:
        members, items = blocks.users[block].indices, blocks.items[block].indices
        acts = np.concatenate([edge[start[user] : start[user + 1]] for user in members])
        acts = acts[np.isin(graph.item_ix[acts], items)]
        pairs = np.unique(np.column_stack([graph.item_ix[acts], graph.at_ms[acts] // WEEK_MS]), axis=0)[
            :MOST_HASHES
        ]
        names = graph.item_ids.take(pairs[:, 0]).to_pylist()
        item_of = {
            keyed_hash(key, str(name), int(week)): int(item)
            for name, (item, week) in zip(names, pairs, strict=True)
        }
        # In the order of the hashes, which tells nothing of the order of the items.
        offer = Offer(secrets.token_hex(8), len(members), tuple(sorted(item_of)))
        groups.append(OfferedGroup(offer, block, item_of))
    return groups


def overlaps(offered: Mapping[str, Sequence[Offer]]) -> dict[str, list[dict[str, Any]]]:
    """What each party is told: pairs of a group of its own and one of another party that share LEAST_EQUAL hashes."""
    holders: dict[str, list[tuple[str, Offer]]] = defaultdict(list)
    for party, its in offered.items():
        for offer in its:
            for each in offer.hashes:
                holders[each].append((party, offer))
    shared: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    members: dict[tuple[str, str], int] = {}
    for each, who in holders.items():
        for party, offer in who:
            members[party, offer.name] = offer.n_members
            for other, theirs in who:
                if other != party:
                    shared[party, offer.name, other, theirs.name].append(each)
    told: dict[str, list[dict[str, Any]]] = {party: [] for party in offered}
    for (party, name, other, its_name), hashes in shared.items():
        if len(hashes) >= LEAST_EQUAL:
            told[party].append(
                {
                    "group": name,
                    "party": other,
                    "n_members": members[other, its_name],
                    "hashes": sorted(hashes),
                }
            )
    return told


@dataclass(frozen=True)
class Match:
    """A group of this log that goes on in another one.

    chance: the probability that a group of another log with as many targets, drawn by how popular items are in this
    one, shares as many of them (a Poisson tail).
    """

    block: int
    party: str
    members_there: int
    items: tuple[int, ...]
    chance: float


def matches(
    graph: GraphArrays, groups: Sequence[OfferedGroup], told: Sequence[Mapping[str, Any]]
) -> list[Match]:
    """What the answer says of this log, the least likely by chance first, one row per group and other party.

    Raises:
        GraphdetError: the answer speaks of groups or hashes that were not offered.
    """
    by_name = {group.offer.name: group for group in groups}
    share = np.bincount(graph.item_ix, minlength=graph.n_items) / max(len(graph.item_ix), 1)
    best: dict[tuple[int, str], Match] = {}
    try:
        for each in told:
            group = by_name[each["group"]]
            items = sorted({group.item_of[one] for one in each["hashes"]})
            own = np.array(sorted(set(group.item_of.values())))
            expected = float((1 - (1 - share[own]) ** len(own)).sum())
            chance = float(poisson.sf(len(items) - 1, expected))
            found = Match(group.block, str(each["party"]), int(each["n_members"]), tuple(items), chance)
            known = best.get((found.block, found.party))
            if known is None or (found.chance, -found.members_there) < (known.chance, -known.members_there):
                best[found.block, found.party] = found
    except (KeyError, TypeError, ValueError) as error:
        raise GraphdetError(f"the server's answer speaks of what was not offered ({error})") from error
    return sorted(best.values(), key=lambda match: (match.chance, match.block, match.party))
