"""Which cells the power of a log is measured on."""

import pytest

from graphdet.errors import NotEnoughData
from graphdet.lab.power import grid
from graphdet.units import DAY_MS, HOUR_MS
from tests.helpers.small_graphs import graph_of


def windows(unit_ms: int) -> list[float]:
    """The windows, in hours, of a log of five hundred users over ninety days."""
    rows = [
        (
            f"u{user}",
            f"i{user % 7}",
            1_600_000_000_000 // DAY_MS * DAY_MS + user * 4 * HOUR_MS // unit_ms * unit_ms,
        )
        for user in range(500)
    ]
    return sorted({window / 3600 for _, _, window in grid(graph_of(rows))})


def test_a_log_of_days_is_not_asked_about_hours() -> None:
    assert windows(HOUR_MS) == [1, 24, 168, 720]
    assert windows(DAY_MS) == [24, 168, 720]


def test_a_log_without_times_has_no_grid() -> None:
    with pytest.raises(NotEnoughData, match="the log has no times, and power asks in what time"):
        grid(graph_of([(f"u{user}", "i", 0) for user in range(100)]))
