"""Which bursts of throwaway accounts are flagged, and what holds the others back."""

import numpy as np
import pytest

from graphdet.arrays import Int
from graphdet.items.acts import ItemActs
from graphdet.items.bursts import Burst, Faces, crowd_p_values, find_bursts

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
N_ITEMS, N_USERS, DAYS = 120, 900, 200
PUSHED, AT_MS = 7, 150 * DAY_MS  # the item and the time of what is added


class Log:
    """Acts of ordinary accounts, six each on any items at any time, and of a few that act once; more can be added."""

    def __init__(self, seed: int, n_items: int = N_ITEMS) -> None:
        rng = np.random.default_rng(seed)
        self.n_items = n_items
        user = np.repeat(np.arange(N_USERS), 6)
        once = np.arange(N_USERS, N_USERS + 150)
        self.user = np.concatenate([user, once])
        self.item = rng.integers(0, n_items, len(self.user))
        self.at = rng.integers(0, DAYS * DAY_MS, len(self.user))

    def add(self, item: int, user: Int, at_ms: Int) -> "Log":
        """More acts on one item."""
        self.user = np.append(self.user, user)
        self.item = np.append(self.item, np.full(len(user), item))
        self.at = np.append(self.at, at_ms)
        return self

    def throwaways(self, item: int, n: int, at_ms: int, within_ms: int = HOUR_MS) -> "Log":
        """New accounts that act on one item and nothing else."""
        first = int(self.user.max()) + 1
        return self.add(item, np.arange(first, first + n), at_ms + np.arange(n) * within_ms // n)

    def bursts(self, faces: Faces | None = None, fdr: float = 0.05) -> list[Burst]:
        """What is found, at 5 % unless told."""
        n = int(self.user.max()) + 1
        acts = ItemActs.of(self.item, self.user, self.at, self.n_items, n)
        return find_bursts(acts, faces or Faces.of_items(self.n_items), np.zeros(n, bool), fdr)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_found_where_nothing_is(seed: int) -> None:
    assert Log(seed).bursts() == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_burst_on_an_item_with_a_past_is_flagged_with_its_accounts(seed: int) -> None:
    log = Log(seed).throwaways(PUSHED, 12, AT_MS)
    (burst,) = log.bursts()
    assert (burst.face, burst.held_back_by, burst.observed) == (PUSHED, None, 12)
    assert sorted(burst.behind.user) == list(range(N_USERS + 150, N_USERS + 162))
    assert burst.q_value < 0.01
    assert burst.expected < 0.2


def test_a_stronger_burst_stays_flagged() -> None:
    sizes = (12, 40, 200)
    found = [Log(1).throwaways(PUSHED, n, AT_MS).bursts()[0] for n in sizes]
    assert [(burst.held_back_by, burst.observed) for burst in found] == [(None, n) for n in sizes]
    assert found[0].p_value > found[1].p_value > found[2].p_value


def test_a_crowd_of_all_kinds_is_held_back() -> None:
    log = Log(1).throwaways(PUSHED, 20, AT_MS)
    log.add(PUSHED, np.arange(8), AT_MS + np.arange(8) * HOUR_MS // 8)
    (burst,) = log.bursts()
    assert (burst.held_back_by, burst.observed) == ("company", 20)
    assert 7 < burst.company <= 8


def test_an_opening_is_held_back_where_items_open_with_newcomers() -> None:
    log = Log(1)
    late = np.arange(60)  # items that open on a day of their own, each with newcomers
    opens = (40 + late) * DAY_MS
    kept = (log.item >= 60) | (log.at >= opens[np.minimum(log.item, 59)])
    log.user, log.item, log.at = log.user[kept], log.item[kept], log.at[kept]
    for item in late.tolist():
        log.throwaways(item, 12 + item % 5, int(opens[item]))
    held = [burst.held_back_by for burst in log.bursts() if burst.face < 60]
    assert set(held) <= {"opening", "little_known"}
    assert held.count("opening") > 30
    log.throwaways(90, 14, AT_MS)
    assert [burst.face for burst in log.bursts() if burst.held_back_by is None] == [90]


def test_an_item_that_hardly_anybody_knows_has_no_past() -> None:
    log = Log(1)
    kept = (log.item != PUSHED) | (log.at < 40 * DAY_MS)
    log.user, log.item, log.at = log.user[kept], log.item[kept], log.at[kept]
    (burst,) = log.throwaways(PUSHED, 40, AT_MS).bursts()
    assert (burst.held_back_by, burst.n_past) == ("little_known", int((log.item[:-40] == PUSHED).sum()))
    assert burst.q_value < 0.01


def test_what_ordinary_accounts_do_as_strongly_is_held_back() -> None:
    rng = np.random.default_rng(5)
    log = Log(1).throwaways(PUSHED, 5, AT_MS)
    assert [burst.held_back_by for burst in log.bursts()] == [None]
    for item in range(20, 90):  # a log in which crowds of ordinary accounts come and go
        users = rng.choice(N_USERS, 10, replace=False)
        log.add(item, users, rng.integers(20, 180) * DAY_MS + rng.integers(0, HOUR_MS, 10))
    assert [burst.held_back_by for burst in log.bursts() if burst.face == PUSHED] in ([], ["ordinary_bursts"])


def test_accounts_of_a_ring_are_no_ordinary_crowd() -> None:
    log = Log(1).throwaways(PUSHED, 6, AT_MS)
    ring = np.arange(N_USERS - 30, N_USERS)
    for item in range(20, 90):
        log.add(item, ring, item * DAY_MS + np.arange(30) * 1000)
    n = int(log.user.max()) + 1
    acts = ItemActs.of(log.item, log.user, log.at, log.n_items, n)
    explained = np.zeros(n, bool)
    seen = [find_bursts(acts, Faces.of_items(log.n_items), explained, 0.05)]
    explained[ring] = True
    seen.append(find_bursts(acts, Faces.of_items(log.n_items), explained, 0.05))
    held = [[burst.held_back_by for burst in found if burst.face == PUSHED] for found in seen]
    assert held == [["ordinary_bursts"], [None]]


def test_only_faces_that_are_tried_are_found() -> None:
    faces = Faces.of_items(N_ITEMS)
    log = Log(1).throwaways(PUSHED, 12, AT_MS).throwaways(PUSHED + 1, 12, AT_MS)
    assert {burst.face for burst in log.bursts(faces)} == {PUSHED, PUSHED + 1}
    faces.tried[PUSHED] = False
    assert [burst.face for burst in log.bursts(faces)] == [PUSHED + 1]


def test_a_log_of_few_items_flags_nothing() -> None:
    found = Log(1, n_items=20).throwaways(PUSHED, 30, AT_MS).bursts()
    assert [burst.held_back_by for burst in found] == ["ordinary_bursts"]


def test_campaigns_among_the_crowds_do_not_widen_their_tail() -> None:
    crowds = np.random.default_rng(0).exponential(1.0, 400)
    clean = crowd_p_values(np.array([25.0]), crowds)[0]
    with_campaigns = crowd_p_values(np.array([25.0]), np.append(crowds, np.full(5, 80.0)))[0]
    assert clean < 1e-6
    assert with_campaigns < 1e-4
    assert crowd_p_values(np.array([25.0]), crowds[:30])[0] == 1.0


def test_a_burst_of_which_many_were_expected_is_held_back() -> None:
    log = Log(1)
    for day in range(10, 195):  # items to which newcomers come all the time, to one of them more
        log.throwaways(PUSHED, 20, day * DAY_MS, DAY_MS)
        for item in range(20, 60):
            log.throwaways(item, 2, day * DAY_MS, DAY_MS)
    log.throwaways(PUSHED, 25, AT_MS, 4 * HOUR_MS)
    for fdr, held in ((0.05, None), (0.001, "score")):  # a flag needs to be surer than 1 - 2 fdr
        (burst,) = [burst for burst in log.bursts(fdr=fdr) if burst.face == PUSHED]
        assert 0.005 < burst.expected / burst.observed < 0.02
        assert (burst.held_back_by, burst.q_value < fdr) == (held, True)
