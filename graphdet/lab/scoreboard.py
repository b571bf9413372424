"""Findings held against a known truth: which campaigns were found, and who was flagged rightly."""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass

from graphdet.errors import InputError

HALF = 0.5  # Jaccard index from which a finding is a campaign


@dataclass(frozen=True)
class CampaignFound:
    """A campaign of the truth and what was found of it.

    ring_id: the flagged finding that is most like it, by the Jaccard index of their accounts (`jaccard`); None where
    no finding shares an account with it. n_flagged: accounts of it that are flagged, by whatever finding.
    """

    campaign_id: str
    kind: str
    n_accounts: int
    n_flagged: int
    ring_id: str | None
    jaccard: float

    @property
    def found(self) -> bool:
        """Whether the finding is this campaign more than anything else."""
        return self.jaccard >= HALF


@dataclass(frozen=True)
class Scoreboard:
    """Campaigns, and the sums: accounts that are guilty, those flagged, and those of them that are guilty.

    false_rings: flagged findings of which less than half of the accounts are guilty.
    """

    campaigns: tuple[CampaignFound, ...]
    n_guilty: int
    n_flagged: int
    n_right: int
    n_rings: int
    false_rings: tuple[str, ...]


def scoreboard(
    campaigns: Mapping[str, tuple[str, Set[str]]],
    rings: Mapping[str, Set[str]],
    flagged: Set[str],
    known: Set[str],
) -> Scoreboard:
    """Hold flagged findings and accounts against the truth.

    Args:
        campaigns: campaign_id → its kind and its accounts.
        rings: ring_id → accounts, of every flagged finding.
        flagged: accounts that are flagged.
        known: accounts of the findings' log.

    Raises:
        InputError: no account of the truth is in the log.
    """
    guilty = frozenset().union(*(accounts for _, accounts in campaigns.values()))
    if not guilty & known:
        raise InputError("no account of the truth is in the findings: they are of another log")
    rings_of = defaultdict(set)
    for ring_id, accounts in rings.items():
        for account in accounts:
            rings_of[account].add(ring_id)
    rows = []
    for campaign_id, (kind, accounts) in campaigns.items():
        near = {ring_id for account in accounts for ring_id in rings_of.get(account, ())}
        likeness = {
            ring_id: len(rings[ring_id] & accounts) / len(rings[ring_id] | accounts) for ring_id in near
        }
        best = max(sorted(likeness), key=likeness.__getitem__, default=None)
        rows.append(
            CampaignFound(
                campaign_id,
                kind,
                len(accounts),
                len(accounts & flagged),
                best,
                likeness[best] if best else 0.0,
            )
        )
    false = tuple(
        sorted(
            ring_id for ring_id, accounts in rings.items() if len(accounts & guilty) < HALF * len(accounts)
        )
    )
    return Scoreboard(tuple(rows), len(guilty), len(flagged), len(flagged & guilty), len(rings), false)
