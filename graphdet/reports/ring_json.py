"""A ring as a JSON document of a published, versioned schema."""

import json
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from graphdet import words
from graphdet.files import half_pairs_escaped, plain, write_text
from graphdet.reports.answers import advice, answers
from graphdet.reports.context import Surroundings
from graphdet.reports.evidence import meaning_of_p, meaning_of_q
from graphdet.reports.ring_data import Act, Member, Narrative, RingData
from graphdet.reports.run_facts import RunFacts

RING_SCHEMA = "graphdet.ring/2"
RING_SCHEMA_FILE = "ring-2.schema.json"
JsonRow = dict[str, Any]


@cache
def ring_schema() -> JsonRow:
    """The JSON Schema (draft 2020-12) of the document, as shipped in the package."""
    file = resources.files("graphdet.reports") / "schemas" / RING_SCHEMA_FILE
    document: JsonRow = json.loads(file.read_text(encoding="utf-8"))
    return document


def ring_document(ring: RingData, facts: RunFacts | None = None) -> JsonRow:
    """Write a ring as the JSON document of RING_SCHEMA; times are ISO 8601 in UTC."""
    facts = facts or RunFacts()
    todo = advice(ring)
    return {
        "schema": RING_SCHEMA,
        "ring_id": ring.ring_id,
        "kind": ring.kind,
        "n_users": ring.n_users,
        "n_items": ring.n_items,
        "score": ring.score,
        "p_value": ring.p_value,
        "q_value": ring.q_value,
        "flagged": ring.flagged,
        "first_seen": ring.first_seen,
        "last_seen": ring.last_seen,
        "reason": ring.reason,
        "meaning": {
            "p_value": meaning_of_p(ring.p_value, ring.n_log_users),
            "q_value": meaning_of_q(ring.q_value),
        },
        "answers": {row.question.lower(): list(row.lines) for row in answers(ring, facts)},
        "recommendation": {
            "headline": todo.headline,
            "steps": list(todo.steps),
            "not_yet": list(todo.not_yet),
        },
        "decided": {
            "state": ring.decided.state,
            "lines": list(ring.decided.lines),
            "members": dict(ring.decided.members),
        },
        "reasons": [reason.document() for reason in ring.reasons],
        "held_back": [reason.document() for reason in ring.held_back],
        "counter_evidence": [reason.document() for reason in ring.against],
        "would_change": None if ring.would_change is None else dict(ring.would_change),
        "gnn": None if ring.gnn is None else dict(ring.gnn),
        "narrative": None if ring.narrative is None else _narrative(ring.narrative),
        "evidence": [asdict(number) for number in ring.numbers],
        "in_step": asdict(ring.step),
        "expectation": None if ring.context is None else _expectation(ring.context),
        "surroundings": None if ring.context is None else _surroundings(ring.context),
        "run": _run(facts, ring.ring_id),
        "shared_entities": [asdict(entity) for entity in ring.shared],
        "members": [_member(member) for member in ring.members],
        "items": [_times(asdict(item)) for item in ring.items],
        "acts": [_act(act) for act in ring.acts],
    }


def _member(member: Member) -> JsonRow:
    row = _times({name: value for name, value in vars(member).items() if name != "reasons"})
    return row | {"role": member.role, "reasons": [reason.document() for reason in member.reasons]}


def _narrative(narrative: Narrative) -> JsonRow:
    return {
        "model": narrative.model,
        "endpoint": narrative.endpoint,
        "sentences": [{"text": each.text, "evidence": list(each.evidence)} for each in narrative.sentences],
        "n_dropped": narrative.n_dropped,
        "facts": dict(narrative.facts),
    }


def _iso(at_ms: int | None) -> str | None:
    return words.iso(at_ms) if at_ms else None  # 0: the log has no times


def _act(act: Act) -> JsonRow:
    return {
        "user_id": act.user_id,
        "session_id": act.session_id,
        "item_id": act.item_id,
        "action": act.action,
        "at": _iso(act.at_ms),
        "n": act.n,
    }


def _times(row: JsonRow) -> JsonRow:
    """Write millisecond times as ISO 8601: first_ms becomes first."""
    return {
        name.removesuffix("_ms"): _iso(value) if name.endswith("_ms") else value
        for name, value in row.items()
    }


def _expectation(context: Surroundings) -> JsonRow:
    """Both nulls; see `expectation` for what each is."""
    organic, matched = context.organic, context.matched
    return {
        "organic": {
            "null": "Poisson-binomial: every member meets every target independently, as activity, popularity and "
            "time would have it (64 time slices of equal numbers of acts; the ring's own acts left in)",
            "observed": organic.observed,
            "expected": organic.expected,
            "p_value": organic.p_value,
        },
        "matched": matched
        and {
            "null": "groups of other accounts, each within a quarter as active in the ring's window as its "
            "counterpart; per group the same number of items, those most of it touch",
            "observed": matched.observed,
            "groups": matched.groups.tolist(),
            "p_value": matched.p_value,
        },
    }


def _surroundings(context: Surroundings) -> JsonRow:
    return {
        "outsiders_by_targets_touched": {str(band): n for band, n in sorted(context.bands.items())},
        "nearest_outsiders": [_times(asdict(outsider)) for outsider in context.outsiders],
        "outsiders_by_item": {
            item: {"in_window": inside, "ever": ever}
            for item, (inside, ever) in sorted(context.outside_by_item.items())
        },
    }


def _run(facts: RunFacts, ring_id: str) -> JsonRow:
    return {
        "graphdet": facts.version,
        "config": {"name": facts.config_name, "digest": facts.config_digest},
        "model_digest": facts.model_digest,
        "seed": facts.seed,
        "fdr": facts.fdr,
        "inputs": [{"file": file, "sha256": digest, "n_rows": n} for file, digest, n in facts.inputs],
        "n_rows": facts.n_rows,
        "n_rejects": facts.n_rejects,
        "first": _iso(facts.first_ms),
        "last": _iso(facts.last_ms),
        "commands": facts.commands(ring_id),
        "queries": [
            {"title": title, "language": language, "text": text}
            for title, language, text in facts.queries_of(ring_id)
        ],
    }


def document_text(document: JsonRow) -> str:
    """Write a document as JSON: one line per key, and one per row where a value is a list of objects."""
    write = json.JSONEncoder(ensure_ascii=False).encode  # one encoder: there is a row for every act
    lines = []
    for key, value in document.items():
        clean = value if key == "acts" else plain(value)  # acts hold texts and whole numbers only
        if isinstance(clean, list) and clean and isinstance(clean[0], dict):
            rows = ",\n  ".join(write(row) for row in clean)
            lines.append(f" {json.dumps(key)}: [\n  {rows}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {write(clean)}")
    return half_pairs_escaped("{\n" + ",\n".join(lines) + "\n}\n")


def write_ring_json(path: Path, ring: RingData, facts: RunFacts | None = None) -> Path:
    """Write RING_ID.json.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, document_text(ring_document(ring, facts)))
