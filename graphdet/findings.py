"""What the library gives back: findings over a store, a ring, a made log, an evaluation; tables are DataFrames."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from graphdet import schema
from graphdet.detect.ring_sources import ring_events, ring_sources
from graphdet.errors import UsageError
from graphdet.ports import Store, kept_note
from graphdet.progress import Silent
from graphdet.reports.csv_tables import RING_ORDER, SUSPECT_ORDER
from graphdet.reports.gather import gather_rings
from graphdet.rings.finding import Reason, listed_role, with_roles
from graphdet.rings.leads import lead_table
from graphdet.store import opened_store
from graphdet.tables import RingTables
from graphdet.verbs.report import RUN_INFO
from graphdet.words import iso, plural

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data import HeteroData

    from graphdet.reports.ring_data import RingData

MOST_SHOWN = 10  # rows of a table in a notebook


class Findings:
    """What was found in a log: suspects, rings and leads, over a store that stays closed between questions.

    Made by `graphdet.run` and `graphdet.open`. Tables are read when first asked for and kept; open the store again to
    see what others wrote since.

    url: of the store. folder: the output folder, None where there is none. warnings: what to know before trusting the
    findings, assumptions about the log among it. info: what the last run said of itself (counts, period, config), empty
    for a store that was filled verb by verb.

    >>> import graphdet, pandas as pd
    >>> day = pd.Timestamp("2026-01-05", tz="UTC")
    >>> log = pd.DataFrame({"user_id": ["ann", "bob"], "item_id": ["book", "book"], "timestamp": [day, day]})
    >>> findings = graphdet.run(log)
    >>> findings
    Findings(2 users, 0 flagged; 0 rings flagged, 0 leads)
    >>> len(findings.suspects), len(findings.rings), len(findings.leads)
    (2, 0, 0)
    >>> data = findings.graph(users=["ann"], hops=2)
    >>> data["user"].ids.to_pylist(), data["session", "view", "item"].edge_index.shape[1]
    (['ann', 'bob'], 2)
    """

    def __init__(self, url: str, folder: Path | None = None, warnings: Sequence[str] | None = None) -> None:
        self.url, self.folder = url, folder
        with opened(url) as store:
            self.info: dict[str, Any] = kept_note(store, RUN_INFO) or {}
        self.warnings = list(self.info.get("warnings", ()) if warnings is None else warnings)

    @property
    def report(self) -> Path | None:
        """The page to read first, `report.html`; None where the findings have no folder or no page."""
        page = None if self.folder is None else self.folder / "report.html"
        return page if page is not None and page.exists() else None

    @cached_property
    def suspects(self) -> pd.DataFrame:
        """Every user once, most suspicious first: the columns of suspects.csv (schema.SUSPECT_COLUMNS).

        score, p_value, q_value, gnn, cluster_distance, probability float64 in [0, 1]; flagged bool; ring_id None where
        the user is in no ring; role core, fringe or weak in that ring, None where nothing is said of it.
        """
        with opened(self.url) as store:
            scores = with_roles(store.scores(), self._rings)[0]
        return to_pandas(scores.sort_by(list(SUSPECT_ORDER)))

    @cached_property
    def rings(self) -> pd.DataFrame:
        """Every ring of rings.csv, strongest first, flagged or not; first_seen and last_seen are datetimes in UTC."""
        return to_pandas(self._rings.rings.select(schema.RING_COLUMNS), *_RING_TIMES)

    @cached_property
    def leads(self) -> pd.DataFrame:
        """The rings that are not flagged, each with what held it back: columns and order of leads.csv.

        Columns: schema.LEAD_COLUMNS; held_back_by is one of rings.rules.HeldBackBy, why that rule and all others that
        speak against a flag, in sentences.
        """
        return to_pandas(lead_table(self._rings))

    @cached_property
    def _rings(self) -> RingTables:
        with opened(self.url) as store:
            found = store.rings()
        return RingTables(found.rings.sort_by(list(RING_ORDER)), found.members, found.items)

    def ring(self, ring_id: str) -> "Ring":
        """Read a ring, flagged or not, with its evidence.

        Raises:
            UsageError: there is no ring of that name.
        """
        known = self._rings.rings["ring_id"].to_pylist()
        if ring_id not in known:
            some = (
                f"it has {', '.join(known[:5])}{' …' if len(known) > 5 else ''}" if known else "it has none"
            )
            raise UsageError(f"{self.url} has no ring {ring_id!r}; {some}")
        with opened(self.url) as store:
            sources = ring_sources(
                store, self._rings, [ring_id], Silent(), all_scores=False, surroundings=False
            )
            data = next(gather_rings(sources, [ring_id]))
            users, items = ([row.user_id for row in data.members], [row.item_id for row in data.items])
            return Ring(
                data, to_pandas(ring_events(store, users, items), "at_ms").rename(columns={"at_ms": "at"})
            )

    def graph(
        self,
        users: Sequence[str] | None = None,
        hops: int = 2,
        *,
        since: "str | pd.Timestamp | None" = None,
        until: "str | pd.Timestamp | None" = None,
    ) -> "HeteroData":
        """The graph, or the part around some users, in PyTorch Geometric.

        Row i of a node type (user, item, session, device …) is the id `data[node_type].ids[i]`, an Arrow string array
        in byte order; `data["user"].ids.index("ann")` finds a row. Edge types, features and shapes: see
        graphdet.gnn.heterodata.to_hetero.

        Args:
            users: ids of users to start from; None takes the whole graph.
            hops: 1 takes their own acts, 2 also all acts on those items, 3 also all acts of those users, and so on.
            since: acts before this time do not exist for the graph; UTC where it names no zone.
            until: nor do acts from this time on.

        Raises:
            UsageError: hops is below 1, or a user has no act in this window.
        """
        from graphdet.gnn.heterodata import extract

        seeds = None if users is None else list(map(str, [users] if isinstance(users, str) else users))
        with opened(self.url) as store:
            data, _ = extract(store, seeds, hops=hops, since_ms=_ms(since), until_ms=_ms(until))
        return data

    def __repr__(self) -> str:
        rings, leads_ = int(self.rings["flagged"].sum()), len(self.leads)
        return (
            f"Findings({plural(len(self.suspects), 'user')}, {int(self.suspects['flagged'].sum()):,} flagged; "
            f"{plural(rings, 'ring')} flagged, {plural(leads_, 'lead')})"
        )

    def _repr_html_(self) -> str:
        rings = self.rings[self.rings["flagged"]]
        suspects = self.suspects[self.suspects["flagged"]].drop(columns="reason")
        leads_ = self.leads.drop(columns=["p_value", "q_value"])
        parts = [_shown("Rings", rings), _shown("Suspects", suspects), _shown("Leads", leads_)]
        return f"<p>{self!r}</p>" + _told(self.warnings) + "".join(parts)


class Ring:
    """A ring: who, on what, when, why, and what speaks against it. Made by `Findings.ring`.

    ring_id, kind (of schema.RING_KINDS), score, p_value, q_value, flagged, first_seen, last_seen (UTC), reason
    (one sentence) are attributes.

    >>> import graphdet
    >>> made = graphdet.simulate(n_users=300, n_items=100, days=7, plan="L1", n_campaigns=1, seed=2)
    >>> findings = graphdet.run(made.log)
    >>> ring = findings.ring("R0001")
    >>> ring.flagged, set(ring.members["user_id"]) >= set(made.truth["user_id"])
    (True, True)
    >>> "shared_targets" in set(ring.reasons["code"])
    True
    >>> graph = ring.to_networkx()
    >>> graph.number_of_nodes() == len(ring.members) + len(ring.items)
    True
    """

    def __init__(self, data: "RingData", events: pd.DataFrame) -> None:
        self._data = data
        self.ring_id, self.kind, self.reason = data.ring_id, data.kind, data.reason
        self.score, self.flagged = data.score, data.flagged
        self.p_value, self.q_value = data.p_value, data.q_value
        self.first_seen, self.last_seen = (_time(at) for at in (data.first_seen, data.last_seen))
        self._events = events

    @cached_property
    def members(self) -> pd.DataFrame:
        """Accounts, surest first.

        Columns: user_id; role (core, fringe or weak; None where nothing is said of it); score (in the ring) and
        user_score, float64 in [0, 1]; flagged; n_targets, n_acts (on targets), n_other_acts, n_sessions; first_seen,
        last_seen (on targets); reason, what the account did in words.
        """
        rows = [
            {
                "user_id": one.user_id, "role": listed_role(one.role), "score": one.score,
                "user_score": one.user_score, "flagged": one.flagged,
                "n_targets": one.n_targets, "n_acts": one.n_acts, "n_other_acts": one.n_other_acts,
                "n_sessions": one.n_sessions, "first_seen": one.first_ms, "last_seen": one.last_ms,
                "reason": "; ".join(why.text for why in one.reasons) or one.reason,
            }
            for one in self._data.members
        ]  # fmt: skip
        return _from_rows(rows, _MEMBERS)

    @cached_property
    def items(self) -> pd.DataFrame:
        """Targets, those of most members first.

        Columns: item_id; name (None where the log has none); n_users, how many members act on it; lift, how many times
        more than expected; n_acts; first_seen, last_seen.
        """
        rows = [
            {
                "item_id": one.item_id, "name": one.name, "n_users": one.n_users, "lift": one.lift,
                "n_acts": one.n_acts, "first_seen": one.first_ms, "last_seen": one.last_ms,
            }
            for one in self._data.items
        ]  # fmt: skip
        return _from_rows(rows, _ITEMS)

    @property
    def events(self) -> pd.DataFrame:
        """The acts of members on targets, by time.

        Columns: at (datetime, UTC), user_id, item_id, action, session_id, n; then event_id, amount, quantity, text and
        attributes where the log has them. Neo4j keeps no single events: there a row is the first of n acts of one
        action in one session on one item.
        """
        return self._events.copy()

    @property
    def reasons(self) -> pd.DataFrame:
        """Why it is a ring, the strongest reason first: code, strength (nats; NaN where none was measured), text."""
        return _from_reasons(self._data.reasons)

    @property
    def counter_evidence(self) -> pd.DataFrame:
        """What speaks against it: code, strength (nats of the reasons that it would take away; NaN: unknown), text."""
        return _from_reasons(self._data.against)

    @property
    def would_change(self) -> str | None:
        """What would have to be otherwise for it not to be flagged; None where nobody asked."""
        return None if self._data.would_change is None else str(self._data.would_change["text"])

    def to_networkx(self) -> "nx.Graph[tuple[str, str]]":
        """The ring as a bipartite graph: members on one side, targets and shared things on the other.

        Nodes are ("user", id), ("item", id), and ("device", id) or another kind for what two members or more share, for
        a user and an item may have the same id. Attributes: kind, label, bipartite (0 users, 1 the rest); of users
        score, of items n_users and lift. Edges of a user and an item have action, n (acts), first_seen, last_seen (ISO
        8601, UTC), those to shared things action "used". All are texts and numbers, so that networkx can write them.
        """
        import networkx as nx

        graph: nx.Graph[tuple[str, str]] = nx.Graph(ring_id=self.ring_id)
        for member in self._data.members:
            _add(graph, ("user", member.user_id), 0, score=member.score)
        for item in self._data.items:
            _add(graph, ("item", item.item_id), 1, name=item.name, n_users=item.n_users, lift=item.lift)
        for thing in self._data.shared:
            _add(graph, (thing.kind, thing.entity_id), 1)
            for user_id in thing.user_ids:
                graph.add_edge(("user", user_id), (thing.kind, thing.entity_id), action="used")
        for row in _ties(self._events).to_dict("records"):
            edge = {name: row[name] for name in ("action", "n", *_RING_TIMES) if row[name] is not None}
            graph.add_edge(("user", row["user_id"]), ("item", row["item_id"]), **edge)
        return graph

    def __repr__(self) -> str:
        return (
            f"Ring({self.ring_id}: {plural(len(self._data.members), 'member')} on "
            f"{plural(len(self._data.items), 'item')}, score {self.score:.3f}, "
            f"{'flagged' if self.flagged else 'not flagged'})"
        )

    def _repr_html_(self) -> str:
        against = _shown("What speaks against it", self.counter_evidence)
        return f"<p>{self!r}</p>" + _shown("Reasons", self.reasons) + against


@dataclass(frozen=True)
class Simulation:
    """A made log and the truth about it. Made by `graphdet.simulate`.

    Shapes: log has user_id, item_id, session_id, timestamp (datetime, UTC), action, and device_id, ip, amount, rating
    where the kind of log has them, by time; truth user_id, campaign_id, kind, level, hijacked (bool), one row per
    planted account; truth_items campaign_id, item_id, user_id (a mule's own account); innocents user_id, group_id,
    kind.

    >>> import graphdet
    >>> made = graphdet.simulate(n_users=100, n_items=40, days=3, plan="none", seed=1)
    >>> len(made.truth), str(made.log["timestamp"].dt.tz)
    (0, 'UTC')
    """

    log: pd.DataFrame = field(repr=False)
    truth: pd.DataFrame = field(repr=False)
    truth_items: pd.DataFrame = field(repr=False)
    innocents: pd.DataFrame = field(repr=False)
    warnings: list[str]


@dataclass(frozen=True)
class Evaluation:
    """Figures of scores on labels that they have not seen. Made by `graphdet.evaluate`.

    document: all of evaluation.json (reports/schemas/evaluation-1.schema.json). page: evaluation.html, None where it
    was not written.

    >>> import graphdet, pandas as pd
    >>> scores = pd.DataFrame({"user_id": ["a", "b", "c"], "score": [0.9, 0.6, 0.1]})
    >>> labels = pd.DataFrame({"user_id": ["a", "b", "c"], "label": [1, 0, 0]})
    >>> graphdet.evaluate(scores, labels, n_draws=0).confusion.iloc[0, 1:].to_dict()
    {'true_flags': 1, 'false_flags': 1, 'missed': 0, 'left_alone': 1}
    """

    document: Mapping[str, Any] = field(repr=False)
    page: Path | None = None

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per score file and metric: scores, metric, value, and low and high, the ends of the 95 % interval.

        low and high are NaN where no interval can be given.
        """
        rows = [
            {"scores": one["name"], "metric": metric, **figures}
            for one in self.document["scores"]
            for metric, figures in one["metrics"].items()
        ]
        frame = pd.DataFrame(rows, columns=["scores", "metric", "value", "low", "high"])
        return frame.astype({"value": float, "low": float, "high": float})

    @property
    def confusion(self) -> pd.DataFrame:
        """How many flags are right and wrong, one row per score file."""
        return pd.DataFrame([{"scores": one["name"], **one["confusion"]} for one in self.document["scores"]])

    @property
    def warnings(self) -> list[str]:
        """What the figures cannot bear, and what was left out."""
        return list(self.document["warnings"])

    def _repr_html_(self) -> str:
        return _told(self.warnings) + _shown("Figures", self.metrics, len(self.metrics))


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """A store for reading, closed at the end of the block: a DuckDB file is then free for whoever writes next."""
    with opened_store(url, read_only=True) as store:
        yield store


def to_pandas(table: pa.Table, *times: str) -> pd.DataFrame:
    """An Arrow table as a DataFrame; `times`, milliseconds since 1970 or ISO 8601 texts, become datetimes in UTC."""
    frame: pd.DataFrame = table.to_pandas()
    for name in times:
        if pa.types.is_integer(table.schema.field(name).type):
            unknown = frame[name] == 0  # as in a log without times
            frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True).mask(unknown)
        else:
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    return frame


