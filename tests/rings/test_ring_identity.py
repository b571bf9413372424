"""Rings known again from run to run: the same under renumbering, no id twice, an unchanged ring keeps its id."""

import random

import hypothesis.strategies as st
from hypothesis import given, settings

from graphdet.rings.identity import SAME_RING, Shape, affinity, recognise

USERS = [f"u{n}" for n in range(14)]
ITEMS = [f"i{n}" for n in range(8)]
SHAPE = st.builds(
    Shape,
    st.frozensets(st.sampled_from(USERS), min_size=1, max_size=9),
    st.frozensets(st.sampled_from(ITEMS), max_size=5),
)
SHAPES = st.lists(SHAPE, max_size=7)


def shape(users: str, items: str = "xy") -> Shape:
    return Shape(frozenset(users), frozenset(items))


def known_of(shapes: list[Shape]) -> dict[str, Shape]:
    return {f"R{ix + 1:04d}": each for ix, each in enumerate(shapes)}


def renamed(one: Shape, name: dict[str, str]) -> Shape:
    return Shape(frozenset(map(name.__getitem__, one.members)), frozenset(map(name.__getitem__, one.items)))


def test_with_nothing_known_rings_are_numbered_in_their_order() -> None:
    found = recognise({}, [shape("abc"), shape("def"), shape("gh")])
    assert [each.ring_id for each in found] == ["R0001", "R0002", "R0003"]
    assert {each.earlier for each in found} == {None}


@given(SHAPES, SHAPES)
def test_no_id_is_given_twice_and_none_is_given_anew(earlier: list[Shape], found: list[Shape]) -> None:
    known = known_of(earlier)
    ids = [each.ring_id for each in recognise(known, found, ["R0042", "mine"])]
    assert len(set(ids)) == len(ids) == len(found)
    for each in recognise(known, found, ["R0042", "mine"]):
        assert (each.ring_id in known) == (each.earlier is not None)
        assert each.earlier is not None or int(each.ring_id[1:]) > 42


@given(SHAPES, SHAPES, st.randoms(use_true_random=False))
def test_renumbering_users_and_items_changes_nothing(
    earlier: list[Shape], found: list[Shape], draw: random.Random
) -> None:
    names = draw.sample(range(1000), len(USERS) + len(ITEMS))
    name = {old: f"n{new}" for old, new in zip([*USERS, *ITEMS], names, strict=True)}
    plain = recognise(known_of(earlier), found)
    other = recognise(known_of([renamed(s, name) for s in earlier]), [renamed(s, name) for s in found])
    assert plain == other


@given(st.lists(SHAPE, max_size=7, unique=True), SHAPES, st.randoms(use_true_random=False))
def test_a_ring_that_did_not_change_keeps_its_id(
    earlier: list[Shape], others: list[Shape], draw: random.Random
) -> None:
    """Whatever rings came beside it and however strong they are now."""
    kept = draw.sample(earlier, len(earlier) // 2)
    found = [*kept, *(other for other in others if other not in kept)]
    draw.shuffle(found)
    known = known_of(earlier)
    id_of = {each: ring_id for ring_id, each in known.items()}
    got = dict(zip(found, recognise(known, found), strict=False))
    for each in kept:
        assert got[each].ring_id == id_of[each]


@given(SHAPES)
def test_finding_the_same_rings_again_says_nothing_of_splits_or_merges(earlier: list[Shape]) -> None:
    unique = list(dict.fromkeys(earlier))
    for each in recognise(known_of(unique), unique):
        assert each.earlier == each.ring_id
        assert not each.split_from


@settings(max_examples=200)
@given(SHAPE, SHAPE)
def test_affinity_is_symmetric_and_one_only_for_equal_rings(one: Shape, other: Shape) -> None:
    assert affinity(one, other) == affinity(other, one)
    assert 0 <= affinity(one, other) <= 1
    assert (affinity(one, other) == 1) == (one == other)
    assert bool(one.members & other.members) or affinity(one, other) == 0


def test_a_ring_that_grew_shrank_or_changed_half_its_members_is_known_again() -> None:
    known = {"R0007": shape("abcdefgh")}
    for users in ("abcdefghijklmnop", "abcd", "abcdefXY", "abcdWXYZ"):
        (found,) = recognise(known, [shape(users)])
        assert found.ring_id == "R0007", users
    (moved,) = recognise(known, [shape("abcdefgh", items="qrs")])
    assert moved.ring_id == "R0007"
    (other,) = recognise(known, [shape("abWXYZUV")])
    assert (other.ring_id, other.earlier) == ("R0008", None)
    assert affinity(known["R0007"], shape("abWXYZUV")) < SAME_RING
    (same_targets,) = recognise(known, [shape("mnopqrst")])
    assert same_targets.earlier is None


def test_a_split_is_told() -> None:
    large, small = recognise({"R0001": shape("abcdefgh")}, [shape("abcde"), shape("fgh")])
    assert (large.ring_id, large.split_from) == ("R0001", ())
    assert (small.ring_id, small.earlier, small.split_from) == ("R0002", None, ("R0001",))


def test_a_merge_is_told() -> None:
    known = {"R0001": shape("abcde"), "R0002": shape("fgh", "pq"), "R0003": shape("xyz", "z")}
    merged, other = recognise(known, [shape("abcdefgh", "xypq"), shape("xyz", "z")])
    assert (merged.ring_id, merged.merged) == ("R0001", ("R0002",))
    assert (other.ring_id, other.merged) == ("R0003", ())


def test_an_unchanged_ring_is_not_traded_for_a_higher_sum() -> None:
    """R0001 did not change, though giving its successor to R0002 would let both others find a match."""
    known = {"R0001": shape("abcdef"), "R0002": shape("abcdeg")}
    first, second = recognise(known, [shape("abcdef"), shape("abcdefhijk")])
    assert first.ring_id == "R0001"
    assert second.ring_id == "R0002"
