"""The worlds: real logs, and one with campaigns of another generator, each with what is known of its users."""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb

from benchmarks.cases.yelpchi import read_reviews

Groups = dict[str, frozenset[str]]

RING, UNION, MEMBERS, BURST, UNKNOWN = (
    "ring",
    "union of rings",
    "list of members",
    "burst on one item",
    "no labels",
)
UNITS = {
    "aml_gentex_1k": RING,
    "aml_sim_v2": RING,
    "cartel_japan": UNION,
    "cartel_usa": RING,
    "ghost_stars": RING,
    "hop": RING,
    "rush_nft": MEMBERS,
    "star_bursts": BURST,
    "vk": RING,
}
PAYMENTS = ("aml_gentex_1k", "aml_sim_v2")


@dataclass(frozen=True)
class World:
    """A log, its config, and the truth of its users.

    unit: what one of `rings` is; only of RING and BURST the parts are known. users: all that act in the log; those of
    `unsure` are left out of every count, and a member without an act is none. communities: groups of innocents that
    belong together. levels: the ring's level of difficulty, where there are such.
    """

    name: str
    log: Path
    config: str
    unit: str
    users: frozenset[str]
    rings: Groups = field(default_factory=dict)
    communities: Groups = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()
    levels: dict[str, str] = field(default_factory=dict)

    @cached_property
    def known(self) -> frozenset[str]:
        """The users that are counted."""
        return self.users - self.unsure

    @cached_property
    def guilty(self) -> frozenset[str]:
        """The members of any ring."""
        return frozenset().union(*self.rings.values())


def users_of(log: Path, column: str) -> frozenset[str]:
    """The ids in a column of a log with named columns, Parquet or CSV."""
    source = f"'{log}'" if log.suffix == ".parquet" else f"read_csv('{log}', all_varchar = true)"
    rows = duckdb.sql(
        f'SELECT DISTINCT CAST("{column}" AS VARCHAR) FROM {source} WHERE "{column}" IS NOT NULL'
    )
    return frozenset(row[0] for row in rows.fetchall())


def grouped(path: Path, group: str, users: frozenset[str]) -> dict[str, Groups]:
    """The groups of a truth.csv by their kind; only members that act in the log, no empty group."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["user_id"] in users:
                found[row["kind"]][row[group]].add(row["user_id"])
    return {kind: {name: frozenset(its) for name, its in groups.items()} for kind, groups in found.items()}


def listed_world(data: Path, name: str) -> World:
    """A world of the folder worlds/: log.parquet, truth.csv, config.toml, and in some unsure.csv."""
    folder = data / "worlds" / name
    users = users_of(folder / "log.parquet", "user_id")
    groups = grouped(folder / "truth.csv", "ring_id", users)
    unsure = folder / "unsure.csv"
    return World(
        name,
        folder / "log.parquet",
        str(folder / "config.toml"),
        UNITS[name],
        users,
        groups.get("ring", {}),
        groups.get("innocent_group", {}),
        frozenset(unsure.read_text(encoding="utf-8").split()[1:]) if unsure.exists() else frozenset(),
    )


def foreign_globo(data: Path) -> World:
    """Globo's clicks with fifteen campaigns of another generator, three of each level."""
    folder = data / "foreign" / "globo"
    users = users_of(folder / "log.parquet", "user_id")
    by_level = grouped(folder / "truth.csv", "ring_id", users)
    rings = {name: its for groups in by_level.values() for name, its in groups.items()}
    levels = {name: level for level, groups in by_level.items() for name in groups}
    return World(
        "foreign_globo",
        folder / "log.parquet",
        str(folder / "config.toml"),
        RING,
        users,
        rings,
        levels=levels,
    )


def yelpchi(data: Path) -> World:
    """Reviews of Chicago's hotels and restaurants; who has any review that Yelp filtered is a spammer."""
    log = data / "yelpchi" / "reviews.txt.gz"
    reviews = read_reviews(log)
    users, spam = (
        frozenset(map(str, its.tolist())) for its in (reviews.user, reviews.user[reviews.spam == 1])
    )
    return World("yelpchi", log, "yelp_reviews", MEMBERS, users, {"filtered": spam})


def shopee_brushing(data: Path) -> World:
    """Orders at shops; the buyers that the published rule names for a shop are one group."""
    log = data / "shopee_brushing" / "orders.csv"
    users = users_of(log, "userid")
    with (log.parent / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        named = {row["shopid"]: frozenset(row["userid"].split("&")) & users for row in csv.DictReader(file)}
    return World(
        "shopee_brushing",
        log,
        "shopee_orders",
        BURST,
        users,
        {shop: buyers for shop, buyers in named.items() if buyers},
    )


def coordinated_tweets(data: Path) -> World:
    """Shares of posts; nobody knows who is guilty."""
    log = data / "coordinated_tweets" / "retweets.parquet"
    return World("coordinated_tweets", log, "tweets", UNKNOWN, users_of(log, "account_id"))


OTHERS: dict[str, Callable[[Path], World]] = {
    "shopee_brushing": shopee_brushing,
    "coordinated_tweets": coordinated_tweets,
    "yelpchi": yelpchi,
    "foreign_globo": foreign_globo,
}
WORLDS = (*UNITS, *OTHERS)  # the order in which they run and stand in the table


def read_world(data: Path, name: str) -> World:
    """The world of that name (one of WORLDS) under the data folder."""
    return OTHERS[name](data) if name in OTHERS else listed_world(data, name)
