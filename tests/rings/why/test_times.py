"""What the reasons say of time in a log of days, and in one without times."""

import pytest

from graphdet.rings.why.explain import OF_TIME, Natural, measures_of, span_of, strongest_measures
from graphdet.rings.why.reasons import ring_words
from graphdet.rings.why.ring_view import RingView
from tests.rings.why.reason_logs import DAY, MEMBERS, SmallLog

pytestmark = pytest.mark.slow

TARGETS = [f"t{k}" for k in range(6)]


def ring_at(unit_ms: int) -> RingView:
    """A group that takes all its targets in one sitting, in a log whose times are cut to `unit_ms`; 0: it has none."""
    log = SmallLog()
    for user in MEMBERS:
        log.sitting(user, f"{user}-all", TARGETS, 5 * DAY, [4.0] * len(TARGETS))
    if unit_ms:
        log.acts = [
            (user, session, item, at // unit_ms * unit_ms + DAY) for user, session, item, at in log.acts
        ]
    else:
        log.acts = [(user, user, item, 0) for user, _, item, _ in dict.fromkeys(log.acts)]
    return log.ring(MEMBERS, TARGETS)


def test_without_times_no_reason_is_of_time() -> None:
    ring = ring_at(0)
    assert not ring.log.graph.timed
    assert set(measures_of(ring.log)).isdisjoint(OF_TIME)
    texts = {}
    for _, measure in strongest_measures(ring, Natural({}, None)):
        numbers = {"observed": measure.observed, "expected": measure.expected, **measure.numbers}
        texts[measure.code] = ring_words(measure.code, numbers)
    assert {"shared_targets", "exclusive_targets"} <= set(texts)
    assert {"lockstep", "scripted", "one_sitting", "coattail", "throwaway", "new_accounts"}.isdisjoint(texts)
    words = " ".join(texts.values())
    assert not any(said in words for said in ("within", "at the time", "session", "seconds", "hour", "day"))


def test_with_times_they_are_asked() -> None:
    ring = ring_at(1000)
    assert ring.log.resolution_s == 1.0
    codes = {measure.code for _, measure in strongest_measures(ring, Natural({}, None))}
    assert {"lockstep", "scripted", "one_sitting"} <= codes


@pytest.mark.parametrize(
    ("span_s", "said"),
    [
        (86_400.0, "nine in ten within a day"),
        (259_200.0, "nine in ten within 3 days"),
        (20.0, "nine in ten within 20 seconds"),
    ],
)
def test_a_span_of_whole_days_is_said_in_days(span_s: float, said: str) -> None:
    numbers = {"n_members": 3, "n_targets": 2, "n_acts": 6, "expected": 0.1}
    assert said in ring_words("shared_targets", numbers | {"span_s": span_s})
    assert "within" not in ring_words("shared_targets", numbers)


def test_in_a_log_of_days_all_on_one_day_is_within_a_day() -> None:
    assert span_of(ring_at(DAY)) == {"span_s": 86_400.0}
    assert span_of(ring_at(1000))["span_s"] == pytest.approx(20.0)
    assert span_of(ring_at(0)) == {}
