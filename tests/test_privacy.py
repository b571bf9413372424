"""Ids under a key, and texts without ids."""

import hashlib
import hmac
import json
import os
from pathlib import Path

import duckdb
import pytest

from graphdet.errors import UsageError
from graphdet.privacy import (
    NO_LONGER,
    Scrub,
    digest_of_id,
    digest_sql,
    pseudonym,
    pseudonym_sql,
    read_key_file,
)


@pytest.mark.parametrize("key", [b"k", bytes(range(64)), b"long" * 40])
def test_digests_are_hmac_in_python_and_in_sql(key: bytes) -> None:
    ids = ["ann", "", "漢字 '\"", "x" * 1000]
    wanted = f"{digest_sql(key, 'user_id', 'id')}, {pseudonym_sql(key, 'device', 'id')}"
    sql = f"SELECT {wanted} FROM (SELECT unnest(?) AS id)"
    found = duckdb.connect().execute(sql, [ids]).fetchall()
    for text, (in_sql, name) in zip(ids, found, strict=True):
        wanted = hmac.new(key, b"user_id\x00" + text.encode(), hashlib.sha256).hexdigest()
        assert digest_of_id(key, "user_id", text) == in_sql == wanted
        assert pseudonym(key, "device", text) == name
        assert name.startswith("device-")


def test_another_kind_has_another_pseudonym_and_null_stays_null() -> None:
    assert pseudonym(b"k", "user_id", "7")[2:] != pseudonym(b"k", "item_id", "7")[2:]
    assert duckdb.connect().execute(
        f"SELECT {pseudonym_sql(b'k', 'user_id', 'NULL::VARCHAR')}"
    ).fetchone() == (None,)


def test_a_name_goes_out_of_texts_and_parts_of_other_names_stay() -> None:
    scrub = Scrub(["ann", "17", "4711"])
    assert scrub.text("ann, ann's friend and (ann). See ann.") == (
        f"{NO_LONGER}, {NO_LONGER}'s friend and ({NO_LONGER}). See {NO_LONGER}."
    )
    for other in ("annette", "ann-2", "joann", "ann.smith", "anna", "ann_1", "47110"):
        assert scrub.text(f"of {other} here") == f"of {other} here"
    assert scrub.text("17 of 4711 acts") == f"17 of {NO_LONGER} acts"  # a short number is a count
    assert scrub.text("17") == NO_LONGER


def test_a_document_loses_entries_about_the_account_and_keeps_the_rest_byte_for_byte() -> None:
    scrub = Scrub(["ann", 'é"x'])
    document = {
        "members": ["ann", "bob", 'é"x'],
        "member_reasons": {"ann": [{"text": "x"}], "bob": []},
        "n": {"ann": 1},
        "rows": [{"user_id": "ann", "n": 1}, {"user_id": "bob", "n": 2}],
        "reason": "bob acts with ann",
        "user": "ann",
    }
    for ascii_only in (True, False):
        clean = json.loads(scrub.document(json.dumps(document, ensure_ascii=ascii_only)))
        assert clean == {
            "members": ["bob"],
            "member_reasons": {"bob": []},
            "n": {"ann": 1},  # keys of other documents are words of ours, whatever an account is called
            "rows": [{"user_id": "bob", "n": 2}],
            "reason": f"bob acts with {NO_LONGER}",
            "user": NO_LONGER,
        }
    same = '{"a" :  "annex"}'
    assert scrub.document(same) == same


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("ab" * 32 + "\n")
    os.chmod(path, 0o600)
    assert read_key_file(path) == b"\xab" * 32
    os.chmod(path, 0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        read_key_file(path)
    os.chmod(path, 0o600)
    path.write_text("ab" * 4)
    with pytest.raises(UsageError, match="32 or more hexadecimal"):
        read_key_file(path)
    with pytest.raises(UsageError, match="no such key file"):
        read_key_file(tmp_path / "none")
