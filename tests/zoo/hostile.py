"""A simulated log whose ids are replaced by all that ids should not be, and one real run over it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import inside

from graphdet.pipeline.simulate import simulate

SHAPES: tuple[Callable[[str], str], ...] = (
    lambda name: f'=cmd|"/C calc"!A0 \'{name}',
    lambda name: f"`{name}` ``twice``",
    lambda name: f'say "{name}", ok;\t|',
    lambda name: f"two\nlines\r\nof {name}",
    lambda name: f"<script>alert('{name}')</script>",
    lambda name: f"😀{name}👩‍👩‍👧",
    lambda name: f"O'Brien {name}",
    lambda name: f"\u202e{name}",
    lambda name: f"+{name}",
    lambda name: f"@SUM({name})",
    lambda name: f"-{name}",
    lambda name: f"]]>&amp;<!--{name}",
    lambda name: f"\\x00 \\n {name}'); DROP TABLE events; --",
    lambda name: f"$name {{{{ 7*7 }}}} %s {name} " + "x" * 300,
)
N_NUL = 25


@dataclass(frozen=True)
class HostileRun:
    """The log, the output folder of the run over it, and the ids it has."""

    log: Path
    out: Path
    user_ids: frozenset[str]
    item_ids: frozenset[str]


def hostile(ids: pa.ChunkedArray) -> list[str]:
    """Give every id one of the shapes, always the same one."""
    return [SHAPES[sum(map(ord, name)) % len(SHAPES)](name) for name in ids.cast(pa.string()).to_pylist()]


def write_hostile_log(folder: Path) -> HostileRun:
    """A log large enough to learn from, with rings; the last N_NUL rows have a NUL in the user's id."""
    simulate(folder / "plain.parquet", n_users=6_000, n_items=1_500, days=20, plan="benchmark", seed=2)
    table = pq.read_table(folder / "plain.parquet")
    for name in ("user_id", "item_id", "session_id"):
        renamed = pa.array(hostile(table[name]), pa.string())
        table = table.set_column(table.column_names.index(name), name, renamed)
    nul = pa.array([f"nul\x00{n}" for n in range(N_NUL)])
    broken = table.slice(table.num_rows - N_NUL).set_column(0, "user_id", nul)
    pq.write_table(pa.concat_tables([table, broken]), folder / "hostile.parquet")
    users, items = (frozenset(table[name].to_pylist()) for name in ("user_id", "item_id"))
    return HostileRun(folder / "hostile.parquet", folder / "out", users, items)


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> HostileRun:
    """The whole way over that log, in DuckDB; its model serves other tests too."""
    made = write_hostile_log(tmp_path_factory.mktemp("hostile"))
    done = inside("run", made.log, "--config", "simulated", "--out", made.out, "--seed", "1")
    assert done.returncode == 0, done.stderr
    return made
