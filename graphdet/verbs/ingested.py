"""What was ingested into a store before; apart from ingesting, so that a report need not load the readers of logs."""

import json
from dataclasses import asdict, dataclass, field, replace

from graphdet.ports import Store

META_PREFIX = "ingest."  # meta key of what an ingest was, followed by the digest of its source


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered, all of the files read now; when `already`, of
    the earlier ingests that brought them. `files` are (path, SHA-256, rows). `rejects_by_reason` also counts
    "duplicate". `skipped` are files that the store had; `already`: it had all, and nothing was written.
    """

    digest: str
    config_digest: str
    files: tuple[tuple[str, str, int], ...]
    n_rows: int
    n_events: int
    n_rejects: int
    n_duplicates: int
    n_filtered: int
    rejects_by_reason: dict[str, int]
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    already: bool = False
    read_s: float = field(default=0.0, compare=False)
    write_s: float = field(default=0.0, compare=False)

    @property
    def seconds(self) -> float:
        """How long reading, cleaning and writing took."""
        return self.read_s + self.write_s


def note_ingest(store: Store, result: IngestResult) -> None:
    """Keep in the store what an ingest was; how long it took is not kept."""
    kept = asdict(replace(result, read_s=0.0, write_s=0.0))
    store.set_meta(META_PREFIX + result.digest, json.dumps(kept, ensure_ascii=False, sort_keys=True))


def earlier_ingests(store: Store) -> dict[str, IngestResult | None]:
    """What was ingested before, by digest of the source; None where only the digest is known."""
    texts = {digest: store.meta(META_PREFIX + digest) for digest in store.sources()}
    return {digest: _from_json(text) if text else None for digest, text in texts.items()}


def _from_json(text: str) -> IngestResult:
    found = json.loads(text)
    found["files"] = tuple((path, sha, n_rows) for path, sha, n_rows in found["files"])
    return IngestResult(**(found | {name: tuple(found[name]) for name in ("warnings", "skipped")}))
