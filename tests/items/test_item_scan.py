"""The scan of single items: its counts, its laws, what it finds and what it leaves alone."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphdet.config import Columns, Config, load_config
from graphdet.errors import UsageError
from graphdet.evaluation.beta_binomial import fit_beta_binomial, log_pmf, upper_tail
from graphdet.evaluation.tails import adaptive_q_values, benjamini_hochberg
from graphdet.items.acts import ItemActs, over_scales, visits
from graphdet.items.crowds import cells, throwaways
from graphdet.items.repeats import ItemVisits, RepeatLaw, repeat_p_values
from graphdet.items.scan import REPEATED_ACTS, THROWAWAY, accounts_of, scan_items, tabulate_items
from graphdet.learn.labelled_blocks import ItemScanBlock, read_item_acts
from graphdet.learn.labelled_sheets import kept_sheet, with_blocks
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.ingest import ingest
from graphdet.verbs.items import find_items

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # item, user, ms


def organic(seed: int, n_items: int = 300, n_users: int = 3_000, days: int = 20) -> Rows:
    """Items of unlike size whose users come back within the hour with a chance of the item's own."""
    rng = np.random.default_rng(seed)
    size = np.maximum(rng.poisson(rng.gamma(1.0, 40.0, n_items)), 1)
    item = np.repeat(np.arange(n_items), size)
    user = rng.integers(0, n_users, len(item))
    at = rng.integers(0, days * DAY, len(item))
    again = rng.beta(2, 60, n_items)
    parts = [(item, user, at)]
    while len(item):
        stays = rng.random(len(item)) < again[item]
        item, user = item[stays], user[stays]
        at = at[stays] + rng.integers(1, HOUR, len(item))
        parts.append((item, user, at))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))  # type: ignore[return-value]


def acts_of(*rows: Rows) -> ItemActs:
    item, user, at = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    return ItemActs.of(item, user, at, int(item.max()) + 1, int(user.max()) + 1)


def bought(item: int, user: int, n: int, start: int, gap: int) -> Rows:
    return np.full(n, item), np.full(n, user), start + gap * np.arange(n)


def few_acts() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    return st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=40
    )