_RING_TIMES = ("first_seen", "last_seen")
_MEMBERS = (
    *(
        "user_id",
        "role",
        "score",
        "user_score",
        "flagged",
        "n_targets",
        "n_acts",
        "n_other_acts",
        "n_sessions",
    ),
    *(*_RING_TIMES, "reason"),
)
_ITEMS = ("item_id", "name", "n_users", "lift", "n_acts", *_RING_TIMES)


def _from_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name in _RING_TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def _from_reasons(reasons: Sequence[Reason]) -> pd.DataFrame:
    rows = [{"code": one.code, "strength": one.strength, "text": one.text} for one in reasons]
    return pd.DataFrame(rows, columns=["code", "strength", "text"]).astype({"strength": float})


def _ties(events: pd.DataFrame) -> pd.DataFrame:
    """Events by user and item: their actions, how many acts, the first and the last time (ISO 8601)."""
    acts = events.groupby(["user_id", "item_id"], sort=False)
    ties = acts.agg(
        action=("action", lambda names: ", ".join(sorted(set(names)))),
        n=("n", "sum"),
        first_seen=("at", "min"),
        last_seen=("at", "max"),
    ).reset_index()
    for name in _RING_TIMES:
        ties[name] = [None if pd.isna(at) else iso(at.timestamp() * 1000) for at in ties[name]]
    return ties


