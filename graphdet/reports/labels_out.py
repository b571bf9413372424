"""Accounts that are flagged, as labels for the systems that act on them: events, decisions, a STIX bundle, a CSV list.

Each form is described by a JSON Schema in `schemas/`. Ids are exactly those of the log: these files are for programs.
"""

import csv
import io
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from graphdet import __version__
from graphdet.errors import InputError
from graphdet.files import explain_os_error, half_pairs_escaped, plain

SUSPECT_LABEL = "graphdet-suspect"
ACCOUNT_COLUMNS = ("account_id", "label", "status", "confidence", "ring_id", "reasons", "expires_at")
_ENTITY_TYPE = "User"
_ADDED, _REMOVED = "added", "removed"
_NO_LONGER = {
    "code": "no_longer_flagged",
    "text": "The account was labelled before and is not flagged any more.",
}
_STIX_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:graphdet:stix")
StixObject = dict[str, Any]


@dataclass(frozen=True)
class LabelledAccount:
    """An account that is flagged, and on what that rests.

    membership: how sure its membership in ring_id is, in [0, 1]; None where no ring is what flags it. reasons: (code,
    words), as the ring has them. decided: whether an analyst said so (judged guilty, or on the deny list).
    """

    user_id: str
    score: float
    q_value: float | None
    ring_id: str | None
    kind: str | None
    membership: float | None
    reasons: tuple[tuple[str, str], ...]
    decided: bool


@dataclass(frozen=True)
class LabelSheet:
    """What is handed on: accounts to label until `expires_at`, and ids whose label is to be taken off. Times in UTC.

    earlier: the objects of the STIX bundle before, by id; a changed object keeps when it was created.
    """

    accounts: Sequence[LabelledAccount]
    removed: Sequence[str]
    made_at: datetime
    expires_at: datetime
    earlier: Mapping[str, StixObject]


def label_events(sheet: LabelSheet) -> str:
    """JSON lines of label-event-1.schema.json, one an account: what Osprey calls the mutation of an entity's label."""
    lines = [
        {
            **_event(one.user_id, _ADDED, sheet),
            "reasons": [{"code": code, "text": text} for code, text in one.reasons],
            "confidence": one.score,
            "expires_at": _time(sheet.expires_at),
            "ring_id": one.ring_id,
            "kind": one.kind,
        }
        for one in sheet.accounts
    ] + [
        {
            **_event(user_id, _REMOVED, sheet),
            "reasons": [_NO_LONGER],
            "confidence": None,
            "expires_at": None,
            "ring_id": None,
            "kind": None,
        }
        for user_id in sheet.removed
    ]
    return "".join(_json(line) + "\n" for line in lines)


def _event(user_id: str, status: str, sheet: LabelSheet) -> StixObject:
    return {
        "schema": "graphdet.label_event/1",
        "entity": {"type": _ENTITY_TYPE, "id": user_id},
        "label": SUSPECT_LABEL,
        "status": status,
        "at": _time(sheet.made_at),
    }


def label_decisions(sheet: LabelSheet) -> str:
    """One JSON document of decisions-1.schema.json, as Marble has decisions: score, outcome, rules that were hit.

    The rules' modifiers, whole hundredths, sum to the score. A person is asked (`review`) unless one decided already.
    """
    decisions = [_decision(one, sheet) for one in sheet.accounts]
    decisions += [
        {
            "trigger_object_type": "account",
            "trigger_object": {"object_id": user_id},
            "score": 0,
            "outcome": "approve",
            "rules": [],
            "valid_until": None,
        }
        for user_id in sheet.removed
    ]
    whole = {"schema": "graphdet.decisions/1", "created_at": _time(sheet.made_at), "decisions": decisions}
    return _json(whole, indent=1) + "\n"


def _decision(one: LabelledAccount, sheet: LabelSheet) -> StixObject:
    score = round(100 * one.score)
    by_ring = min(score, round(100 * (one.membership or 0.0)))
    why = _sentences(one)
    rules = []
    if one.membership is not None:
        rules.append(_rule(f"member_of_{one.kind}", why, by_ring))
    if score > by_ring or one.membership is None:
        alone = "What the account does by itself." if one.membership is not None else why
        rules.append(_rule("own_behaviour", alone, score - by_ring))
    if one.decided:
        rules.append(
            _rule("decided_by_analyst", "An analyst judged it guilty or put it on the deny list.", 0)
        )
    return {
        "trigger_object_type": "account",
        "trigger_object": {"object_id": one.user_id},
        "score": score,
        "outcome": "block_and_review" if one.decided else "review",
        "rules": rules,
        "valid_until": _time(sheet.expires_at),
    }


def _rule(name: str, description: str, modifier: int) -> StixObject:
    return {"name": name, "description": description, "outcome": "hit", "score_modifier": modifier}