@given(few_acts(), st.integers(1, 12))
def test_visits_and_windows_are_what_their_words_say(rows: list[tuple[int, int, int]], scale: int) -> None:
    acts = ItemActs.of(*np.array(rows).T, 3, 3)
    found = visits(acts, scale)
    order, _ = acts.by_pair
    got = sorted(
        (int(acts.item_ix[order[a]]), int(acts.user_ix[order[a]]), int(acts.at_ms[order[a]]), int(n))
        for a, n in zip(found.first, found.size, strict=True)
    )
    wanted = []
    origin = min(at for _, _, at in rows)
    for item, user in {(i, u) for i, u, _ in rows}:
        times = sorted(at - origin for i, u, at in rows if (i, u) == (item, user))
        while times:
            inside = [at for at in times if at <= times[0] + scale]
            wanted.append((item, user, times[0], len(inside)))
            times = times[len(inside) :]
    assert got == sorted(wanted)

    thrown = throwaways(acts, scale)
    for user in range(3):
        own = [(i, at) for i, u, at in rows if u == user]
        brief = bool(own) and max(at for _, at in own) - min(at for _, at in own) <= scale
        assert thrown[user] == (brief and len({i for i, _ in own}) == 1)
    for offset in (0, scale // 2):
        made = cells(acts, scale, offset, thrown)
        by_hand: dict[tuple[int, int], set[int]] = {}
        for i, u, at in rows:
            by_hand.setdefault((i, (at - origin + offset) // scale), set()).add(u)
        assert sorted(by_hand) == list(zip(made.item.tolist(), made.slot.tolist(), strict=True))
        for place, key in enumerate(sorted(by_hand)):
            assert made.n_users[place] == len(by_hand[key])
            assert made.n_throwaway[place] == sum(thrown[u] for u in by_hand[key])


def test_beta_binomial_law() -> None:
    a, b, n = np.array([2.0]), np.array([5.0]), np.array([9])
    whole = np.array([np.exp(log_pmf(np.array([k]), n, a, b))[0] for k in range(10)])
    assert whole.sum() == pytest.approx(1)
    for k in range(10):
        assert upper_tail(np.array([k]), n, a, b)[0] == pytest.approx(whole[k:].sum())
    rng = np.random.default_rng(1)
    ns = rng.integers(20, 80, 3_000)
    ks = rng.binomial(ns, rng.beta(2, 40, 3_000))
    a1, b1 = fit_beta_binomial(ks, ns)
    assert a1 / (a1 + b1) == pytest.approx(2 / 42, rel=0.05)
    assert a1 + b1 == pytest.approx(42, rel=0.25)


def test_a_bought_visit_in_most_items_does_not_become_usual() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(5, 60, 1_000)
    k = rng.binomial(n, 0.02)
    added = rng.random(1_000) < 0.6
    a, b = fit_beta_binomial(k + added, n + added, one_added=True)
    plain_a, plain_b = fit_beta_binomial(k + added, n + added)
    assert a / (a + b) == pytest.approx(0.02, rel=0.25)
    assert plain_a / (plain_a + plain_b) > 0.035


def test_repeat_p_values_are_the_share_of_draws() -> None:
    law = RepeatLaw(3.0, 20.0, 2.0, 8.0)
    seen = ItemVisits(np.array([40]), np.array([4]), np.array([3]))
    users, repeats, again = np.array([1, 4, 4]), np.array([2, 3, 5]), np.array([1, 2, 2])
    p = repeat_p_values(users, repeats, again, np.zeros(3, np.int64), seen, law)
    rng = np.random.default_rng(3)
    for place in range(3):
        rest_again = 4 - again[place]
        rest_once = 40 - users[place] - rest_again
        rest_further = max(3 - (repeats[place] - again[place]), 0)
        n = 400_000
        comes_back = rng.beta(law.a + rest_again, law.b + rest_once, n)
        goes_on = rng.beta(law.c + rest_further, law.d + rest_again, n)
        k = rng.binomial(users[place], comes_back)
        further = np.where(k > 0, rng.negative_binomial(np.maximum(k, 1), 1 - goes_on), 0)
        assert p[place] == pytest.approx(float((k + further >= repeats[place]).mean()), rel=0.08)


@pytest.mark.slow
def test_an_ordinary_log_has_nothing_to_tell() -> None:
    for seed in range(5):
        for found in scan_items(acts_of(organic(seed)), 0.05):
            assert found.flagged.sum() <= 1


def test_few_buyers_that_order_again_and_again_are_named() -> None:
    rows = [organic(7)]
    for item in (3, 50, 120):
        rows.append(bought(item, 40 + item, 9, (2 + item % 10) * DAY, 4 * MINUTE))
    acts = acts_of(*rows)
    repeats = scan_items(acts, 0.05, (REPEATED_ACTS,))[0]
    assert set(np.flatnonzero(repeats.flagged)) == {3, 50, 120}
    behind = accounts_of(acts, repeats, 50)
    assert behind.user.tolist() == [90]
    assert behind.n_acts.tolist() == [9]
    assert behind.last_ms - behind.first_ms == 8 * 4 * MINUTE


def test_accounts_made_for_one_item_are_named_and_a_sale_is_not() -> None:
    rng = np.random.default_rng(5)
    made = (np.full(40, 11), 3_000 + np.arange(40), 5 * DAY + rng.integers(0, 3 * HOUR, 40))
    known = organic(8)[1]
    sale = (
        np.full(60, 17),
        rng.choice(np.unique(known), 60, replace=False),
        9 * DAY + rng.integers(0, HOUR, 60),
    )
    acts = acts_of(organic(8), made, sale)
    thrown = scan_items(acts, 0.05, (THROWAWAY,))[0]
    assert np.flatnonzero(thrown.flagged).tolist() == [11]
    assert set(accounts_of(acts, thrown, 11).user) >= set(range(3_000, 3_040))


def test_the_order_of_rows_and_the_numbers_of_users_do_not_matter() -> None:
    item, user, at = (np.concatenate(c) for c in zip(organic(9), bought(5, 1, 8, DAY, MINUTE), strict=True))
    plain = scan_items(ItemActs.of(item, user, at, 300, 3_000))
    rng = np.random.default_rng(0)
    order, names = rng.permutation(len(item)), rng.permutation(3_000)
    other = scan_items(ItemActs.of(item[order], names[user[order]], at[order] + 17 * DAY, 300, 3_000))
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(one.q, two.q)


def test_the_scale_is_chosen_by_the_other_half() -> None:
    rng = np.random.default_rng(4)
    p = rng.random((6, 400))
    q = [adaptive_q_values(over_scales(rng.random((6, 400)), np.ones(400, bool))[0]) for _ in range(200)]
    assert (
        np.mean([(one <= 0.05).any() for one in q]) <= 0.08
    )  # one flag in a log of nothing is a false discovery
    p[3, :120] = rng.random(120) * 1e-3
    chosen, scale = over_scales(p, np.ones(400, bool))
    assert set(scale) == {3}
    np.testing.assert_array_equal(chosen, p[3])
    assert (adaptive_q_values(chosen) <= benjamini_hochberg(chosen)).all()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, 0, 5)],
        [(0, 0, 5)] * 30,
        [(0, user, 5) for user in range(50)],
        [(item, 0, item) for item in range(50)],
        [(item, item, 5) for item in range(50)],
    ],
)
def test_tiny_logs(rows: list[tuple[int, int, int]]) -> None:
    item, user, at = np.array(rows, np.int64).reshape(-1, 3).T
    n_items, n_users = int(item.max(initial=-1)) + 1, int(user.max(initial=-1)) + 1
    acts = ItemActs.of(item, user, at, n_items, n_users)
    found = scan_items(acts)
    assert not any(one.flagged.any() for one in found)
    items, _ = tabulate_items(
        acts, found, pa.array(map(str, range(n_items))), pa.array(map(str, range(n_users)))
    )
    assert items.num_rows == 0