def _add(graph: "nx.Graph[tuple[str, str]]", node: tuple[str, str], side: int, **more: Any) -> None:
    kind, label = node
    known = {name: value for name, value in more.items() if value is not None}
    graph.add_node(node, kind=kind, label=known.pop("name", label), bipartite=side, **known)


def _time(text: str) -> pd.Timestamp | None:
    return pd.Timestamp(text).tz_convert("UTC") if text else None


def _ms(at: "str | pd.Timestamp | None") -> int | None:
    """A time as milliseconds since 1970.

    Raises:
        UsageError: it is no time.
    """
    if at is None:
        return None
    try:
        found = pd.Timestamp(at)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{at!r} is no time; write for example 2026-01-31T12:00:00Z") from error
    found = found.tz_localize("UTC") if found.tzinfo is None else found
    return round(found.timestamp() * 1000)


def _told(lines: Sequence[str]) -> str:
    from html import escape

    return "".join(f"<p><b>Warning:</b> {escape(line)}</p>" for line in lines)


def _shown(title: str, frame: pd.DataFrame, most: int = MOST_SHOWN) -> str:
    if frame.empty:
        return ""
    rest = f"<p>and {len(frame) - most} more</p>" if len(frame) > most else ""
    return f"<h4>{title}</h4>{frame.head(most).to_html(index=False, float_format='{:.3g}'.format)}{rest}"
