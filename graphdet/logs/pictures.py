"""Pictures that are nearly the same as one entity that accounts share (`[pictures]`).

The column of `[entities] picture` names a file for each event. Its place is taken by the fingerprint of what the
picture shows: the perceptual hash of 64 bits (pHash), which another size, another quality or a thin crop hardly
changes. Pictures whose hashes differ in NEAR bits or fewer are one entity.

Files come from strangers: nothing outside the folder is opened, nothing large is unpacked, and only a few formats are
decoded. A picture that gives no entity leaves its event as it is, and a warning counts such pictures by their reason.
"""

import itertools
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphdet import schema
from graphdet.config import Config
from graphdet.errors import ConfigError, GraphdetError
from graphdet.logs.raw import fresh_name, materialise
from graphdet.tables import Frame

NEAR = 6  # bits of 64; hashes that have nothing to do with each other differ in 32 or so, in so few once in 7 · 10¹⁰
_N_BLOCKS, _KEPT = 9, 3  # six bits that differ leave three blocks of nine as they are
_WINDOW = 8  # pictures of one band that each is compared with
_MOST_BYTES = 20_000_000
_MOST_PIXELS = 40_000_000  # 160 MB in memory
_FORMATS = (
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "TIFF",
    "WEBP",
)  # others start programs or have decoders few people test
_DRAFT = (256, 256)  # a JPEG is decoded no finer than it needs
_LEAST_SPREAD = 4.0  # standard deviation of 0 to 255; the hash of a picture of one colour is noise
_REMEMBERED = 1 << 18  # fingerprints, for a log that is read again and again as it grows

_FIELD = f"entity {schema.PICTURE}"
_FOUND = "picture found"
_PASSING = "graphdet_pictures"
_U64 = NDArray[np.uint64]


def with_pictures(bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config) -> tuple[Frame, list[str]]:
    """Put the id of what a picture shows in the place of its file's name, null where it gives none; and warnings.

    The id is the least hash of its group as 16 hex digits, so it depends on the pictures and not on their names. A
    picture of more than `[pictures] most_users` accounts gives none: an avatar that everybody has ties nobody together.

    Raises:
        ConfigError: the folder is none.
        GraphdetError: the extra `images` is not installed.
    """
    if config.pictures.folder is None:
        return clean, []
    folder = Path(config.pictures.folder)
    if not folder.is_dir():
        raise ConfigError(
            f"config {config.name}: [pictures] folder {folder} is no folder; name the one that holds the files of "
            f"[entities] {schema.PICTURE}"
        )
    used = clean.filter(~nw.col(_FIELD).is_null()).select(_FIELD).unique().collect("pyarrow").to_native()
    names: list[str] = sorted(used[_FIELD].to_pylist())
    prints = fingerprints(folder.resolve(), names)
    marks = np.unique(np.array([mark for mark in prints if isinstance(mark, int)], np.uint64))
    group = dict(zip(marks.tolist(), near_pictures(marks).tolist(), strict=True))
    ids = [f"{group[mark]:016x}" if isinstance(mark, int) else None for mark in prints]
    table = fresh_name("pictures")
    bench.register(
        _PASSING, pa.table({_FIELD: pa.array(names, pa.string()), _FOUND: pa.array(ids, pa.string())})
    )
    bench.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM {_PASSING}")
    bench.unregister(_PASSING)
    found = clean.join(nw.from_native(bench.table(table)), on=_FIELD, how="left")
    found = found.drop(_FIELD).rename({_FOUND: _FIELD})
    found, common = _without_common(bench, found, config.pictures.most_users)
    return found, [*_told(names, prints, config), *common]


def _without_common(
    bench: duckdb.DuckDBPyConnection, clean: Frame, most_users: int
) -> tuple[Frame, list[str]]:
    pairs = clean.filter(~nw.col(_FIELD).is_null()).select("user_id", _FIELD).unique()
    users = pairs.group_by(_FIELD).agg(n=nw.len()).filter(nw.col("n") > most_users)
    users = materialise(bench, users, "common_pictures")
    counts = users.collect("pyarrow").to_native()
    if not len(counts):
        return clean, []
    clean = clean.join(users, on=_FIELD, how="left")
    own = nw.when(nw.col("n").is_null()).then(nw.col(_FIELD))
    told = (
        f"{len(counts)} pictures are those of more than {most_users} accounts ({max(counts['n'].to_pylist())} at "
        "most); so common they tie nobody together and are left out ([pictures] most_users)"
    )
    return clean.with_columns(own.alias(_FIELD)).drop("n"), [told]