def label_bundle(sheet: LabelSheet) -> str:
    """A bundle of STIX 2.1 (stix-bundle-1.schema.json): an identity that says who, and an indicator an account.

    An account has the same id in every bundle; one whose label is taken off is there as revoked.
    """
    now = _time(sheet.made_at)
    who = f"identity--{uuid.uuid5(_STIX_SPACE, 'graphdet')}"
    objects: list[StixObject] = [
        _stix("identity", who, now, sheet)
        | {"name": "graphdet", "identity_class": "system", "description": f"graphdet {__version__}"}
    ]
    for one in sheet.accounts:
        indicator = _indicator_id(one.user_id)
        objects.append(
            _stix("indicator", indicator, now, sheet)
            | {
                "created_by_ref": who,
                "name": f"Account {one.user_id}",
                "description": _sentences(one),
                "indicator_types": ["anomalous-activity"],
                "labels": [SUSPECT_LABEL],
                "pattern": _pattern(one.user_id),
                "pattern_type": "stix",
                "valid_from": now,
                "valid_until": _time(sheet.expires_at),
                "confidence": round(100 * one.score),
            }
        )
    for user_id in sheet.removed:
        indicator = _indicator_id(user_id)
        objects.append({**sheet.earlier[indicator], "modified": now, "revoked": True})
    bundle = {
        "type": "bundle",
        "id": f"bundle--{uuid.uuid5(_STIX_SPACE, _json(objects))}",
        "objects": objects,
    }
    return _json(bundle, indent=1) + "\n"


def _stix(kind: str, name: str, now: str, sheet: LabelSheet) -> StixObject:
    created = sheet.earlier.get(name, {}).get("created", now)
    return {"type": kind, "spec_version": "2.1", "id": name, "created": created, "modified": now}


def _indicator_id(user_id: str) -> str:
    return f"indicator--{uuid.uuid5(_STIX_SPACE, user_id)}"


def _sentences(one: LabelledAccount) -> str:
    return " ".join(text.rstrip(".") + "." for _, text in one.reasons)


def _pattern(user_id: str) -> str:
    r"""The STIX pattern of an account.

    >>> print(_pattern("O'Brien\\"))
    [user-account:user_id = 'O\'Brien\\']
    """
    escaped = user_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"[user-account:user_id = '{escaped}']"


def label_list(sheet: LabelSheet) -> str:
    """CSV with a row an account (account-list-1.schema.json); ids as they are, so it is no file for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ACCOUNT_COLUMNS)
    until = _time(sheet.expires_at)
    for one in sheet.accounts:
        why = _sentences(one)
        writer.writerow(
            [one.user_id, SUSPECT_LABEL, _ADDED, f"{one.score:.9g}", one.ring_id or "", why, until]
        )
    for user_id in sheet.removed:
        writer.writerow([user_id, SUSPECT_LABEL, _REMOVED, "", "", _NO_LONGER["text"], ""])
    return out.getvalue()


LABEL_FORMS: Mapping[str, Callable[[LabelSheet], str]] = {
    "osprey": label_events,
    "marble": label_decisions,
    "stix": label_bundle,
    "csv": label_list,
}


def labelled_before(path: Path, form: str) -> tuple[list[str], dict[str, StixObject]]:
    """The accounts that a file of an earlier time labelled, in its order, and of a STIX bundle its objects by id.

    Raises:
        InputError: it cannot be read, or is no file of that form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise explain_os_error(error, path) from error
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is no text in UTF-8; give the {form} file that was written before"
        ) from None
    try:
        return _BEFORE[form](text)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise InputError(
            f"{path} is no {form} file of graphdet export-labels; give the one written before"
        ) from None


def _events_before(text: str) -> tuple[list[str], dict[str, StixObject]]:
    events = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [one["entity"]["id"] for one in events if one["status"] == _ADDED], {}


def _decisions_before(text: str) -> tuple[list[str], dict[str, StixObject]]:
    decisions = json.loads(text)["decisions"]
    return [one["trigger_object"]["object_id"] for one in decisions if one["outcome"] != "approve"], {}


def _bundle_before(text: str) -> tuple[list[str], dict[str, StixObject]]:
    objects = {one["id"]: one for one in json.loads(text)["objects"]}
    live = [one for one in objects.values() if one["type"] == "indicator" and not one.get("revoked")]
    return [one["name"].removeprefix("Account ") for one in live], objects


def _list_before(text: str) -> tuple[list[str], dict[str, StixObject]]:
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not text.startswith(",".join(ACCOUNT_COLUMNS)):
        raise ValueError
    return [row["account_id"] for row in rows if row["status"] == _ADDED], {}


_BEFORE = {
    "osprey": _events_before,
    "marble": _decisions_before,
    "stix": _bundle_before,
    "csv": _list_before,
}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(document: Any, indent: int | None = None) -> str:
    return half_pairs_escaped(json.dumps(plain(document), ensure_ascii=False, indent=indent))
