"""Labels for other systems: each form keeps its contract, and nobody is in them who may be innocent."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from graphdet.audit import utc_now
from graphdet.casework.decisions import give_verdict, put_on_list
from graphdet.ports import Store
from graphdet.reports.labels_out import LABEL_FORMS
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingMember, ring_tables
from graphdet.store import open_store
from graphdet.verbs.export_labels import accused, export_labels
from tests.cli.command_line import assert_one_clear_message, inside, url_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SCHEMAS = {
    "osprey": "label-event-1",
    "marble": "decisions-1",
    "stix": "stix-bundle-1",
    "csv": "account-list-1",
}
FIRM = ("u0", "u1", "O'Brien \\ =1+1", "judged-later", "allowed-later")
FLAGGED = (*FIRM, "bystander", "chance", "both", "alone", "of-innocent-ring", "denied")


def ring(ring_id: str, members: dict[str, str], flagged: bool = True) -> RingFinding:
    reasons = {
        user: (
            Reason("first_acts", f"Acted on 9 of 10 targets of {ring_id}."),
            Reason("membership", "Says its part.", numbers={"role": role}),
        )
        for user, role in members.items()
    }
    return RingFinding(
        ring_id, len(members), 0, 0.95, 0.001, 0.01, flagged, None, None, "In step.",
        explanation=Explanation(member_reasons=reasons), members=tuple(RingMember(user, 0.9) for user in members),
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    target = open_store(url_of(tmp_path))
    one = dict.fromkeys(FIRM, "core") | {"bystander": "bystander", "chance": "chance", "both": "bystander"}
    rings = [
        ring("R0001", one),
        ring("R0002", {"both": "fringe"}),
        ring("R0003", {"of-innocent-ring": "core", "u9": "core"}),
    ]
    users = [*FLAGGED, "clean"]
    in_ring = {member.user_id: one.ring_id for one in rings for member in one.members}
    columns: dict[str, list[Any]] = {
        "user_id": users,
        "flagged": [True] * len(FLAGGED) + [False],
        "ring_id": [in_ring.get(user) for user in users],
        "reason": ["It does much by itself."] * len(users),
    }
    numbers = ("score", "p_value", "q_value", "gnn", "cluster_distance", "probability")
    columns |= {name: [0.97 - 0.01 * row for row in range(len(users))] for name in numbers}
    target.write_scores(pa.table(columns))
    target.write_rings(ring_tables(rings))
    give_verdict(target, "user", "judged-later", "innocent", "data-error", "", "Ann")
    give_verdict(target, "ring", "R0003", "innocent", "fan-club", "", "Ann")
    put_on_list(target, "allow", ["allowed-later"], remove=False, until=None, note="", who="Ann")
    put_on_list(target, "deny", ["denied"], remove=False, until=None, note="", who="Ann")
    yield target
    target.close()


def documents(form: str, path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    if form == "osprey":
        return [json.loads(line) for line in text.splitlines()]
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(text)]


def check(form: str, found: list[Any]) -> None:
    file = resources.files("graphdet.reports") / "schemas" / f"{SCHEMAS[form]}.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for document in found:
        jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


def test_weak_innocent_and_allowed_accounts_are_nobodys_to_label(store: Store) -> None:
    found, left_out = accused(store, utc_now())
    assert [one.user_id for one in found] == ["u0", "u1", "O'Brien \\ =1+1", "both", "alone", "denied"]
    assert left_out == {
        "weak members": 2,
        "in rings judged innocent or snoozed": 1,
        "judged innocent or allowed": 2,
    }
    by_id = {one.user_id: one for one in found}
    assert by_id["both"].ring_id == "R0002"  # where it is no bystander
    assert by_id["alone"].reasons == (("score", "It does much by itself."),)
    assert by_id["denied"].decided


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_each_form_keeps_its_contract_and_takes_labels_off(store: Store, tmp_path: Path, form: str) -> None:
    first, then = tmp_path / "first", tmp_path / "then"
    when = utc_now()
    written = export_labels(store, form, first, when, days=7)
    assert (written.n_added, written.n_removed) == (6, 0)
    before = documents(form, first)
    check(form, before)
    text = first.read_text(encoding="utf-8")
    assert not any(name in text for name in ("bystander", "chance", "judged-later", "allowed-later", "clean"))
    give_verdict(store, "user", "u1", "innocent", "data-error", "", "Ann")
    written = export_labels(store, form, then, when + timedelta(days=1), previous=first)
    assert (written.n_added, written.n_removed) == (5, 1)
    after = documents(form, then)
    check(form, after)
    until = (when + timedelta(days=7)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert text.count(until) == 6
    if form == "marble":
        for one in before[0]["decisions"]:
            assert sum(rule["score_modifier"] for rule in one["rules"]) == one["score"]
        outcomes = {one["trigger_object"]["object_id"]: one["outcome"] for one in after[0]["decisions"]}
        assert (outcomes["u0"], outcomes["denied"], outcomes["u1"]) == (
            "review",
            "block_and_review",
            "approve",
        )
    elif form == "stix":
        was, now = ({one["id"]: one for one in each[0]["objects"]} for each in (before, after))
        assert was.keys() == now.keys()
        assert [one["name"] for one in now.values() if one.get("revoked")] == ["Account u1"]
        assert all(one["created"] == was[name]["created"] for name, one in now.items())
        assert any(
            one.get("pattern") == r"[user-account:user_id = 'O\'Brien \\ =1+1']" for one in now.values()
        )
    elif form == "osprey":
        assert {one["entity"]["id"] for one in before} >= {"O'Brien \\ =1+1", "both"}
        assert [one["entity"]["id"] for one in after if one["status"] == "removed"] == ["u1"]
    else:
        assert [row["account_id"] for row in after if row["status"] == "removed"] == ["u1"]
    # What was taken off once is not taken off again.
    assert export_labels(store, form, first, when, previous=then).n_removed == 0


def test_a_broken_contract_is_seen() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check("osprey", [{"schema": "graphdet.label_event/1"}])
    with pytest.raises(jsonschema.ValidationError):
        check("csv", [{"account_id": "u"}])


def test_the_command_notes_it_and_refuses_in_words(store: Store, tmp_path: Path) -> None:
    store.close()
    url, out = url_of(tmp_path), tmp_path / "labels.jsonl"
    done = inside("export-labels", "--format", "osprey", "--out", out, "--store", url, "--by", "Bo")
    assert done.returncode == 0, done.stderr
    assert "6 accounts labelled until" in done.stdout
    assert "2 weak members" in done.stdout
    last = json.loads(inside("audit", "show", "--store", url, "--json").stdout)["entries"][-1]
    assert (last["who"], last["what"]) == ("Bo", "labels")
    no_form = inside("export-labels", "--format", "misp", "--out", out, "--store", url)
    assert_one_clear_message(no_form, 2, "there is no form 'misp'", "stix")
    other = inside("export-labels", "--format", "stix", "--out", out, "--store", url, "--previous", out)
    assert_one_clear_message(other, 3, "is no stix file")
    late = inside("export-labels", "--format", "csv", "--out", out, "--store", url, "--days", "0")
    assert_one_clear_message(late, 2, "--days must be above 0")
