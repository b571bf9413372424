"""What a user has of labelled things: a log in a store, and labels in a file."""

from pathlib import Path

from graphdet.config import load_config
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.ingest import ingest


def store_with(folder: Path, log: str, text: str, config: str) -> DuckDBStore:
    """A new folder with a config, a log file of this name and text, and a store that has read it."""
    folder.mkdir()
    (folder / "c.toml").write_text(config)
    (folder / log).write_text(text)
    store = DuckDBStore(folder / "x.duckdb")
    ingest(store, [folder / log], load_config(folder / "c.toml"))
    return store


def labels_in(folder: Path, key: str, labels: dict[str, int]) -> Path:
    """A labels file."""
    path = folder / f"{key}.csv"
    path.write_text(
        "\n".join([f"{key},label", *(f"{name},{value}" for name, value in labels.items())]) + "\n"
    )
    return path
