"""Small logs with a planted ring, as rows and as CSV."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from graphdet.config import Config, parse_config
from graphdet.logs.parts import LogPart
from graphdet.units import DAY_MS

Row = tuple[str, str, int]
START_MS = 1_767_225_600_000  # 2026-01-01
HEAD = b"user,item,at\n"
CONFIG: Config = parse_config(
    {"columns": {"user_id": "user", "item_id": "item", "timestamp": "at"}, "time": {"unit": "ms"}},
    name="small",
    where="small",
)


def small_log(seed: int, n_users: int = 150, n_members: int = 15, n_targets: int = 6) -> list[Row]:
    """Five days of ordinary users, and a ring that does its acts within twenty minutes of the fourth, by time."""
    chance = random.Random(seed)
    rows = {
        (f"u{user}", f"i{int(60 * chance.random() ** 2)}", START_MS + chance.randrange(5 * DAY_MS))
        for user in range(n_users)
        for _ in range(chance.randint(3, 9))
    }
    begins = START_MS + 3 * DAY_MS
    rows |= {
        (f"bad{member}", f"t{target}", begins + chance.randrange(1_200_000))
        for member in range(n_members)
        for target in range(n_targets)
    }
    return sorted(rows, key=lambda row: (row[2], row))


def lines(rows: Iterable[Row]) -> bytes:
    return "".join(f"{user},{item},{at}\n" for user, item, at in rows).encode()


def part(rows: Sequence[Row], first_line: int = 2, name: str = "log.csv") -> LogPart:
    return LogPart(name, "csv", HEAD, lines(rows), first_line)


def csv_file(path: Path, rows: Iterable[Row]) -> Path:
    path.write_bytes(HEAD + lines(rows))
    return path
