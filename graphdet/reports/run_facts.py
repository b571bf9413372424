"""What a ring page says of the run that found the ring: data, digests, and how to do it again.

What a run says about itself: run.json, and the facts that report.html takes from it.

The document is a plain dict; all keys are optional, and more may be added:

    config            dict: the config as read (a "digest" of its meaning, a "name", …)
    inputs            list of {"file", "sha256", "n_rows"}
    n_rows, n_events, n_rejects, n_duplicates, n_filtered, n_known
                      int, of all files that were named: the first is the sum of the others. n_known: rows that the
                      store had from another file, or before the file grew
    rejects_by_reason dict reason → count (also what was filtered or quarantined as duplicate)
    period            {"first_ms", "last_ms"}: of the events used, in ms since 1970 UTC; both null in a log without
                      times
    counts            dict as GraphStore.counts()
    seed, fdr, review numbers; review None unless the cut was by review capacity
    device            "cpu" or "cuda"
    model             dict or text: which model scored
    labels            dict or None: what labels were given
    versions          dict package → version
    stages            dict stage → {"seconds", "peak_mib"}
    warnings          list of str, for people
    not_enough_data   str or None: why no finding is possible

Seconds, memory and versions are kept out of report.html, so that the same run writes the same report.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdet import __version__
from graphdet.files import write_json

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Query:
    """A query that shows a ring's acts: its language, how its parameter is set ({ring_id}), and its text."""

    title: str
    language: str
    setting: str
    text: str


@dataclass(frozen=True)
class RunFacts:
    """The part of a run's facts (see run_info) that is the same each time and belongs beside an accusation."""

    version: str = __version__
    config_name: str = NOT_RECORDED
    config_digest: str = NOT_RECORDED
    model_digest: str = NOT_RECORDED
    seed: int | None = None
    fdr: float | None = None
    labels: str | None = None
    n_rows: int | None = None
    n_rejects: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None
    has_entities: bool = False
    inputs: tuple[tuple[str, str, int | None], ...] = ()  # file, SHA-256, rows
    queries: tuple[Query, ...] = field(default=(), repr=False)

    def queries_of(self, ring_id: str) -> list[tuple[str, str, str]]:
        """Title, language and text of the queries, with the ring's id set first."""
        quoted = ring_id.replace("\\", "\\\\").replace("'", "\\'")
        return [
            (query.title, query.language, f"{query.setting.format(ring_id=quoted)}\n\n{query.text}")
            for query in self.queries
        ]

    def deciding(self, ring_id: str) -> list[tuple[str, str]]:
        """What may be decided on a ring, each with the command for a shell."""
        store = ["--store", "duckdb:findings/graph.duckdb"]
        said = {
            "It is fraud": ["verdict", ring_id, "--guilty", "--reason", "CODE", "--note", "TEXT"],
            "It is not": ["verdict", ring_id, "--innocent", "--reason", "CODE", "--note", "TEXT"],
            "You looked and cannot tell": ["verdict", ring_id, "--unsure", "--reason", "CODE"],
            "Not for two weeks": ["snooze", ring_id, "--days", "14"],
            "Never flag an account": ["allow", "USER", "--note", "TEXT"],
        }
        return [(what, shlex.join(["graphdet", *words, *store])) for what, words in said.items()]

    def commands(self, ring_id: str) -> list[str]:
        """The commands that find the ring again and show it, for a shell."""
        run = ["graphdet", "run", *(file for file, _, _ in self.inputs)] if self.inputs else []
        if run and self.config_name != NOT_RECORDED:
            run += ["--config", self.config_name]
        if run:
            run += ["--out", "findings"]
            run += [] if self.labels is None else ["--labels", self.labels]
            run += [] if self.fdr is None else ["--fdr", f"{self.fdr:g}"]
            run += [] if self.seed is None else ["--seed", str(self.seed)]
        store = ["--store", "duckdb:findings/graph.duckdb"]
        shown = ["graphdet", "report", *store, "--ring", ring_id, "--format", "html,json", "--out", "again"]
        acts = [
            "graphdet",
            "query",
            "ring-timeline",
            *store,
            "--param",
            f"ring_id={ring_id}",
            "--param",
            "limit=100000",
        ]
        return [shlex.join(words) for words in (run, shown, acts) if words]


def run_facts(info: Mapping[str, Any], queries: Sequence[Query] = ()) -> RunFacts:
    """Read the facts from a run's info; absent ones stay unknown."""
    config = info.get("config")
    config = config if isinstance(config, Mapping) else {"name": config} if config else {}
    period, labels = info.get("period") or {}, info.get("labels")
    inputs = [entry if isinstance(entry, Mapping) else {"file": entry} for entry in info.get("inputs") or ()]
    return RunFacts(
        config_name=str(config.get("name") or NOT_RECORDED),
        config_digest=str(config.get("digest") or NOT_RECORDED),
        model_digest=str(info.get("model_digest") or NOT_RECORDED),
        seed=info.get("seed"),
        fdr=info.get("fdr"),
        labels=str(labels.get("file")) if isinstance(labels, Mapping) else None,
        n_rows=info.get("n_rows"),
        n_rejects=info.get("n_rejects"),
        first_ms=period.get("first_ms"),
        last_ms=period.get("last_ms"),
        has_entities=bool((info.get("counts") or {}).get("entities")),
        inputs=tuple(
            (str(entry.get("file", "?")), str(entry.get("sha256") or ""), entry.get("n_rows"))
            for entry in inputs
        ),
        queries=tuple(queries),
    )


RUN_SCHEMA = "graphdet.run/1"


def write_run_json(out: Path, info: Mapping[str, Any]) -> Path:
    """Write run.json: the keys of this module, sorted, after the schema and graphdet's version.

    Raises:
        GraphdetError: the file cannot be written.
    """
    document: dict[str, Any] = {"schema": RUN_SCHEMA, "graphdet": __version__}
    document.update((key, info[key]) for key in sorted(info) if key not in document)
    return write_json(out / "run.json", document)