def test_acts_of_unequal_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        ItemActs.of(np.zeros(2, int), np.zeros(1, int), np.zeros(2, int), 1, 1)


@pytest.mark.slow
def test_a_store_gives_files_and_features(tmp_path: Path) -> None:
    item, user, at = (
        np.concatenate(c) for c in zip(organic(6, 60), bought(7, 1, 12, DAY, MINUTE), strict=True)
    )
    log = tmp_path / "log.csv"
    with log.open("w") as file:
        file.write("user_id,item_id,session_id,timestamp,action\n")
        for place, (i, u, t) in enumerate(zip(item, user, at, strict=True)):
            file.write(f"u{u},i{i},s{place},{1_500_000_000_000 + t},view\n")
    store = DuckDBStore(tmp_path / "log.duckdb")
    ingest(store, [log], load_config("simulated"))
    found = find_items(store, tmp_path / "out")
    with (tmp_path / "out" / "items.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["item_id"] for row in rows if row["flagged"] == "true"] == ["i7"]
    assert rows[0]["reason"].startswith("12 acts by 1 account within 11.0 minutes: 11 repeats where")
    with (tmp_path / "out" / "item_accounts.csv").open(encoding="utf-8-sig") as file:
        accounts = [row for row in csv.DictReader(file) if row["item_id"] == "i7"]
    assert [(row["user_id"], row["n_acts"]) for row in accounts] == [("u1", "12")]
    assert found.said == ()

    acts, item_ids, _, _ = read_item_acts(store)
    assert item_ids.to_pylist() == sorted(item_ids.to_pylist())
    assert len(acts.item_ix) == len(item)
    sheet = with_blocks(store, kept_sheet(store, "item"), [ItemScanBlock()])
    column = sheet.x[:, sheet.names.index("scan_repeats")]
    assert sheet.ids[int(np.argmax(column))].as_py() == "i7"
    store.close()


@pytest.mark.slow
def test_in_a_log_without_times_there_is_no_window(tmp_path: Path) -> None:
    log = tmp_path / "friends.csv"
    log.write_text("user,item\n" + "".join(f"u{n},i0\n" for n in range(50)), encoding="utf-8")
    store = DuckDBStore(tmp_path / "log.duckdb")
    config = Config("friends", Columns(user_id="user", item_id="item"))
    ingest(store, [log], config)
    found = find_items(store)
    assert (found.items.num_rows, found.accounts.num_rows) == (0, 0)
    assert "the log has no times" in found.said[-1]
    with pytest.raises(UsageError, match="its log has no times, and an event is judged by its past alone"):
        kept_sheet(store, "event")
    store.close()
