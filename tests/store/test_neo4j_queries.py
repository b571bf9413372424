"""Saved queries in the real Neo4j: found by indexes, and what Browser shows of nodes; the guide's server."""

from collections.abc import Iterator

import pytest

from graphdet.errors import UsageError
from graphdet.store.neo4j import Neo4jStore, saved, server
from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.guide import case_of
from graphdet.store.neo4j.home import USERNAME
from graphdet.store.neo4j.statements import text_literal
from tests.store.query_conformance import fill
from tests.store.sample_logs import SCORES, findings, score_row, table

pytestmark = pytest.mark.neo4j
IDS = {"ring_id": "ring-1", "user_id": "u0", "other_id": "u1", "item_id": "i0"}
# Nodes of these labels are as many as people write, not as the log has.
SMALL = {"Verdict"}


@pytest.fixture
def store(neo4j_url: str) -> Iterator[Neo4jStore]:
    opened = Neo4jStore(neo4j_url, bulk=False)
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(neo4j_server: server.ServerInfo) -> Iterator[Client]:
    opened = Client(neo4j_server.url, USERNAME, neo4j_server.password_file.read_text().strip())
    yield opened
    opened.close()


def shown(client: Client, label: str, key: str) -> dict[str, tuple[str, str]]:
    rows = client.rows(f"MATCH (n:{label}) RETURN n.{key} AS id, n.displayName AS name, n.riskBand AS band")
    return {row["id"]: (row["name"], row["band"]) for row in rows}


def test_nodes_have_a_name_and_a_band_that_every_run_makes_anew(store: Neo4jStore, client: Client) -> None:
    assert shown(client, "Ring", "ringId") == {"ring-1": ("ring-1", "high"), "ring-2": ("ring-2", "low")}
    assert shown(client, "Suspect", "userId") == {user: (user, "high") for user in ("u0", "u1", "u4")}
    users = shown(client, "User", "userId")
    assert (users["u2"][1], users["u5"]) == ("medium", ("u5", "none"))
    items = {key: band for key, (_, band) in shown(client, "Item", "itemId").items()}
    assert items == {"i0": "high", "i1": "high", "i2": "low", "i9": "none"}
    assert shown(client, "Device", "entityId") == {"d1": ("device d1", "high")}
    assert shown(client, "Ip", "entityId") == {"10.0.0.1": ("ip 10.0.0.1", "medium")}

    _, _, rings = findings()
    only = type(rings)(rings.rings.slice(0, 1), rings.members.slice(0, 1), rings.items.slice(2, 1))
    store.write_rings(only)
    store.write_scores(table([score_row("u5", 0.0, False, None) | {"q_value": 1.0}], SCORES))
    items = {key: band for key, (_, band) in shown(client, "Item", "itemId").items()}
    assert items == {"i0": "none", "i1": "none", "i2": "low", "i9": "none"}
    assert {band for _, band in shown(client, "User", "userId").values()} == {None, "none"}
    assert shown(client, "Device", "entityId") == {"d1": ("device d1", "none")}


@pytest.mark.parametrize("name", saved.cypher_titles())
def test_queries_start_from_an_index_or_the_counts_that_the_database_keeps(
    store: Neo4jStore, client: Client, name: str
) -> None:
    client.rows("CALL db.awaitIndexes(60)")
    known = {key: value for key, value in IDS.items() if f"${key}" in saved.statement_text(name)}
    statement, parameters = saved.statement_of(name, known)
    plan = client.write(lambda tx: tx.run(f"EXPLAIN {statement}", parameters).consume().plan)
    todo, scans = [plan], []
    while todo:
        one = todo.pop()
        todo += one.get("children", ())
        kind = one["operatorType"].partition("@")[0]
        if kind.endswith("Scan") and "Index" not in kind:
            scans.append((kind, one.get("args", {}).get("Details", "")))
    assert [
        scan for scan in scans if not any(f":{label}" in scan[1] for label in SMALL)
    ] == [] or name == "counts"


def test_the_drawing_of_a_ring_says_what_is_cut(store: Neo4jStore, client: Client) -> None:
    def drawn(**changes: int) -> tuple[str, int]:
        columns, rows = client.table(*saved.statement_of("draw-ring", {"ring_id": "ring-1", **changes}))
        (said,) = {row[columns.index("shown")] for row in rows}
        return said, len(rows)

    assert drawn() == ("3 of 3 members, 2 of 2 items, 1 of 1 devices and the like that these share", 2 + 6)
    assert drawn(max_members=1) == (
        "1 of 3 members, 2 of 2 items, 0 of 0 devices and the like that these share",
        2,
    )


@pytest.mark.parametrize("text", ["it's", "\\u0027", "back\\slash", "two\nlines", "\u202e", "🛒 x"])
def test_literals_read_back(store: Neo4jStore, client: Client, text: str) -> None:
    assert client.rows(f"RETURN {text_literal(text)} AS text") == [{"text": text}]


def test_the_guide_is_about_the_most_suspicious_flagged_ring(store: Neo4jStore) -> None:
    case = case_of(store)
    assert (case.ring_id, case.user_id, case.other_id, case.flagged) == ("ring-1", "u0", "u1", True)
    assert case_of(store, "ring-2").user_id == "u3"
    with pytest.raises(UsageError, match="no ring 'R9'"):
        case_of(store, "R9")
