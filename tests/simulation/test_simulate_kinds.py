"""What judges learn from stays what it was; ratings, copied camouflage, disposable accounts and knobs by name."""

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from graphdet.errors import UsageError
from graphdet.simulation import (
    CAMPAIGN_KINDS,
    LEVELS,
    TRAINED_KINDS,
    Campaign,
    Planted,
    RowValues,
    benchmark_plan,
    is_like,
    kind,
    organic,
    organic_values,
    plant,
    planted_values,
    training_plan,
    unseen_plan,
    with_knobs,
)
from graphdet.tables import GraphArrays

# The knobs that the shipped judge's lessons were drawn over. New knobs must stay at their defaults there.
DRAWN = (
    "kind", "n_accounts", "n_targets", "density", "window_s", "camouflage", "camouflage_kind", "hijacked_share",
    "target_popularity", "repeats", "pace", "coattail", "one_sitting", "shared_device_share", "shared_ip_share",
    "related_targets", "members_from_audience", "level",
)  # fmt: skip


def digest(plan: list[Campaign]) -> str:
    knobs = [[getattr(campaign, name) for name in DRAWN] for campaign in plan]
    rounded = [[round(value, 6) if isinstance(value, float) else value for value in row] for row in knobs]
    return hashlib.sha256(repr(rounded).encode()).hexdigest()[:16]


def test_judges_learn_from_the_campaigns_they_always_learned_from() -> None:
    """A judge is shipped: other campaigns in this plan would be another judge's. Ship anew when this changes."""
    assert digest(training_plan(0, 60)) == "1124811fc5c18aeb"
    assert digest(training_plan(1, 30)) == "3cae0e1a5e851dc8"
    assert digest(training_plan(7, 16)) == "3a92481c9d8f7591"
    plain = Campaign("x", 5, 5, 0.5, 60.0)
    new = {name: value for name, value in vars(plain).items() if name not in DRAWN}
    assert set(new) == {"flow", "dwell_s", "polarity"}
    for campaign in (*training_plan(0, 60), *benchmark_plan(0)):
        assert {name: getattr(campaign, name) for name in new} == new


def test_a_campaign_is_of_its_kind_and_of_what_it_was_varied_into() -> None:
    plan = training_plan(3, 48)
    assert all(is_like(campaign, campaign.kind) for campaign in plan)
    riding = [campaign for campaign in plan if is_like(campaign, "coattail")]
    assert {campaign.kind for campaign in riding} > {"coattail"}
    assert all(campaign.coattail for campaign in riding)


def test_the_unseen_plan_holds_every_kind_that_is_not_trained_on() -> None:
    new = set(CAMPAIGN_KINDS) - set(TRAINED_KINDS)
    assert new == {"disposable", "demote", "mule_fan_in", "mule_fan_out", "mule_cycle"}
    assert {campaign.kind for campaign in unseen_plan(0, 10)} == new
    assert unseen_plan(0, 10) == unseen_plan(0, 10)
    assert unseen_plan(0, 10) != unseen_plan(1, 10)
    assert not {campaign.kind for seed in range(5) for campaign in training_plan(seed, 60)} & new
    assert len(LEVELS) == 5


def test_disposable_accounts_do_one_thing() -> None:
    log = organic(2_000, 400, 14, seed=2)
    planted = plant(log, [kind("disposable")], 5)
    clicks = np.bincount(planted.graph.user_ix, minlength=planted.graph.n_users)
    assert (clicks[planted.campaign_of_user == 0] == 1).all()
    rows = np.flatnonzero(planted.planted_edge)
    assert set(planted.graph.item_ix[rows]) == set(planted.targets[0])


def test_copied_camouflage_is_what_one_real_user_did() -> None:
    """Most own acts of an account are taken from rows of one and the same user."""
    log = organic(2_500, 500, 21, seed=6)

    def share_of_one(camouflage_kind: str) -> float:
        campaign = replace(kind("camouflage"), camouflage_kind=camouflage_kind, camouflage=2.0)
        planted = plant(log, [campaign], 4)
        own = planted.planted_edge & ~np.isin(planted.graph.item_ix, planted.targets[0])
        shares = []
        for user in np.flatnonzero(planted.campaign_of_user == 0):
            whose = log.user_ix[planted.source_edge[own & (planted.graph.user_ix == user)]]
            if len(whose) >= 6:
                shares.append(np.bincount(whose).max() / len(whose))
        assert len(shares) > 10
        return float(np.mean(shares))

    assert share_of_one("copied") > 0.5
    assert share_of_one("walk") < 0.3


