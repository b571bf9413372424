"""import-files: write a log as files for Neo4j's own bulk import, without any server."""

from collections.abc import Sequence
from pathlib import Path

from graphdet.config import Config
from graphdet.logs import CleanLog, read_log
from graphdet.ports import Source
from graphdet.progress import Progress, Silent
from graphdet.store import write_import_files
from graphdet.workbench import Workbench


def import_files(
    paths: Sequence[str | Path],
    config: Config,
    folder: Path,
    *,
    rejects: Path | None = None,
    progress: Progress | None = None,
) -> tuple[CleanLog, list[str]]:
    """Write a log as CSV files for `neo4j-admin database import`.

    Returns the cleaned log (its counts and warnings; its frames are gone) and the arguments after
    `neo4j-admin`, to be run in `folder` while the server is stopped.

    Raises:
        InputError, TooManyRejects: the log cannot be used.
        StoreError: the folder cannot be written.
    """
    with Workbench.in_memory() as bench, bench.borrow() as connection:
        clean = read_log(connection, list(paths), config, rejects=rejects, progress=progress or Silent())
        names = tuple(path for path, _, _ in clean.files)
        source = Source(clean.digest, names, clean.n_rows, clean.n_rejects)
        return clean, write_import_files(connection, clean.tables, folder, source)
