"""Logs as files: Parquet, CSV and JSON lines, the same bytes for the same rows."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from graphdet.errors import UsageError

LOG_FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")


WRITE_BATCH_ROWS = 100_000


def check_ending(out: Path) -> None:
    """Check that a log can be written under this name.

    Raises:
        UsageError: it ends like no format that can be written.
    """
    if not str(out.name).endswith(LOG_FORMATS):
        raise UsageError(
            f"cannot tell how to write {out.name}; end the name with one of {', '.join(LOG_FORMATS)}"
        )


def _write_parquet(table: pa.Table, path: Path) -> None:
    """Write Parquet."""
    pq.write_table(table, path, compression="zstd", row_group_size=WRITE_BATCH_ROWS)


@contextmanager
def _gzipped(path: Path) -> Iterator[Any]:
    """Open a gzip file without name or time in its header, so that the same rows give the same bytes."""
    with path.open("wb") as raw, GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        yield packed


def _write_csv(table: pa.Table, path: Path) -> None:
    """Write CSV."""
    pa_csv.write_csv(table, path)


def _write_csv_gz(table: pa.Table, path: Path) -> None:
    """Write gzipped CSV."""
    with _gzipped(path) as packed:
        pa_csv.write_csv(table, packed)


def _json_lines(table: pa.Table) -> Iterator[bytes]:
    """Give JSON lines in batches."""
    for batch in table.to_batches(max_chunksize=WRITE_BATCH_ROWS):
        rows = batch.to_pylist()
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write_jsonl(table: pa.Table, path: Path) -> None:
    """Write JSON lines."""
    with path.open("wb") as file:
        file.writelines(_json_lines(table))


def _write_jsonl_gz(table: pa.Table, path: Path) -> None:
    """Write gzipped JSON lines."""
    with _gzipped(path) as packed:
        packed.writelines(_json_lines(table))


LOG_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".csv.gz": _write_csv_gz,
    ".jsonl": _write_jsonl,
    ".jsonl.gz": _write_jsonl_gz,
}
