"""Ids of every kind through a whole run: nothing is lost, nothing breaks out of its file, nothing runs."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import networkx
import pytest

from graphdet.sheets import original
from tests.cli.command_line import inside
from tests.helpers.serving_world import World
from tests.zoo.hostile import N_NUL, HostileRun

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file, strict=True))
    # They are safe in a spreadsheet; the exact text is one apostrophe away.
    return [{name: original(text) for name, text in row.items()} for row in found]


class Tags(HTMLParser):
    """The tags and attributes a browser would see."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}


def test_the_tables_hold_every_id_as_it_is(hostile_world: HostileRun) -> None:
    out = hostile_world.out
    suspects = rows(out / "suspects.csv")
    assert len(suspects) == len(hostile_world.user_ids)
    assert {row["user_id"] for row in suspects} == hostile_world.user_ids
    members, items = rows(out / "ring_members.csv"), rows(out / "ring_items.csv")
    assert {row["user_id"] for row in members} <= hostile_world.user_ids
    assert {row["item_id"] for row in items} <= hostile_world.item_ids
    assert len(members) > 10
    rejected = rows(out / "rejects.csv")
    assert [row["reason"] for row in rejected] == ["NUL character in user_id"] * N_NUL


def test_ring_pages_reopen_with_the_same_ids(hostile_world: HostileRun) -> None:
    out = hostile_world.out
    flagged = [row["ring_id"] for row in rows(out / "rings.csv") if row["flagged"] == "true"]
    assert flagged
    for ring in flagged:
        mine = [row["user_id"] for row in rows(out / "ring_members.csv") if row["ring_id"] == ring]
        document = json.loads((out / "rings" / f"{ring}.json").read_text(encoding="utf-8"))
        assert {member["user_id"] for member in document["members"]} == set(mine)
        graph = networkx.read_graphml(out / "rings" / f"{ring}.graphml")
        users = {d["id_in_log"] for _, d in graph.nodes(data=True) if d["kind"] == "user"}
        assert users == set(mine)


def test_pages_hold_no_markup_of_the_log(hostile_world: HostileRun) -> None:
    pages = [hostile_world.out / "report.html", *sorted((hostile_world.out / "rings").glob("*.html"))]
    assert len(pages) >= 2
    for path in pages:
        page = Tags(path)
        assert not page.tags & {"iframe", "object", "embed", "form", "base", "img", "link"}
        assert not {name for name in page.names if name.startswith("on")}
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "\u202e" not in text  # shown as an escape: it could turn the words after it around


def test_the_terminal_and_json_are_safe(hostile_world: HostileRun) -> None:
    url = f"duckdb:{hostile_world.out}/graph.duckdb"
    shown = inside("suspects", "--store", url, "--all", "--limit", "2000")
    assert shown.returncode == 0
    assert "\u202e" not in shown.stdout
    document = json.loads(inside("suspects", "--store", url, "--all", "--limit", "100000", "--json").stdout)
    assert {row["user_id"] for row in document["suspects"]} == hostile_world.user_ids
    some = sorted(hostile_world.user_ids)[:: len(hostile_world.user_ids) // 20]
    for user in some:  # an id as a parameter is a value, never a part of the query
        done = inside("query", "co-actors", "--store", url, "-p", f"user_id={user}", "--json")
        assert done.returncode == 0, done.stderr


@pytest.mark.neo4j
def test_neo4j_gives_the_same_findings(
    hostile_world: HostileRun, trained_world: World, neo4j_url: str, tmp_path: Path
) -> None:
    """Of one model: learning does not know which store it is."""
    here, there = hostile_world.out, tmp_path / "neo4j"
    words = ("--config", "simulated", "--model", trained_world.model, "--seed", "1", "--store", neo4j_url)
    done = inside("run", hostile_world.log, *words, "--out", there)
    assert done.returncode == 0, done.stderr
    assert any(row["flagged"] == "true" for row in rows(here / "rings.csv"))
    for name in ("suspects.csv", "rings.csv", "ring_members.csv", "ring_items.csv", "rejects.csv"):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    one, two = (sorted((out / "rings").glob("*")) for out in (there, here))
    assert [path.name for path in one] == [path.name for path in two]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))
