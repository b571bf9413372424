"""Small files that hold gigabytes: refused in bounded memory, with a key that raises the limit."""

import gzip
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from graphdet.errors import InputError
from tests.logs.log_desk import BASIC, NOW_MS, Desk

ROW = f"u1,i1,{NOW_MS}\n".encode()
MEASURED = """
import resource, sys
from pathlib import Path
import duckdb
from graphdet.config import load_config
from graphdet.errors import InputError
from graphdet.logs import read_log
config = load_config(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_log(duckdb.connect(), [sys.argv[1]], config, rejects=None)
except InputError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def bomb(unit: bytes, size: int, header: bytes = b"user,item,at\n") -> bytes:
    return gzip.compress(header + ROW + unit * (size // len(unit)), 6)


@pytest.mark.parametrize("unit", [b"x", b",", b'"', b"\n", b'",\n"', ROW])
@pytest.mark.parametrize("name", ["log.csv.gz", "log.jsonl.gz"])
def test_a_bomb_is_refused_with_the_key_that_raises_the_limit(desk: Desk, unit: bytes, name: str) -> None:
    header = b'{"user": "u", "item": "i", "at": 1}\n' if "json" in name else b"user,item,at\n"
    path = desk.write(name, bomb(unit, 80_000_000, header))
    assert path.stat().st_size < 400_000
    with pytest.raises(InputError, match=r"raise \[read\] max_(line_mb|unfold)|blank lines") as caught:
        desk.read(path)
    assert caught.value.exit_code == 3


def test_memory_stays_bounded(desk: Desk) -> None:
    """Ten times as much would be unfolded without the limit, and more than that be taken."""
    desk.config(BASIC + "[read]\nmax_line_mb = 1\n")
    path = desk.write("log.csv.gz", bomb(b",", 300_000_000))
    command = [sys.executable, "-c", MEASURED, str(path), str(desk.folder / "config.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    message, grown_mb = done.stdout.splitlines()
    assert "line of more than 1 MB" in message
    assert int(grown_mb) < 100


def test_the_limits_are_raised_by_the_config(desk: Desk) -> None:
    path = desk.write("log.csv.gz", bomb(ROW, 70_000_000))
    with pytest.raises(InputError, match="more than 200 times its size"):
        desk.read(path)
    line = desk.write("line.jsonl", f'{{"user":"u","item":"i","at":{NOW_MS},"more":"{"x" * 17_000_000}"}}\n')
    with pytest.raises(InputError, match="line of more than 16 MB"):
        desk.read(line)
    assert desk.read(line, config=BASIC + "[read]\nmax_line_mb = 20\n").n_events == 1


def test_a_log_that_repeats_itself_is_no_bomb(desk: Desk) -> None:
    """Below 64 MB every ratio is allowed, and an uncompressed file has none."""
    rows = b"".join(f"u{i % 3},i{i % 5},{NOW_MS - i // 100}\n".encode() for i in range(100_000))
    zstd = pa.BufferOutputStream()
    with pa.output_stream(zstd, compression="zstd") as stream:
        stream.write(b"user,item,at\n" + rows)
    config = BASIC + "[read]\nmax_unfold = 1\n"
    assert desk.read(desk.write("log.csv.zst", zstd.getvalue().to_pybytes()), config=config).n_rows == 100_000
    assert desk.read(desk.write("log.csv", b"user,item,at\n" + rows), config=config).n_rows == 100_000
