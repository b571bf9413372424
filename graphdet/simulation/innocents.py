"""Hard innocents: groups that act together for honest reasons and must not be called rings."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from graphdet.arrays import Rng
from graphdet.errors import UsageError
from graphdet.simulation.campaigns import DAY, HOUR, Campaign


def _flash_sale(rng: Rng) -> Campaign:
    """Many users, one hot item, an hour."""
    return Campaign(
        "flash_sale",
        n_accounts=int(rng.integers(200, 500)),
        n_targets=1,
        density=1.0,
        window_s=HOUR,
        camouflage=1.5,
        hijacked_share=0.9,
        target_popularity="popular",
    )


def _fan_club(rng: Rng) -> Campaign:
    """A loyal set of users, on whatever one author or topic brings, over weeks, at the density of fans."""
    return Campaign(
        "fan_club",
        n_accounts=int(rng.integers(20, 60)),
        n_targets=int(rng.integers(12, 30)),
        density=float(rng.uniform(0.15, 0.3)),
        window_s=28 * DAY,
        camouflage=1.5,
        hijacked_share=1.0,
        target_popularity="mid",
        related_targets=True,
        members_from_audience=True,
    )


def _school_class(rng: Rng) -> Campaign:
    """A class of 25 in one lesson: the same hour, the same address, the two or three pages on the board."""
    return Campaign(
        "school_class",
        n_accounts=25,
        n_targets=int(rng.integers(2, 4)),
        density=0.8,
        window_s=HOUR,
        camouflage=1.5,
        hijacked_share=0.8,
        target_popularity="mid",
        related_targets=True,
        shared_ip_share=1.0,
    )


def _family(rng: Rng) -> Campaign:
    """A household behind one address who tell each other what to look at."""
    return Campaign(
        "family",
        n_accounts=int(rng.integers(3, 6)),
        n_targets=int(rng.integers(4, 7)),
        density=0.4,
        window_s=21 * DAY,
        camouflage=2.0,
        hijacked_share=1.0,
        target_popularity="popular",
        shared_ip_share=1.0,
        shared_device_share=0.3,
    )


def _newsletter(rng: Rng) -> Campaign:
    """Hundreds of users who follow three to five links within hours of a mailing."""
    return Campaign(
        "newsletter",
        n_accounts=int(rng.integers(150, 400)),
        n_targets=int(rng.integers(3, 6)),
        density=0.4,
        window_s=float(rng.uniform(3, 8)) * HOUR,
        camouflage=1.0,
        hijacked_share=0.95,
        target_popularity="mid",
    )


def _regional_news(rng: Rng) -> Campaign:
    """The people of one region on a handful of its stories, over days."""
    return Campaign(
        "regional_news",
        n_accounts=int(rng.integers(80, 200)),
        n_targets=int(rng.integers(5, 12)),
        density=float(rng.uniform(0.12, 0.3)),
        window_s=4 * DAY,
        camouflage=1.5,
        hijacked_share=0.95,
        target_popularity="mid",
        related_targets=True,
        members_from_audience=True,
    )


_INNOCENTS: dict[str, Callable[[Rng], Campaign]] = {
    "flash_sale": _flash_sale,
    "fan_club": _fan_club,
    "school_class": _school_class,
    "family": _family,
    "newsletter": _newsletter,
    "regional_news": _regional_news,
}
INNOCENT_KINDS = tuple(_INNOCENTS)


def innocent(name: str, rng: Rng) -> Campaign:
    """Draw a hard-innocent group of one kind, in the knobs of a campaign.

    Raises:
        UsageError: there is no such kind.

    >>> innocent("school_class", np.random.default_rng(0)).n_accounts
    25
    """
    if name not in _INNOCENTS:
        raise UsageError(f"there is no innocent kind {name!r}; use one of {', '.join(INNOCENT_KINDS)}")
    return _INNOCENTS[name](rng)


def innocent_plan(seed: int = 0, rounds: int = 1) -> list[Campaign]:
    """Plan `rounds` groups of every kind of hard innocent."""
    rng = np.random.default_rng((seed, 104_729))
    return [innocent(name, rng) for _ in range(rounds) for name in INNOCENT_KINDS]


def training_innocents(seed: int, rounds: int) -> list[Campaign]:
    """Plan `rounds` groups of every kind with knobs drawn more widely, for the judge of rings to learn from."""
    rng = np.random.default_rng((seed, 1_299_709))
    return [_vary(innocent(name, rng), rng) for _ in range(rounds) for name in INNOCENT_KINDS]


def _vary(group: Campaign, rng: Rng) -> Campaign:
    """Stretch the knobs of a group by factors that keep it what it is."""
    single = group.n_targets == 1
    return replace(
        group,
        n_accounts=max(3, round(group.n_accounts * float(rng.uniform(0.5, 1.4)))),
        n_targets=1 if single else max(2, round(group.n_targets * float(rng.uniform(0.7, 1.5)))),
        density=float(np.clip(group.density * rng.uniform(0.8, 1.2), 0.1, 1.0)),
        window_s=group.window_s * float(np.exp(rng.uniform(-1.0, 0.7))),
        camouflage=group.camouflage * float(rng.uniform(0.5, 1.5)),
    )
