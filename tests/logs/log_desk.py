"""Small logs written to a folder and read with a config made of TOML text."""

import csv
from pathlib import Path
from typing import Any

import duckdb

from graphdet.config import Config, load_config
from graphdet.logs import CleanLog, read_log

NOW_MS = 1_700_000_000_000  # 2023-11-14: the time of every run in these tests

BASIC = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
[time]
unit = "ms"
"""


class Desk:
    """A folder, a workbench and a config: write files, read them as a log, look at tables and rejects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = duckdb.connect()
        self.bench.execute("SET threads = 2")
        self.rejects_path = folder / "out" / "rejects.csv"

    def config(self, text: str = BASIC) -> Config:
        path = self.folder / "config.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, *paths: Path | str, config: str | Config = BASIC, **options: Any) -> CleanLog:
        settings = self.config(config) if isinstance(config, str) else config
        options = {"rejects": self.rejects_path, "now_ms": NOW_MS, **options}
        return read_log(self.bench, list(paths), settings, **options)

    def rejects(self) -> list[dict[str, str]]:
        with self.rejects_path.open(newline="", encoding="utf-8-sig") as stream:
            return list(csv.DictReader(stream))


def rows(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    """The rows of a frame, sorted."""
    found = frame.select(*names) if names else frame
    return sorted(found.to_native().fetchall(), key=repr)
