"""Payment mules: money that many pay in, that few pay out, or that goes round, received and soon paid on.

In a payment log the user is the payer and the item the recipient. An account that is paid and pays on therefore is in
the log twice: as an item and as a user. `behind` says which account of a campaign is which of its targets.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graphdet.arrays import Int, Rng
from graphdet.simulation.accounts import PlannedAccount, make_account
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.profile import LogProfile
from graphdet.simulation.targets import Strike
from graphdet.simulation.timetables import ONE_VISIT_MS, VisitCounts, attend, make_timetable

BELOW_LIMIT = (0.003, 0.08)  # how far payments stay below the limit from which somebody looks
FEE = (0.005, 0.03)  # share that an account keeps of what passes through it
MOST_PAID_ON_TOGETHER = 3  # payments that are paid on together, at most
DWELL_SPREAD = 0.5  # of the logarithm
LAP = (3, 6)  # accounts that one sum goes round
LAP_TRIES = 40
MOST_LAPS = 3  # times the laps that would do if every hop were new


class Payment(NamedTuple):
    """A payment to a target (row of strike.items), of an amount in shares of the limit."""

    at_ms: int
    target: int
    of_limit: float


def behind(flow: str, n_accounts: int, n_targets: int) -> Int:
    """Say which target each account is as a recipient: int64[n_accounts], −1 for none.

    >>> behind("fan_in", 6, 3).tolist()  # four payers, two recipients who pay the collector, which is the last target
    [-1, -1, -1, -1, 0, 1]
    >>> behind("fan_out", 3, 8).tolist()  # one who feeds two, who pay the six targets after them
    [-1, 0, 1]
    >>> behind("cycle", 4, 4).tolist()
    [0, 1, 2, 3]
    """
    place = np.full(n_accounts, -1, np.int64)
    if flow == "fan_in":
        n = max(0, min(n_targets - 1, n_accounts - 2))
        place[n_accounts - n :] = np.arange(n)
    elif flow == "fan_out":
        n = max(0, min(n_accounts - 1, n_targets - 2))
        place[1 : n + 1] = np.arange(n)
    elif flow == "cycle":
        n = min(n_accounts, n_targets)
        place[:n] = np.arange(n)
    return place


def possible_pairs(flow: str, n_accounts: int, n_targets: int) -> int:
    """Count the account × target pairs between which a campaign may have acts.

    >>> [possible_pairs(*each) for each in (("", 6, 3), ("fan_in", 6, 3), ("fan_out", 3, 8), ("cycle", 4, 4))]
    [18, 10, 14, 12]
    """
    n = int((behind(flow, n_accounts, n_targets) >= 0).sum())
    if flow == "cycle":
        return n_accounts * (n_targets - 1)
    if n == 0:
        return n_accounts * n_targets
    if flow == "fan_in":
        return (n_accounts - n) * n + n
    return (n_accounts - 1) * (n_targets - n) + n


def make_mules(
    profile: LogProfile, campaign: Campaign, strike: Strike, users: Int, rng: Rng
) -> list[PlannedAccount]:
    """Plan the accounts of a campaign whose money flows, in the order of users.

    users: rows of the real users to hijack, −1 for fresh accounts, int64[n_accounts].
    """
    place = behind(campaign.flow, len(users), len(strike.items))
    plan = {"fan_in": _fan_in, "fan_out": _fan_out, "cycle": _cycle}[campaign.flow]
    accounts = plan(profile, campaign, strike, users, place, rng)
    for account, target in zip(accounts, place, strict=True):
        account.item = int(strike.items[target]) if target >= 0 else -1
    return accounts


def _fan_in(
    profile: LogProfile, campaign: Campaign, strike: Strike, users: Int, place: Int, rng: Rng
) -> list[PlannedAccount]:
    """Many pay the shared recipients, which pay on to the collector."""
    n_pass = int((place >= 0).sum())
    shared = _part(strike, np.arange(n_pass)) if n_pass else strike
    payers = [make_account(profile, campaign, shared, int(user), rng) for user in users[place < 0]]
    received: list[list[Payment]] = [[] for _ in strike.items]
    for payment in _priced(profile, payers, shared, rng):
        received[payment.target].append(payment)
    collector = len(strike.items) - 1
    passers = []
    for target, user in zip(place[place >= 0], users[place >= 0], strict=True):
        payments = _pass_on(profile, campaign, received[target], collector, rng)
        passers.append(_payer(profile, campaign, strike, int(user), payments, rng))
    return payers + passers


def _fan_out(
    profile: LogProfile, campaign: Campaign, strike: Strike, users: Int, place: Int, rng: Rng
) -> list[PlannedAccount]:
    """One account feeds the others, which soon pay what they got to many shared recipients, in parts."""
    n_fed = int((place >= 0).sum())
    if n_fed == 0:
        payers = [make_account(profile, campaign, strike, int(user), rng) for user in users]
        _priced(profile, payers, strike, rng)
        return payers
    paid = _part(strike, np.arange(n_fed, len(strike.items)))
    payers = [make_account(profile, campaign, paid, int(user), rng) for user in users[1:]]
    feeds = []
    for account, target in zip(payers, place[1:], strict=True):
        payments = sorted(_priced(profile, [account], paid, rng))
        for part in _batches(payments, campaign.dwell_s) if target >= 0 else []:
            total = sum(payment.of_limit for payment in part)
            at = max(part[0].at_ms - _dwell_ms(campaign, rng), profile.start_ms)
            feeds.append(Payment(at, int(target), total / (1 - rng.uniform(*FEE))))
    return [_payer(profile, campaign, strike, int(users[0]), feeds, rng), *payers]


def _cycle(
    profile: LogProfile, campaign: Campaign, strike: Strike, users: Int, place: Int, rng: Rng
) -> list[PlannedAccount]:
    """Sums go round laps of a few accounts each, until every account has paid its share of the others."""
    n = len(users)
    payments: list[list[Payment]] = [[] for _ in range(n)]
    per_account = max(1, round(campaign.density * (n - 1)))
    for lap in laps(n, per_account, rng):
        for _ in range(1 + int(rng.poisson(campaign.repeats - 1.0))):
            _run_lap(profile, campaign, strike, lap, payments, rng)
    return [
        _payer(profile, campaign, strike, int(user), its, rng)
        for user, its in zip(users, payments, strict=True)
    ]


def laps(n: int, per_account: int, rng: Rng) -> list[list[int]]:
    """Choose rounds of LAP accounts each so that of n accounts each pays about per_account others.

    A lap [a, b, c] means that a pays b, b pays c and c pays a. Hops are new as long as that can be had.

    >>> [sorted(lap) for lap in laps(3, 2, np.random.default_rng(0))]
    [[0, 1, 2], [0, 1, 2]]
    """
    paid = np.eye(n, dtype=bool)
    chosen: list[list[int]] = []
    most = MOST_LAPS * -(-n * per_account // min(LAP[0], n))
    while paid.sum() - n < n * per_account and len(chosen) < most:
        best: list[int] = []
        most_new = -np.inf
        for _ in range(LAP_TRIES):
            lap = _lap(paid, rng)
            n_new = sum(not paid[a, b] for a, b in _hops(lap))
            if n_new - len(lap) * 0.5 > most_new:
                best, most_new = lap, n_new - len(lap) * 0.5
            if n_new == len(lap):
                break
        for a, b in _hops(best):
            paid[a, b] = True
        chosen.append(best)
    return chosen


def _lap(paid: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], rng: Rng) -> list[int]:
    """Draw a lap from the account that has paid fewest, by hops that are new if there are such."""
    n = len(paid)
    size = int(rng.integers(min(LAP[0], n), min(LAP[1], n) + 1))
    lap = [int(np.argmin(paid.sum(axis=1) + rng.random(n)))]
    while len(lap) < size:
        free = np.ones(n, bool)
        free[lap] = False
        new = free & ~paid[lap[-1]]
        lap.append(int(rng.choice(np.flatnonzero(new if new.any() else free))))
    return lap


def _hops(lap: Sequence[int]) -> list[tuple[int, int]]:
    """Who pays whom in a lap."""
    return list(zip(lap, [*lap[1:], lap[0]], strict=True))


def _run_lap(
    profile: LogProfile,
    campaign: Campaign,
    strike: Strike,
    lap: Sequence[int],
    payments: list[list[Payment]],
    rng: Rng,
) -> None:
    """Let a sum go round: each account pays the next one a dwell after it was paid, less its fee."""
    waits = np.array([0, *(_dwell_ms(campaign, rng) for _ in lap[1:])], np.int64)
    window = min(strike.end_ms, profile.end_ms) - strike.start_ms
    if waits.sum() > 0.9 * window:
        waits = (waits * (0.9 * window / waits.sum())).astype(np.int64)
    latest = strike.start_ms + window - int(waits.sum()) - 1
    start = int(profile.random_starts(strike.start_ms, max(latest, strike.start_ms + 1), 1, rng)[0])
    share = 1 - float(rng.uniform(*BELOW_LIMIT))
    for (payer, recipient), at in zip(_hops(lap), start + np.cumsum(waits), strict=True):
        payments[payer].append(Payment(int(at), recipient, share))
        share *= 1 - float(rng.uniform(*FEE))


def _priced(
    profile: LogProfile, accounts: Sequence[PlannedAccount], strike: Strike, rng: Rng
) -> list[Payment]:
    """Set the amounts of planned payments just below the limit; lists them."""
    place = {int(item): k for k, item in enumerate(strike.items)}
    payments = []
    for account in accounts:
        for k, hit in enumerate(account.is_target):
            shares = 1 - rng.uniform(*BELOW_LIMIT, len(hit))
            account.of_limit[k] = np.where(hit, shares, np.nan)
            items = profile.graph.item_ix[account.edge[k][hit]]
            at = account.at_ms[k][hit]
            payments += [
                Payment(int(t), place[int(i)], float(share))
                for t, i, share in zip(at, items, shares[hit], strict=True)
            ]
    return payments


def _batches(payments: Sequence[Payment], within_s: float) -> list[list[Payment]]:
    """Part payments, by time, into runs of at most MOST_PAID_ON_TOGETHER with gaps below within_s."""
    batches: list[list[Payment]] = []
    for payment in payments:
        near = bool(batches) and payment.at_ms - batches[-1][-1].at_ms < within_s * 1000
        if near and len(batches[-1]) < MOST_PAID_ON_TOGETHER:
            batches[-1].append(payment)
        else:
            batches.append([payment])
    return batches


def _pass_on(
    profile: LogProfile, campaign: Campaign, received: list[Payment], target: int, rng: Rng
) -> list[Payment]:
    """Pay on what was received, less a fee, a dwell later; not what comes in too late for the log to show."""
    out = []
    for part in _batches(sorted(received), campaign.dwell_s):
        at = part[-1].at_ms + _dwell_ms(campaign, rng)
        total = sum(payment.of_limit for payment in part)
        if at < profile.end_ms:
            out.append(Payment(at, target, total * (1 - float(rng.uniform(*FEE)))))
    return out


def _payer(
    profile: LogProfile, campaign: Campaign, strike: Strike, user: int, payments: list[Payment], rng: Rng
) -> PlannedAccount:
    """Plan an account that makes given payments, in natural sessions with its share of other acts."""
    if not payments:  # paid too late, or not at all: it is an account of the campaign all the same
        at = int(profile.random_starts(strike.start_ms, min(strike.end_ms, profile.end_ms), 1, rng)[0])
        payments = [Payment(at, len(strike.items) - 1, 1 - float(rng.uniform(*BELOW_LIMIT)))]
    payments = _one_a_visit(sorted(payments))
    n_clicks = round(len(payments) * (1 + campaign.camouflage * float(rng.lognormal(-0.08, 0.4))))
    table = make_timetable(profile, strike, VisitCounts(n_clicks, len(payments), 1), user, rng)
    moments = np.array([payment.at_ms for payment in payments], np.int64)
    items = strike.items[[payment.target for payment in payments]]
    shares = np.array([payment.of_limit for payment in payments])
    account = PlannedAccount(user)
    for sitting, moment in attend(profile, strike, table, moments, rng):
        pays = moment >= 0
        edge, of_limit = np.full(len(pays), -1, np.int64), np.full(len(pays), np.nan)
        at_ms = sitting.start_ms + sitting.offsets_ms
        edge[pays] = profile.rows_near(items[moment[pays]], at_ms[pays], rng)
        of_limit[pays] = shares[moment[pays]]
        account.add_session(at_ms, edge, sitting.known, pays, of_limit)
    return account


def _one_a_visit(payments: Sequence[Payment]) -> list[Payment]:
    """Join payments to one target within one visit into the last of them: a session has one edge per item."""
    kept: list[Payment] = []
    for payment in payments:
        same = [
            k
            for k, other in enumerate(kept)
            if other.target == payment.target and payment.at_ms - other.at_ms <= 2 * ONE_VISIT_MS
        ]
        if same:
            payment = payment._replace(of_limit=payment.of_limit + kept.pop(same[-1]).of_limit)
        kept.append(payment)
    return kept


def _dwell_ms(campaign: Campaign, rng: Rng) -> int:
    """Draw how long money stays."""
    return int(campaign.dwell_s * 1000 * float(rng.lognormal(0, DWELL_SPREAD)))


def _part(strike: Strike, which: Int) -> Strike:
    """The same window with some of the targets."""
    return replace(strike, items=strike.items[which], usual=strike.usual[which])
