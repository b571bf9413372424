"""What a campaign is, the presets L1 … L5, the kinds, and plans of many campaigns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from graphdet import units
from graphdet.arrays import Rng
from graphdet.errors import UsageError

HOUR, DAY = float(units.HOUR_S), float(units.DAY_S)  # seconds; knobs are fractions of a second too
POPULARITIES = ("cold", "mid", "warm", "popular")
PACES = ("human", "scripted", "plain")
CAMOUFLAGES = ("walk", "popular", "random", "copied")
FLOWS = ("", "fan_in", "fan_out", "cycle")
POLARITIES = ("", "promote", "demote")


@dataclass(frozen=True)
class Campaign:
    """One group of accounts that act together on a set of items; the same knobs describe hard innocents.

    n_accounts, n_targets: accounts and target items wanted (a small log gets fewer).
    density: share of the targets that each account touches, in (0, 1].
    window_s: seconds from the first to the last touch of a target; cut to the log's own span.
    camouflage: own clicks of an account per click on a target.
    camouflage_kind: "walk" (the item-to-item steps of the hour), "popular" (its clicks), "random" (living
    items), "copied" (what one real user clicked at the time).
    hijacked_share: share of the accounts that are real users of the log, who keep all their own behaviour.
    target_popularity: "cold", "mid", "warm" or "popular" items of the log.
    repeats: mean number of sessions in which an account touches one target.
    pace: "human" (sessions and gaps as in the log), "scripted" (targets in one fixed order, seconds apart), or "plain"
    (acts at times drawn evenly from the window, each in a session of its own unless it is one_sitting, without regard
    for the habits of the log's users: purpose-made accounts that one act at a time is sold of).
    coattail: each target is clicked right after a hot item of the hour, in the same session.
    one_sitting: all targets of an account in one session.
    shared_device_share, shared_ip_share: share of the accounts on a device or address of the campaign.
    related_targets: targets are near each other in the log's own transitions (one author, one topic).
    members_from_audience: real users are taken from those who touched a target anyway.
    flow: how money moves (see `mules`): "fan_in" (all but a few accounts pay the targets, which pay on to one
    collector, the last of the targets), "fan_out" (one account feeds the others, which pay the targets), "cycle"
    (every account also is a target, and money goes round), or "" (each account acts for itself). dwell_s: median
    seconds between being paid and paying on. polarity: ratings of targets, where the log has ratings, are high
    ("promote"), low ("demote") or as usual ("").
    """

    kind: str
    n_accounts: int
    n_targets: int
    density: float
    window_s: float
    camouflage: float = 0.0
    camouflage_kind: str = "walk"
    hijacked_share: float = 0.0
    target_popularity: str = "mid"
    repeats: float = 1.0
    pace: str = "human"
    coattail: bool = False
    one_sitting: bool = False
    shared_device_share: float = 0.0
    shared_ip_share: float = 0.0
    related_targets: bool = False
    members_from_audience: bool = False
    level: str = ""
    flow: str = ""
    dwell_s: float = 2 * HOUR
    polarity: str = ""

    @property
    def disposable(self) -> bool:
        """Whether accounts do nothing but hit the one target: no donor's session comes with the act."""
        return self.n_targets == 1 and self.camouflage == 0.0

    def __post_init__(self) -> None:
        """Check the knobs.

        Raises:
            UsageError: a knob is outside its range; names the knob, the value and the range.
        """
        least = 3 if self.flow == "cycle" else 1  # money that comes straight back is no cycle
        for name, low, high in (
            ("n_accounts", least, 1_000_000),
            ("n_targets", least, 1_000_000),
            ("density", 1e-6, 1.0),
            ("window_s", 1.0, 1e10),
            ("camouflage", 0.0, 1000.0),
            ("hijacked_share", 0.0, 1.0),
            ("repeats", 1.0, 1000.0),
            ("shared_device_share", 0.0, 1.0),
            ("shared_ip_share", 0.0, 1.0),
            ("dwell_s", 1.0, 1e8),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # nan, too
                raise UsageError(f"campaign {self.kind}: {name} is {value}, it must be in {low:g} … {high:g}")
        for name, words in (
            ("target_popularity", POPULARITIES),
            ("pace", PACES),
            ("camouflage_kind", CAMOUFLAGES),
            ("flow", FLOWS),
            ("polarity", POLARITIES),
        ):
            value = getattr(self, name)
            if value not in words:
                named = ", ".join(word or "empty" for word in words)
                raise UsageError(f"campaign {self.kind}: {name} is {value!r}, it must be one of {named}")


def _between(rng: Rng, low: int, high: int) -> int:
    """Draw a whole number from low … high, both included."""
    return int(rng.integers(low, high + 1))


def _l1(rng: Rng) -> Campaign:
    return Campaign(
        "burst",
        n_accounts=_between(rng, 40, 80),
        n_targets=_between(rng, 6, 12),
        density=0.9,
        window_s=float(rng.uniform(0.5, 2.0)) * HOUR,
        pace="scripted" if rng.random() < 0.5 else "human",
        one_sitting=True,
        shared_device_share=0.3,
        shared_ip_share=0.5,
        level="L1",
    )


def _l2(rng: Rng) -> Campaign:
    slow = bool(rng.random() < 0.5)
    return Campaign(
        "slow" if slow else "camouflage",
        n_accounts=_between(rng, 20, 50),
        n_targets=_between(rng, 8, 14),
        density=float(rng.uniform(0.5, 0.7)),
        window_s=(21.0 if slow else float(rng.uniform(1.5, 4.0))) * DAY,
        camouflage=float(rng.uniform(0.5, 1.5)),
        shared_ip_share=0.2,
        level="L2",
    )


def _l3(rng: Rng) -> Campaign:
    return Campaign(
        "hijack",
        n_accounts=_between(rng, 7, 13),
        n_targets=_between(rng, 7, 12),
        density=0.6,
        window_s=3 * DAY,
        camouflage=1.0,
        hijacked_share=0.7,
        level="L3",
    )


def _l4(rng: Rng) -> Campaign:
    return Campaign(
        "sparse_cold",
        n_accounts=_between(rng, 12, 25),
        n_targets=_between(rng, 18, 30),
        density=0.25,
        window_s=30 * DAY,
        camouflage=3.0,
        target_popularity="cold",
        level="L4",
    )


def _l5(rng: Rng) -> Campaign:
    return Campaign(
        "sparse_warm",
        n_accounts=_between(rng, 15, 30),
        n_targets=_between(rng, 20, 30),
        density=0.3,
        window_s=30 * DAY,
        camouflage=3.0,
        target_popularity="warm",
        level="L5",
    )


_LEVELS: dict[str, Callable[[Rng], Campaign]] = {"L1": _l1, "L2": _l2, "L3": _l3, "L4": _l4, "L5": _l5}
LEVELS = tuple(_LEVELS)


def campaign_of_level(name: str, rng: Rng) -> Campaign:
    """Draw a campaign of one of the five levels, from L1 (blatant) to L5 (at the limit of what logs show).

    Raises:
        UsageError: there is no such level.

    >>> campaign_of_level("L3", np.random.default_rng(0)).hijacked_share
    0.7
    """
    if name not in _LEVELS:
        raise UsageError(f"there is no level {name!r}; use one of {', '.join(LEVELS)}")
    return _LEVELS[name](rng)


# The kinds with plain knobs. The first seven are those that judges of rings are trained on; whatever comes after
# TRAINED_KINDS is never seen in training, so that finding it is finding something new.
TRAINED_KINDS = ("burst", "camouflage", "slow", "hijack", "coattail", "tiny", "throwaway")
CAMPAIGN_KINDS: dict[str, Campaign] = {
    "burst": Campaign(
        "burst", 60, 8, 0.9, 1.5 * HOUR, one_sitting=True, pace="scripted", shared_ip_share=0.5
    ),
    "camouflage": Campaign("camouflage", 40, 10, 0.6, 3 * DAY, camouflage=1.5, shared_ip_share=0.2),
    "slow": Campaign("slow", 42, 12, 0.6, 21 * DAY, camouflage=1.0),
    "hijack": Campaign("hijack", 28, 9, 0.6, 3 * DAY, camouflage=1.0, hijacked_share=0.8),
    "coattail": Campaign(
        "coattail", 50, 6, 0.7, 2 * DAY, camouflage=1.5, target_popularity="cold", coattail=True
    ),
    "tiny": Campaign("tiny", 8, 6, 0.85, 2 * DAY, camouflage=0.5),
    "throwaway": Campaign(
        "throwaway", 100, 1, 1.0, 4 * HOUR, camouflage=1.0, one_sitting=True, shared_device_share=0.2
    ),
    "disposable": Campaign("disposable", 120, 1, 1.0, 5 * HOUR, one_sitting=True),
    "demote": Campaign(
        "demote", 32, 6, 0.7, 6 * DAY, camouflage=1.0, target_popularity="warm", polarity="demote"
    ),
    "mule_fan_in": Campaign(
        "mule_fan_in", 44, 5, 0.8, 4 * DAY, camouflage=0.7, hijacked_share=0.3, flow="fan_in"
    ),
    "mule_fan_out": Campaign("mule_fan_out", 6, 30, 0.7, 3 * DAY, camouflage=0.5, flow="fan_out"),
    "mule_cycle": Campaign(
        "mule_cycle",
        18,
        18,
        0.4,
        10 * DAY,
        camouflage=0.8,
        hijacked_share=0.3,
        flow="cycle",
        dwell_s=HOUR,
    ),
}


def kind(name: str) -> Campaign:
    """Look up a campaign kind with its plain knobs.

    Raises:
        UsageError: there is no such kind.
    """
    if name not in CAMPAIGN_KINDS:
        raise UsageError(f"there is no campaign kind {name!r}; use one of {', '.join(CAMPAIGN_KINDS)}")
    return CAMPAIGN_KINDS[name]


def benchmark_plan(seed: int = 0) -> list[Campaign]:
    """Plan the ten campaigns of six kinds, some 440 accounts, on which the main job is measured."""
    rng = np.random.default_rng(seed)
    plan = []
    for name, n_accounts in (
        ("burst", 60), ("burst", 80), ("camouflage", 40), ("camouflage", 50), ("slow", 40),
        ("slow", 45), ("hijack", 30), ("hijack", 26), ("coattail", 50), ("tiny", 12),
    ):  # fmt: skip
        campaign = CAMPAIGN_KINDS[name]
        n_targets = max(4, campaign.n_targets + _between(rng, -2, 3))
        density = float(np.clip(campaign.density + rng.uniform(-0.08, 0.05), 0.3, 0.95))
        plan.append(replace(campaign, n_accounts=n_accounts, n_targets=n_targets, density=density))
    return plan


def unseen_plan(seed: int, n: int) -> list[Campaign]:
    """Plan n campaigns of the kinds that are not in TRAINED_KINDS, by turns, with knobs drawn anew."""
    rng = np.random.default_rng((seed, 15_487_469))
    names = [name for name in CAMPAIGN_KINDS if name not in TRAINED_KINDS]
    return [_vary(names[number % len(names)], rng) for number in range(n)]


def with_knobs(campaign: Campaign, knobs: Mapping[str, str]) -> Campaign:
    """Change knobs of a campaign, by name, to values given as text.

    Raises:
        UsageError: there is no such knob, or the value is of the wrong type or out of range.

    >>> with_knobs(kind("tiny"), {"density": "0.4", "coattail": "true"}).density
    0.4
    """
    types = {field.name: type(getattr(campaign, field.name)) for field in fields(Campaign)}
    changed: dict[str, object] = {}
    for name, text in knobs.items():
        if name in ("kind", "level") or name not in types:
            known = ", ".join(knob for knob in types if knob not in ("kind", "level"))
            raise UsageError(f"there is no knob {name!r}; the knobs are {known}")
        if types[name] is bool and text not in ("true", "false"):
            raise UsageError(f"the knob {name} is {text!r}, it must be true or false")
        try:
            changed[name] = text == "true" if types[name] is bool else types[name](text)
        except ValueError as error:
            what = "a whole number" if types[name] is int else "a number"
            raise UsageError(f"the knob {name} is {text!r}, it must be {what}") from error
    return replace(campaign, **changed)  # type: ignore[arg-type]


def training_plan(seed: int, n: int) -> list[Campaign]:
    """Plan n campaigns over TRAINED_KINDS and all levels with wide random knobs, to train a judge of rings.

    Kinds take turns, so every kind is there once n >= 12; the knobs are drawn anew and never are the
    benchmark's.
    """
    rng = np.random.default_rng((seed, 7919))
    names = (*TRAINED_KINDS, *LEVELS)
    turns = np.concatenate([rng.permutation(len(names)) for _ in range(n // len(names) + 1)])[:n]
    return [_vary(names[turn], rng) for turn in turns]


def is_like(campaign: Campaign, name: str) -> bool:
    """Say whether a campaign is of a kind, by name or because it was varied into it."""
    return campaign.kind == name or (name == "coattail" and campaign.coattail)


def _vary(name: str, rng: Rng) -> Campaign:
    """Draw the knobs of a kind or level anew, within factors that keep it what it is."""
    base = campaign_of_level(name, rng) if name in LEVELS else CAMPAIGN_KINDS[name]
    single = base.n_targets == 1
    return replace(
        base,
        n_accounts=max(4, round(base.n_accounts * float(rng.uniform(0.4, 1.5)))),
        n_targets=1 if single else max(4, round(base.n_targets * float(rng.uniform(0.6, 1.7)))),
        density=float(np.clip(base.density * rng.uniform(0.7, 1.2), 0.15, 1.0)),
        window_s=base.window_s * float(np.exp(rng.uniform(-1.0, 0.7))),
        camouflage=base.camouflage * float(rng.uniform(0.3, 1.6)),
        camouflage_kind=str(rng.choice(CAMOUFLAGES[:3], p=[0.7, 0.2, 0.1])),
        hijacked_share=float(np.clip(base.hijacked_share + rng.choice([0.0, 0.0, 0.2, -0.2]), 0.0, 1.0)),
        target_popularity=str(rng.choice([base.target_popularity, *POPULARITIES])),
        repeats=1.0 if rng.random() < 0.6 else float(rng.uniform(1.0, 2.0)),
        pace=str(rng.choice(PACES, p=[0.55, 0.2, 0.25] if base.one_sitting else [0.65, 0.0, 0.35])),
        coattail=base.coattail or bool(rng.random() < 0.08),
        shared_device_share=float(rng.choice([0.0, 0.0, 0.3, 0.8])),
        shared_ip_share=float(rng.choice([0.0, 0.0, 0.4, 0.9])),
    )


PLANS = ("benchmark", "training", "unseen", *LEVELS, *CAMPAIGN_KINDS, "none")


DEFAULT_CAMPAIGNS = {"training": 12, "unseen": 10, **dict.fromkeys((*LEVELS, *CAMPAIGN_KINDS), 3)}


def planned_campaigns(plan: str, n: int | None, seed: int) -> list[Campaign]:
    """List the campaigns of a plan."""
    if plan not in PLANS:
        raise UsageError(f"there is no plan {plan!r}; use one of {', '.join(PLANS)}")
    if n is not None and n < 1:
        raise UsageError(f"the number of campaigns is {n}, it must be at least 1 (or use the plan none)")
    if plan == "none":
        return []
    if plan == "benchmark":
        return benchmark_plan(seed)[:n]
    wanted = n or DEFAULT_CAMPAIGNS[plan]
    if plan == "training":
        return training_plan(seed, wanted)
    if plan == "unseen":
        return unseen_plan(seed, wanted)
    if plan in CAMPAIGN_KINDS:
        return [kind(plan)] * wanted
    rng = np.random.default_rng((seed, LEVELS.index(plan)))
    return [campaign_of_level(plan, rng) for _ in range(wanted)]
