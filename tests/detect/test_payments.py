"""Forms of payments as findings: who, how much, when, why, and in which logs they are looked for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from graphdet.arrays import Float
from graphdet.config import parse_config
from graphdet.detect.bursts import burst_members
from graphdet.detect.payments import payment_evidence, payment_findings
from graphdet.graph.encode import read_graph
from graphdet.progress import Silent
from graphdet.rings.finding import RingFinding, ring_findings_of, ring_tables
from graphdet.store.duckdb import DuckDBStore
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest

N_ACCOUNTS, PER = 120, 25
BASIC = {"user_id": "from", "item_id": "to", "timestamp": "day", "amount": "amount"}
PAYEE = {"user_id": "from", "payee": "to", "timestamp": "day", "amount": "amount"}


def payments(path: Path, name: str) -> Path:
    """Payments of anybody to anybody, and of 12 accounts 234.08 each to account 7; ids begin with `name`."""
    rng = np.random.default_rng(4)
    payer = np.repeat(np.arange(N_ACCOUNTS), PER)
    payee = (payer + rng.integers(1, N_ACCOUNTS, len(payer))) % N_ACCOUNTS
    day = np.datetime64("2020-01-01") + rng.integers(0, 300, len(payer)).astype("timedelta64[D]")
    amount = rng.lognormal(5, 1, len(payer))
    rows = [f"{name}{a},{name}{b},{d},{x:.2f}" for a, b, d, x in zip(payer, payee, day, amount, strict=True)]
    rows += [f"{name}{50 + k},{name}7,2020-05-{k + 1:02},234.08" for k in range(12)]
    path.write_text("\n".join(["from,to,day,amount", *rows]) + "\n")
    return path


def found(
    folder: Path, columns: Mapping[str, str], name: str = "a"
) -> tuple[tuple[RingFinding, ...], Float | None, GraphArrays]:
    """The forms of payments of such a log, the evidence of its users, and its graph."""
    store = DuckDBStore(folder / "graph.duckdb")
    try:
        config = parse_config({"columns": dict(columns), "time": {"unit": "day"}}, name="test", where="here")
        ingest(store, [payments(folder / "payments.csv", name)], config)
        graph = read_graph(store, Silent())
        findings = payment_findings(store, graph, 0.05)
        return findings, payment_evidence(store, graph, findings), graph
    finally:
        store.close()


@pytest.mark.parametrize(("columns", "name"), [(BASIC, "a"), (PAYEE, "a"), (PAYEE, "")])
def test_one_amount_from_many_is_a_finding(tmp_path: Path, columns: Mapping[str, str], name: str) -> None:
    findings, evidence, graph = found(tmp_path, columns, name)
    (fan,) = [finding for finding in findings if finding.flagged]
    assert (fan.kind, fan.n_users, fan.n_items) == ("fan_in", 13, 1)
    assert fan.user_ids == {f"{name}{k}" for k in (7, *range(50, 62))}
    assert fan.item_ids == {f"{name}7"}
    assert fan.reason is not None
    assert fan.reason.startswith("12 accounts pay 234.08 each to one account within ")
    assert (fan.first_seen, fan.last_seen) == ("2020-05-01T00:00:00.000Z", "2020-05-12T00:00:00.000Z")
    sure, place = burst_members(findings, graph)
    assert {graph.user_ids[row].as_py() for row in np.flatnonzero(sure >= 0.5)} == fan.user_ids
    assert set(place[sure >= 0.5]) == {findings.index(fan)}
    assert evidence is not None
    assert {graph.user_ids[row].as_py() for row in np.argsort(-evidence[:, 0])[:13].tolist()} == fan.user_ids
    again = ring_findings_of(ring_tables(findings))
    assert [each.kind for each in again] == [each.kind for each in findings]
    assert all(each.held_back for each in again if not each.flagged)


@pytest.mark.parametrize(
    ("columns", "name"),
    [(BASIC, ""), ({key: value for key, value in BASIC.items() if key != "amount"}, "a")],
    ids=["whole numbers", "no amounts"],
)
def test_other_logs_are_left_alone(tmp_path: Path, columns: Mapping[str, str], name: str) -> None:
    findings, evidence, _ = found(tmp_path, columns, name)
    assert findings == ()
    assert evidence is None