def _told(names: Sequence[str], prints: Sequence[int | str], config: Config) -> list[str]:
    """Say of how many pictures nothing could be made, by reason, most first; a name only where ids may be seen."""
    first = {mark: name for name, mark in reversed(list(zip(names, prints, strict=True)))}
    counts = Counter(mark for mark in prints if isinstance(mark, str))
    return [
        f"{n} of {len(names)} pictures {reason}"
        + ("" if config.privacy.pseudonyms else f", such as {first[reason][:80]!r}")
        + "; their events have no picture"
        for reason, n in counts.most_common()
    ]


def fingerprints(folder: Path, names: Sequence[str]) -> list[int | str]:
    """Fingerprint each file of a folder: its perceptual hash, or the reason why it has none.

    folder: resolved. A name that leads out of it, also by a link, is not opened.

    Raises:
        GraphdetError: the extra `images` is not installed.
    """
    image, files, hashing = _libraries()
    cut_short = (
        files.LOAD_TRUNCATED_IMAGES
    )  # other libraries in the process set it, and half a picture is none
    files.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow's, of files that are broken or large; they are counted here
            return [_fingerprint(image, hashing, folder, name) for name in names]
    finally:
        files.LOAD_TRUNCATED_IMAGES = cut_short


def _libraries() -> tuple[ModuleType, Any, ModuleType]:
    try:
        import imagehash
        import PIL.Image
        import PIL.ImageFile
    except ImportError as error:
        raise GraphdetError("[pictures] needs the extra `images`: pip install 'graphdet[images]'") from error
    return PIL.Image, PIL.ImageFile, imagehash


def _fingerprint(image: ModuleType, hashing: ModuleType, folder: Path, name: str) -> int | str:
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            return "are outside of the folder"
        if not path.is_file():
            return "are not in the folder"
        about = path.stat()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, holds NUL, or is a circle of links
        return "are not in the folder"
    if about.st_size > _MOST_BYTES:
        return f"are larger than {_MOST_BYTES // 1_000_000} MB"
    return _of_file(image, hashing, path, about.st_size, about.st_mtime_ns)


@lru_cache(_REMEMBERED)
def _of_file(image: ModuleType, hashing: ModuleType, path: Path, n_bytes: int, at_ns: int) -> int | str:
    """Hash one file; n_bytes and at_ns tell a file that was written anew from the one that is remembered."""
    try:
        with image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                return _too_many_pixels()
            return _hash(image, hashing, picture)
    except image.DecompressionBombError:
        return _too_many_pixels()
    except Exception:  # decoders of broken files raise whatever they stumble over
        return "cannot be read as a picture"


def _too_many_pixels() -> str:
    return f"unfold to more than {_MOST_PIXELS // 1_000_000} million pixels"


def _hash(image: ModuleType, hashing: ModuleType, picture: Any) -> int | str:
    picture.draft("RGB", _DRAFT)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = image.alpha_composite(image.new("RGBA", picture.size, "white"), picture)
    grey = picture.convert("L")
    if float(np.asarray(grey.resize((32, 32), image.Resampling.BOX), np.float64).std()) < _LEAST_SPREAD:
        return "show one colour only"
    bits = np.packbits(hashing.phash(grey).hash.ravel())
    return int.from_bytes(bits.tobytes(), "big")


def near_pictures(marks: _U64) -> _U64:
    """The least hash of each one's group, of different hashes in ascending order, uint64[n].

    Two belong together that differ in at most NEAR bits, and by one that is near to both, as texts do (text.near). Near
    ones have three blocks of nine in common, so only those that do are compared, each with the _WINDOW before it: the
    work grows with the pictures, not with their pairs. No near pair is missed but where more than _WINDOW pictures have
    the same three blocks.
    """
    n = len(marks)
    ends = np.linspace(0, 64, _N_BLOCKS + 1).round().astype(int)
    blocks = [((1 << int(b - a)) - 1) << int(a) for a, b in itertools.pairwise(ends)]
    pairs = [np.zeros((0, 2), np.int64)]
    for kept in itertools.combinations(blocks, _KEPT):
        key = marks & np.uint64(sum(kept))
        order = np.argsort(key, kind="stable")
        for step in range(1, min(_WINDOW, n - 1) + 1):
            left, right = order[:-step], order[step:]
            same = key[left] == key[right]
            if not same.any():
                break
            left, right = left[same], right[same]
            differ = (marks[left] ^ marks[right]).view(np.uint8).reshape(-1, 8)
            near = np.unpackbits(differ, axis=1).sum(axis=1) <= NEAR
            pairs.append(np.column_stack([left[near], right[near]]))
    found = np.unique(np.concatenate(pairs), axis=0)
    link = coo_matrix((np.ones(len(found)), (found[:, 0], found[:, 1])), shape=(n, n))
    if n == 0:
        return marks
    _, group = connected_components(link, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(marks[first][group])
