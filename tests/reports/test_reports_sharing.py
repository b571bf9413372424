"""What leaves the house: pseudonyms and their key, drift between runs, the published schema, reasons, digests."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from graphdet import schema
from graphdet.casework.disclosure import make_key, read_key
from graphdet.errors import GraphdetError, UsageError
from graphdet.learn.digests import model_digest
from graphdet.reports.csv_tables import write_tables
from graphdet.reports.drift import compare_findings, keep_drift, of_folder, of_tables
from graphdet.reports.gather import Sources, gather_rings
from graphdet.reports.pseudonyms import PREFIX, Pseudonyms, find, hide_ring, hide_rings, is_pseudonym
from graphdet.reports.ring_data import RingData
from graphdet.reports.ring_files import write_ring
from graphdet.reports.ring_json import document_text, ring_document, ring_schema
from graphdet.reports.ring_page import ring_page
from graphdet.rings.finding import with_roles
from graphdet.rings.leads import lead_table
from graphdet.tables import RingTables
from tests.reports.report_findings import make_findings

KEY = b"k" * 32
EXPLAINED = {
    "lift": 2.0,
    "reasons": [{"code": "rare", "strength": 5.0, "text": "9 of 11 rare items", "numbers": {"n": 9}}],
    "counter_evidence": [
        {"code": "halo", "strength": 2.0, "text": "Outsiders share them.", "numbers": {"lift": 4}}
    ],
    "member_reasons": {
        "u001": [
            {
                "code": "device",
                "strength": 1.0,
                "text": "Shares a device with u002.",
                "numbers": {},
                "entity_id": "d-77",
                "with": ["u002"],
                "kind": "device",
            }
        ]
    },
    "would_change": {"text": "Without u003 the score is 0.4.", "members": ["u003"], "n_members": 1},
}


def a_ring(evidence: dict | None = None) -> RingData:
    rings, scores, acts, items = make_findings()
    if evidence is not None:
        place = rings.rings.column_names.index(schema.RING_EVIDENCE)
        column = pa.array([json.dumps(evidence)] * rings.rings.num_rows)
        rings = RingTables(
            rings.rings.set_column(place, schema.RING_EVIDENCE, column), rings.members, rings.items
        )
    entities = pa.table(
        {
            "user_id": ["u001", "u002", "u003"],
            "kind": ["device"] * 3,
            "entity_id": ["d-77", "d-77", "d-9"],
            "first_ms": [1, 2, 3],
            "n": [1, 1, 1],
        }
    )
    return next(gather_rings(Sources(rings, acts, scores, items, entities), ["R0001"]))


def test_reasons_of_the_rings_are_taken_and_told() -> None:
    ring = a_ring(EXPLAINED)
    document = json.loads(document_text(ring_document(ring)))
    Draft202012Validator(ring_schema()).validate(document)
    assert document["reasons"] == EXPLAINED["reasons"]
    assert document["counter_evidence"][0] == EXPLAINED["counter_evidence"][0]
    assert document["would_change"] == EXPLAINED["would_change"]
    of = {member["user_id"]: member["reasons"] for member in document["members"]}
    assert of["u001"] == EXPLAINED["member_reasons"]["u001"]
    assert of["u002"] == []
    page = ring_page(ring)
    for text in ("9 of 11 rare items", "Without u003 the score is 0.4.", "Shares a device with u002."):
        assert text in page


def test_without_reasons_the_sentence_is_told_part_by_part() -> None:
    ring = a_ring()
    assert [reason.code for reason in ring.reasons] == ["sentence"]
    assert [entity.entity_id for entity in ring.shared] == ["d-77"]  # two members, not one
    Draft202012Validator(ring_schema()).validate(json.loads(document_text(ring_document(ring))))


def test_the_schema_is_a_schema_and_refuses_what_is_wrong() -> None:
    Draft202012Validator.check_schema(ring_schema())
    document = json.loads(document_text(ring_document(a_ring())))
    for broken in (
        {**document, "schema": "graphdet.ring/1"},
        {**document, "score": 2},
        {key: value for key, value in document.items() if key != "members"},
        {**document, "acts": [{**document["acts"][0], "at": "yesterday"}]},
    ):
        assert not Draft202012Validator(ring_schema()).is_valid(broken)


def test_pseudonyms_are_stable_keyed_and_apart_by_kind() -> None:
    names = Pseudonyms(KEY)
    assert names.of("user", "a") == Pseudonyms(KEY).of("user", "a")
    assert names.of("user", "a") != Pseudonyms(b"j" * 32).of("user", "a")
    assert len({names.of(kind, "a")[2:] for kind in PREFIX}) == len(PREFIX)
    assert all(is_pseudonym(names.of(kind, "x\ud800")) for kind in PREFIX)


def test_a_hidden_ring_names_nobody_in_any_format(tmp_path: Path) -> None:
    ring = a_ring(EXPLAINED)
    names = Pseudonyms(KEY)
    hidden = hide_ring(ring, names)
    written = write_ring(
        tmp_path, hidden, ["html", "json", "csv", "graphml", "gexf"], pseudonymised=True, has_overview=False
    )
    secret = {member.user_id for member in ring.members} | {"d-77", "s-u001", "name of"}
    secret |= {item.item_id for item in ring.items if len(item.item_id) > 2}
    for path in written:
        text = path.read_text(encoding="utf-8").replace("\\u0000", "")  # a NUL in the reason, no id
        assert not [name for name in secret if name in text], path
        assert names.of("user", "u001") in text or "items" in path.name
    document = json.loads((tmp_path / "R0001.json").read_text(encoding="utf-8"))
    Draft202012Validator(ring_schema()).validate(document)
    member = next(m for m in document["members"] if m["reasons"])
    assert member["reasons"][0]["with"] == [names.of("user", "u002")]
    assert member["reasons"][0]["entity_id"] == names.of("entity", "d-77")
    assert member["reasons"][0]["kind"] == "device"
    assert document["would_change"]["members"] == [names.of("user", "u003")]
    assert hidden.n_users == ring.n_users
    assert len(hidden.acts) == len(ring.acts)


def test_tables_are_hidden_too_and_ids_come_back_with_the_key() -> None:
    rings, _, _, _ = make_findings()
    names = Pseudonyms(KEY)
    hidden = hide_rings(rings, names)
    assert hidden.members["user_id"][0].as_py() == names.of("user", rings.members["user_id"][0].as_py())
    assert hidden.rings["evidence"].null_count == hidden.rings.num_rows
    users = rings.members["user_id"].to_pylist()
    wanted = [names.of("user", users[3]), names.of("item", "i1"), names.of("user", "never seen")]
    ids = {"user": users, "item": ["i0", "i1"]}
    found = list(find(names, wanted, lambda kind: ids.get(kind, [])))
    assert found == [(wanted[0], "user", users[3]), (wanted[1], "item", "i1")]
    assert not list(find(Pseudonyms(b"j" * 32), wanted, lambda kind: ids.get(kind, [])))


def test_a_key_is_made_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    store = f"duckdb://{tmp_path}/findings/graph.duckdb"
    path = make_key(tmp_path / "keys" / "k", store, tmp_path / "out")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_key(path, store, tmp_path / "out")) == 32
    with pytest.raises(UsageError, match="there already"):
        make_key(path, store)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "no such key file"),
        (lambda path: path.write_text("zz" * 20), "holds no key"),
        (lambda path: path.write_text("ab" * 8), "holds no key"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "holds no key"),
    ],
)
def test_a_bad_key_file_is_told(tmp_path: Path, prepare: object, message: str) -> None:
    path = tmp_path / "key"
    prepare(path)  # type: ignore[operator]
    if path.exists():
        path.chmod(0o600)
    with pytest.raises(UsageError, match=message):
        read_key(path, "neo4j://localhost")
    if path.exists() and os.name == "posix":
        path.write_text("ab" * 32)
        path.chmod(0o644)
        with pytest.raises(UsageError, match="chmod 600"):
            read_key(path, "neo4j://localhost")


def test_a_key_beside_the_store_or_among_the_findings_is_refused(tmp_path: Path) -> None:
    store = f"duckdb://{tmp_path}/graph.duckdb"
    with pytest.raises(UsageError, match="with the store"):
        make_key(tmp_path / "key", store)
    with pytest.raises(UsageError, match="among the findings"):
        make_key(tmp_path / "out" / "deep" / "key", store, tmp_path / "out")
    make_key(tmp_path / "keys" / "key", store)  # a folder of its own is well
    (tmp_path / "run.json").write_text("{}")  # now the folder is one that is handed on whole
    with pytest.raises(UsageError, match="with the store"):
        read_key(tmp_path / "keys" / "key", store)
    with pytest.raises(UsageError, match="--key-file"):
        read_key(None, store)


def test_drift_tells_new_gone_and_grown_rings_whatever_their_ids(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    assert of_folder(tmp_path) is None
    assert keep_drift(tmp_path, None, of_tables(scores, rings)) is None
    write_tables(tmp_path, *with_roles(scores, rings), lead_table(rings))
    before = of_folder(tmp_path)
    assert before == of_tables(scores, rings)  # hostile ids and all
    assert before is not None
    assert keep_drift(tmp_path, before, before) is None  # nothing changed: nothing is told, no file
    now = type(before)(
        {"X1": before.rings["R0001"] | {"new1", "new2"}, "X2": frozenset({"a", "b", "c"})},
        before.suspects | {"new1"},
    )
    drift = keep_drift(tmp_path, before, now)
    assert drift is not None
    assert drift.new == ("X2",)
    assert [old for old, _ in drift.gone] == ["R0002"]
    assert [(k.before, k.now, k.n_before, k.n_now, k.joined, k.left) for k in drift.changed] == [
        ("R0001", "X1", 10, 12, 2, 0)
    ]
    assert (drift.new_suspects, drift.gone_suspects) == (1, 0)
    bytes_then = (tmp_path / "drift.json").read_bytes()
    assert keep_drift(tmp_path, now, now) == drift  # the same findings again: the same is told
    assert (tmp_path / "drift.json").read_bytes() == bytes_then


def test_of_two_that_could_be_one_the_more_alike_is() -> None:
    kind = type(of_tables(*[make_findings()[k] for k in (1, 0)]))
    before = kind({"A": frozenset("abcd"), "B": frozenset("abefgh")}, frozenset())
    now = kind({"N": frozenset("abefg")}, frozenset())
    drift = compare_findings(before, now)
    assert [(k.before, k.now) for k in drift.kept] == [("B", "N")]
    assert drift.gone == (("A", 4),)


def test_the_digest_of_a_model_sees_any_changed_byte(tmp_path: Path) -> None:
    assert model_digest(tmp_path) is None
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "b.safetensors").write_bytes(b"\x00\x01")
    first = model_digest(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"\x00\x02")
    assert first != model_digest(tmp_path)


def test_pdf_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(GraphdetError, match=r"graphdet\[pdf\]"):
        write_ring(tmp_path, a_ring(), ["pdf"])
    assert not list(tmp_path.iterdir())
