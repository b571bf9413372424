"""API keys: who may read, write events and decide. A key is shown once; the file keeps its hash."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphdet.audit import iso_utc, utc_now
from graphdet.errors import UsageError
from graphdet.files import replacing

SCOPES = ("read", "write", "decide")
_PREFIX = "gd_"


@dataclass(frozen=True)
class ApiKey:
    """A key as the file keeps it: whose, what it allows, since when, and the SHA-256 of the key (hexadecimal).

    The key holds 256 random bits, so a plain hash cannot be searched.
    """

    name: str
    scopes: tuple[str, ...]
    made_at: str
    sha256: str


class KeyRing:
    """The keys of a file, read again whenever it changes, so that a revoked key stops at once."""

    def __init__(self, path: Path) -> None:
        """Read the keys.

        Raises:
            UsageError: the file is damaged, or others may read it.
        """
        self.path = path
        self._mark: tuple[int, int] | None = None
        self._keys: tuple[ApiKey, ...] = ()
        self.valid()

    def valid(self) -> tuple[ApiKey, ...]:
        """The keys that hold; none where there is no file."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            self._mark, self._keys = None, ()
            return ()
        mark = (about.st_mtime_ns, about.st_size)
        if mark != self._mark:
            if about.st_mode & 0o077:
                raise UsageError(f"{self.path}: others may read the keys; run: chmod 600 {self.path}")
            try:
                rows = json.loads(self.path.read_text(encoding="utf-8"))["keys"]
                keys = tuple(
                    ApiKey(row["name"], tuple(row["scopes"]), row["made_at"], row["sha256"]) for row in rows
                )
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{self.path}: this is no file of keys ({type(error).__name__})") from error
            self._mark, self._keys = mark, keys
        return self._keys

    def whose(self, given: str) -> ApiKey | None:
        """The key that was given, or None; takes equally long for every wrong one."""
        found = None
        digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
        for key in self.valid():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def add(self, name: str, scopes: Sequence[str]) -> str:
        """Make a key and keep its hash; returns the key, which nobody can read again.

        Raises:
            UsageError: the name is empty or taken, or there is no such scope.
        """
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise UsageError(f"scopes are {', '.join(SCOPES)}, not {', '.join(unknown) or 'none'}")
        if not name.strip() or any(key.name == name for key in self.valid()):
            raise UsageError(f"a key needs a name of its own, not {name!r}")
        token = _PREFIX + secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        order = tuple(scope for scope in SCOPES if scope in scopes)
        self._write((*self.valid(), ApiKey(name, order, iso_utc(utc_now()), digest)))
        return token

    def revoke(self, name: str) -> None:
        """Remove a key.

        Raises:
            UsageError: there is no key of that name.
        """
        kept = tuple(key for key in self.valid() if key.name != name)
        if len(kept) == len(self.valid()):
            raise UsageError(
                f"there is no key {name!r}; there are {', '.join(k.name for k in kept) or 'none'}"
            )
        self._write(kept)

    def _write(self, keys: Sequence[ApiKey]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"name": key.name, "scopes": list(key.scopes), "made_at": key.made_at, "sha256": key.sha256}
            for key in keys
        ]
        with replacing(self.path, private=True) as path:
            path.write_text(json.dumps({"keys": rows}, indent=1) + "\n", encoding="utf-8")
        self._mark = None
