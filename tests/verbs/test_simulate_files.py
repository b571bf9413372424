"""graphdet simulate writes the log it says, with the truth beside it, the same bytes every time."""

import gzip
import json
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from graphdet.errors import UsageError
from graphdet.simulation import organic
from graphdet.simulation.log_files import LOG_FORMATS
from graphdet.tables import GraphArrays
from graphdet.verbs.simulate import SimulateResult, simulate

pytestmark = pytest.mark.slow


def small(out: Path, **changes: object) -> SimulateResult:
    knobs: dict[str, object] = {"n_users": 700, "n_items": 300, "days": 10, "plan": "L2", "n_campaigns": 2}
    return simulate(out, **{**knobs, **changes})


def columns_of(path: Path) -> dict[str, list[object]]:
    if path.name.endswith(".parquet"):
        return pq.read_table(path).to_pydict()
    raw = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    if ".jsonl" in path.name:
        rows = [json.loads(line) for line in raw.decode().splitlines()]
        return {name: [row[name] for row in rows] for name in rows[0]}
    ids = dict.fromkeys(("user_id", "item_id", "session_id", "device_id", "ip"), pa.string())
    convert = pa_csv.ConvertOptions(column_types=ids)
    return pa_csv.read_csv(pa.BufferReader(raw), convert_options=convert).to_pydict()


def test_every_format_holds_the_same_log(tmp_path: Path) -> None:
    logs = []
    for ending in LOG_FORMATS:
        result = small(tmp_path / ending.replace(".", "_") / f"log{ending}", innocents=False)
        logs.append(columns_of(result.log))
        assert len(logs[-1]["user_id"]) == result.n_events
    assert all(log == logs[0] for log in logs)
    assert list(logs[0]) == ["user_id", "item_id", "session_id", "timestamp", "action", "device_id", "ip"]
    assert logs[0]["timestamp"] == sorted(logs[0]["timestamp"])


@pytest.mark.parametrize("ending", LOG_FORMATS)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, ending: str) -> None:
    names = (f"log{ending}", "truth.csv", "truth_items.csv", "innocents.csv", "labels.csv")
    for folder, seed in (("one", 1), ("two", 1), ("three", 2)):
        small(tmp_path / folder / f"log{ending}", innocents=True, seed=seed)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "three" / name).read_bytes()


def test_the_truth_names_users_and_items_of_the_log(tmp_path: Path) -> None:
    result = small(tmp_path / "log.parquet", innocents=True)
    con = duckdb.connect()
    path = {name: str(getattr(result, name)) for name in ("log", "truth", "truth_items", "innocents")}
    counts = con.execute(
        "SELECT count(*), count(DISTINCT t.user_id), count(DISTINCT campaign_id) "
        f"FROM read_csv('{path['truth']}', all_varchar=true) t "
        f"WHERE user_id IN (SELECT user_id FROM '{path['log']}')"
    ).fetchone()
    assert counts == (result.n_planted_users, result.n_planted_users, 2)
    hits = con.execute(
        f"SELECT count(DISTINCT (l.user_id, l.item_id)) FROM '{path['log']}' l "
        f"JOIN read_csv('{path['truth']}', all_varchar=true) t ON t.user_id = l.user_id "
        f"JOIN read_csv('{path['truth_items']}', all_varchar=true) i "
        "ON i.item_id = l.item_id AND i.campaign_id = t.campaign_id"
    ).fetchone()
    wanted = sum(group.density * group.n_accounts * group.n_targets for group in result.campaigns)
    assert hits is not None
    assert hits[0] == pytest.approx(wanted, abs=0.5)
    innocent = con.execute(
        f"SELECT count(*), count(DISTINCT kind) FROM read_csv('{path['innocents']}', all_varchar=true) "
        f"WHERE user_id NOT IN (SELECT user_id FROM read_csv('{path['truth']}', all_varchar=true))"
    ).fetchone()
    assert innocent == (result.n_innocent_users, 6)


def test_a_users_own_log_is_planted_into(tmp_path: Path) -> None:
    base = organic(1_000, 300, 10, kind="shop")
    result = small(tmp_path / "log.csv", base=base, plan="L1", n_campaigns=1)
    assert result.n_items == base.n_items
    assert result.n_users == base.n_users + result.n_planted_users - result.n_hijacked_users
    assert set(columns_of(result.log)["action"]) == {"view", "cart", "buy"}


def test_events_that_stand_for_several_are_written_several_times(tmp_path: Path) -> None:
    base = organic(300, 100, 7, kind="shop")
    counted = GraphArrays(
        base.user_ids, base.item_ids, base.session_ids, base.actions, base.user_ix, base.item_ix,
        base.session_ix, base.action_ix, base.at_ms, base.n + np.arange(base.n_edges) % 3,
    )  # fmt: skip
    result = small(tmp_path / "log.csv", base=counted, plan="none", n_campaigns=None)
    assert result.n_events == int(counted.n.sum())
    log = columns_of(result.log)
    rows = list(zip(*(log[name] for name in ("session_id", "item_id", "action", "timestamp")), strict=True))
    assert len(set(rows)) == len(rows)
    assert "device_id" not in log


def test_every_link_to_a_device_is_written_while_sessions_last(tmp_path: Path) -> None:
    base = organic(500, 100, 7)
    result = small(tmp_path / "log.parquet", base=base, plan="none", n_campaigns=None)
    log = columns_of(result.log)
    written = {
        (str(user), str(device)) for user, device in zip(log["user_id"], log["device_id"], strict=True)
    }
    sessions: dict[str, set[str]] = {}
    for user, session in zip(log["user_id"], log["session_id"], strict=True):
        sessions.setdefault(str(user), set()).add(str(session))
    kinds = np.array(base.entity_kinds.to_pylist())
    links = np.bincount(base.entity_user_ix[kinds[base.entity_ix] == "device"], minlength=base.n_users)
    n_of = np.sort([len([1 for u, _ in written if u == user]) for user in sessions])
    possible = np.bincount(
        np.unique(np.stack([base.session_ix, base.user_ix]), axis=1)[1], minlength=base.n_users
    )
    assert np.array_equal(n_of, np.sort(np.minimum(links, possible)))


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot tell how to write log\.xlsx"):
        small(tmp_path / "log.xlsx")
    with pytest.raises(UsageError, match="no plan 'L7'"):
        small(tmp_path / "log.csv", plan="L7")
    with pytest.raises(UsageError, match="campaigns is 0"):
        small(tmp_path / "log.csv", n_campaigns=0)
    assert list(tmp_path.iterdir()) == []