@pytest.fixture(scope="module")
def reviews() -> GraphArrays:
    return organic(2_500, 300, 30, seed=3, kind="reviews")


def stars(planted: Planted, values: RowValues) -> tuple[np.ndarray, np.ndarray]:
    """Ratings of all rows, and which of them a campaign gave to a target."""
    rating = planted_values(values, planted, 1).rating
    assert rating is not None
    on_target = planted.planted_edge & np.isin(planted.graph.item_ix, np.concatenate(planted.targets))
    on_target &= planted.campaign_of_user[planted.graph.user_ix] >= 0
    return np.array([float(text) for text in rating.to_pylist()]), on_target


@pytest.mark.parametrize(("polarity", "low", "high"), [("promote", 4.0, 5.0), ("demote", 1.0, 2.0)])
def test_reviews_push_targets_up_or_down(
    reviews: GraphArrays, polarity: str, low: float, high: float
) -> None:
    values = organic_values(reviews, "reviews", 3)
    planted = plant(reviews, [replace(kind("demote"), polarity=polarity)], 1)
    rating, on_target = stars(planted, values)
    assert on_target.sum() > 50
    assert low <= rating[on_target].min() <= rating[on_target].max() <= high
    elsewhere = planted.planted_edge & ~on_target
    assert 1.5 < rating[elsewhere].mean() < 4.7  # camouflage rates as people do
    assert set(rating) == {1.0, 2.0, 3.0, 4.0, 5.0}
    kept = np.flatnonzero(~planted.planted_edge)
    base = np.array([float(text) for text in values.rating.to_pylist()])  # type: ignore[union-attr]
    assert np.array_equal(rating[kept], base[planted.source_edge[kept]])


def test_planted_ratings_are_written_as_the_log_writes_them(reviews: GraphArrays) -> None:
    number = np.array([int(text) for text in organic_values(reviews, "reviews", 3).rating.to_pylist()])  # type: ignore[union-attr]
    odd = RowValues(
        rating=pa.array([f"{value * 20}.0" if value > 1 else None for value in number]), rating_name="score"
    )
    planted = plant(reviews, [kind("demote"), replace(kind("tiny"), polarity="promote")], 1)
    rating = planted_values(odd, planted, 1).rating
    assert rating is not None
    assert set(rating.to_pylist()) == {None, "40.0", "60.0", "80.0", "100.0"}
    rows = planted.planted_edge & np.isin(planted.graph.item_ix, planted.targets[0])
    rows &= planted.campaign_of_user[planted.graph.user_ix] == 0
    assert set(rating.filter(pa.array(rows)).to_pylist()) <= {"40.0", "60.0"}
    same = RowValues(rating=pa.array(["good"] * reviews.n_edges), rating_name="mood")
    with pytest.raises(UsageError, match="column mood holds no ratings"):
        planted_values(same, planted, 1)


def test_knobs_are_changed_by_name() -> None:
    changed = with_knobs(
        kind("tiny"), {"n_accounts": "12", "density": "0.4", "coattail": "true", "camouflage_kind": "copied"}
    )
    assert changed == replace(
        kind("tiny"), n_accounts=12, density=0.4, coattail=True, camouflage_kind="copied"
    )
    for name, value, message in (
        ("colour", "red", "no knob 'colour'; the knobs are n_accounts"),
        ("kind", "x", "no knob 'kind'"),
        ("n_accounts", "4.5", "n_accounts is '4.5', it must be a whole number"),
        ("density", "much", "density is 'much', it must be a number"),
        ("density", "nan", "density is nan"),
        ("coattail", "yes", "must be true or false"),
        ("pace", "lazy", "pace is 'lazy'"),
    ):
        with pytest.raises(UsageError, match=message):
            with_knobs(kind("tiny"), {name: value})


@pytest.mark.parametrize(("window_s", "days"), [(300.0, 10), (60 * 86_400.0, 75)])
def test_windows_last_from_minutes_to_two_months(window_s: float, days: int) -> None:
    log = organic(1_500, 300, days, seed=1, kind="shop")
    campaign = replace(kind("tiny"), window_s=window_s, one_sitting=window_s < 3600, pace="scripted")
    group = plant(log, [campaign], 1).campaigns[0]
    lasted = (group.end_ms - group.start_ms) / 1000
    assert 0.3 * window_s < lasted < 1.4 * window_s + 120
