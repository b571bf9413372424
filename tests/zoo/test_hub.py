"""A user of hundreds of thousands of events, and an item that everybody clicks, end in bounded time."""

import csv
from pathlib import Path

import duckdb

from tests.cli.command_line import inside

N_HUB, N_STAR, N_ORDINARY = 200_000, 8_000, 2_000


def write_hub_log(path: Path) -> Path:
    """One user × one item N_HUB times, one item clicked by N_STAR users, N_ORDINARY users of five clicks."""
    with duckdb.connect() as bench:
        bench.execute(
            f"""COPY (
                SELECT 'u' || i % {N_ORDINARY} AS user_id, 'i' || hash(i) % 2000 AS item_id,
                    's' || i % {N_ORDINARY} || '-' || i // {2 * N_ORDINARY} AS session_id,
                    1506826800000 + (hash(i * 7) % 864000000)::BIGINT AS timestamp, 'view' AS action
                FROM range({5 * N_ORDINARY}) t(i)
                UNION ALL
                SELECT 'hub', 'hot', 'hub-' || i // 200, 1506826800000 + i * 4000, 'view'
                FROM range({N_HUB}) t(i)
                UNION ALL
                SELECT 'f' || i, 'star', 'f' || i, 1506826800000 + (hash(i * 13) % 864000000)::BIGINT, 'view'
                FROM range({N_STAR}) t(i)
            ) TO '{path}'"""
        )
    return path


def test_a_hub_and_a_star_go_through_the_whole_run(tmp_path: Path) -> None:
    log = write_hub_log(tmp_path / "hub.parquet")
    done = inside("run", log, "--config", "simulated", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "suspects.csv").open(encoding="utf-8-sig", newline="") as file:
        users = [row["user_id"] for row in csv.DictReader(file)]
    assert len(users) == len(set(users)) == N_ORDINARY + N_STAR + 1
