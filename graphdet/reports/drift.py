"""What changed since the findings that were in the output folder before: new, gone, grown and shrunk rings."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from graphdet.files import write_json
from graphdet.sheets import BOM
from graphdet.tables import RingTables

DRIFT_SCHEMA = "graphdet.drift/1"
FILE = "drift.json"
SAME_RING = 0.3  # Jaccard index of members from which two rings are one, the most alike first


@dataclass(frozen=True)
class FindingsSummary:
    """What is compared: flagged rings with their members, and suspects."""

    rings: Mapping[str, frozenset[str]]
    suspects: frozenset[str]


@dataclass(frozen=True)
class Kept:
    """A ring found again: its id before and now, its members before and now, how many joined and left."""

    before: str
    now: str
    n_before: int
    n_now: int
    joined: int
    left: int


@dataclass(frozen=True)
class Drift:
    """The difference between two runs; rings that are neither new nor gone are kept."""

    new: tuple[str, ...]
    gone: tuple[tuple[str, int], ...]  # id before, members
    kept: tuple[Kept, ...]
    new_suspects: int
    gone_suspects: int

    @property
    def changed(self) -> list[Kept]:
        """The kept rings whose members differ, those that grew most first."""
        rows = [ring for ring in self.kept if ring.joined or ring.left]
        return sorted(rows, key=lambda ring: (ring.n_before - ring.n_now, ring.now))


def of_tables(scores: pa.Table, rings: RingTables) -> FindingsSummary:
    """Take from the tables of a run what is compared."""
    flagged = rings.rings.filter(pc.fill_null(rings.rings["flagged"], False))["ring_id"]
    mine = rings.members.filter(pc.is_in(rings.members["ring_id"], value_set=pc.unique(flagged)))
    suspects = scores.filter(pc.fill_null(scores["flagged"], False))["user_id"]
    return FindingsSummary(
        _members(flagged.to_pylist(), mine["ring_id"].to_pylist(), mine["user_id"].to_pylist()),
        frozenset(suspects.to_pylist()),
    )


def of_folder(out: Path) -> FindingsSummary | None:
    """Read the findings that a folder holds; None where it holds none that can be read."""
    try:
        rings, members, suspects = (
            _csv(out / name) for name in ("rings.csv", "ring_members.csv", "suspects.csv")
        )
        flagged = rings.filter(pc.equal(rings["flagged"], "true"))["ring_id"].to_pylist()
        users = suspects.filter(pc.equal(suspects["flagged"], "true"))["user_id"].to_pylist()
        return FindingsSummary(
            _members(flagged, members["ring_id"].to_pylist(), members["user_id"].to_pylist()),
            frozenset(users),
        )
    except (OSError, KeyError, pa.ArrowInvalid):
        return None


def _csv(path: Path) -> pa.Table:
    with open(path, "rb") as handle:
        head = handle.readline().decode("utf-8", "replace").strip()
    names = head.removeprefix(BOM).split(",")
    types = {name: pa.string() for name in names}
    table = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, strings_can_be_null=False, include_columns=_wanted(names)
        ),
    )
    if not head.startswith(BOM) or "user_id" not in names:  # of a version that wrote ids as they are
        return table
    place = table.column_names.index("user_id")
    return table.set_column(place, "user_id", pc.replace_substring_regex(table["user_id"], "^'", ""))


def _wanted(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in ("ring_id", "user_id", "flagged")]


def _members(ids: Sequence[str], ring_of: Sequence[str], users: Sequence[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {ring_id: set() for ring_id in ids}
    for ring_id, user in zip(ring_of, users, strict=True):
        if ring_id in found:
            found[ring_id].add(user)
    return {ring_id: frozenset(members) for ring_id, members in found.items()}


def compare_findings(before: FindingsSummary, now: FindingsSummary) -> Drift:
    """Match rings by their members, the most alike first, and tell the difference."""
    where: dict[str, list[str]] = {}
    for ring_id, members in before.rings.items():
        for user in members:
            where.setdefault(user, []).append(ring_id)
    pairs = []
    for ring_id, members in now.rings.items():
        shared: dict[str, int] = {}
        for user in members:
            for old in where.get(user, ()):
                shared[old] = shared.get(old, 0) + 1
        for old, n in shared.items():
            jaccard = n / (len(members) + len(before.rings[old]) - n)
            if jaccard >= SAME_RING:
                pairs.append((-jaccard, old, ring_id))
    taken_old: set[str] = set()
    taken_new: set[str] = set()
    kept = []
    for _, old, new in sorted(pairs):
        if old in taken_old or new in taken_new:
            continue
        taken_old.add(old)
        taken_new.add(new)
        a, b = before.rings[old], now.rings[new]
        kept.append(Kept(old, new, len(a), len(b), len(b - a), len(a - b)))
    return Drift(
        new=tuple(sorted(set(now.rings) - taken_new)),
        gone=tuple((old, len(before.rings[old])) for old in sorted(set(before.rings) - taken_old)),
        kept=tuple(sorted(kept, key=lambda ring: ring.now)),
        new_suspects=len(now.suspects - before.suspects),
        gone_suspects=len(before.suspects - now.suspects),
    )


def keep_drift(out: Path, before: FindingsSummary | None, now: FindingsSummary) -> Drift | None:
    """Give the drift that the report shows, and keep it as drift.json; None where there is nothing to compare with.

    The same findings again change nothing: what was told of the last different findings stays, so that a run that is
    repeated into one folder writes the same bytes. The file says of which findings it tells and is written before them:
    a run that was killed while it wrote them, and is repeated, compares with what was there before it, not with its own
    half.

    Raises:
        GraphdetError: the file cannot be written.
    """
    path = out / FILE
    if before is None:
        path.unlink(missing_ok=True)
        return None
    mine = _digest(now)
    if before == now or _digest_in(path) == mine:
        return _read(path)
    drift = compare_findings(before, now)
    write_json(path, {"schema": DRIFT_SCHEMA, **asdict(drift), "findings": mine})
    return drift


def _digest(findings: FindingsSummary) -> str:
    """SHA-256, hex, of flagged rings with their members and of suspects."""
    rings = {ring_id: sorted(users) for ring_id, users in sorted(findings.rings.items())}
    return hashlib.sha256(json.dumps([rings, sorted(findings.suspects)]).encode()).hexdigest()


def _digest_in(path: Path) -> str | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document.get("findings") if isinstance(document, dict) else None


def _read(path: Path) -> Drift | None:
    try:
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Drift(
            tuple(row["new"]),
            tuple((old, n) for old, n in row["gone"]),
            tuple(Kept(**ring) for ring in row["kept"]),
            row["new_suspects"],
            row["gone_suspects"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
