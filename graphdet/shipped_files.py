"""Folders that stand beside the package in the source and inside it in a wheel: `configs/` and `cypher/`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """The folder of that name: inside the package where a wheel was installed, else beside its source.

    >>> shipped_folder("configs").is_dir(), shipped_folder("cypher").is_dir()
    (True, True)
    """
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name
