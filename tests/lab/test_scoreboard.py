"""What was found of a known truth, counted by hand."""

import pytest

from graphdet.errors import InputError
from graphdet.lab.scoreboard import scoreboard


def test_campaigns_findings_and_accounts_are_counted() -> None:
    campaigns = {
        "C1": ("burst", {"a", "b", "c", "d"}),
        "C2": ("slow", {"e", "f", "g", "h"}),
        "C3": ("tiny", {"i", "j"}),
    }
    rings = {"R1": {"a", "b", "c", "x"}, "R2": {"e", "y", "z"}}
    board = scoreboard(campaigns, rings, {"a", "b", "c", "x", "i"}, set("abcdefghijxyz"))
    first, second, third = board.campaigns
    assert (first.ring_id, first.jaccard, first.n_flagged, first.found) == ("R1", 3 / 5, 3, True)
    assert (second.ring_id, second.jaccard, second.found) == ("R2", 1 / 6, False)
    assert (third.ring_id, third.jaccard, third.n_flagged, third.found) == (None, 0.0, 1, False)
    assert (board.n_guilty, board.n_flagged, board.n_right) == (10, 5, 4)
    assert board.false_rings == ("R2",)


def test_the_truth_of_another_log_is_refused() -> None:
    with pytest.raises(InputError, match="another log"):
        scoreboard({"C1": ("burst", {"a"})}, {}, set(), {"b"})
