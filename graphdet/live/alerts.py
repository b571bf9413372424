"""What is news at a look: new rings, rings that grew, suspects outside of rings, a promise that verdicts broke, drift.

An alert is a JSON object (schema "alert-1"):

    schema, key, kind, at, severity, title, text, ring_id, ring_kind, score, q_value, e_value, n_users, n_items,
    members, joined, items, first_seen, last_seen, reason

kind: `ring` (new), `ring_grown`, `suspects`, `promise_broken`, `drift`. severity: high, medium or low. members, joined
and items are lists of ids, the surest first, at most MOST_IDS; a key that has nothing to say is left out. `key` is the
same whenever the same alert is sent again, so that whoever gets it twice can drop one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from graphdet import schema
from graphdet.casework.standing import GUILTY, INNOCENT, Standing
from graphdet.evaluation.intervals import wilson
from graphdet.live.promise import Promise, e_of_q
from graphdet.rings.finding import RingFinding
from graphdet.words import percent, plural

MOST_IDS = 50  # ids in one alert
LEAST_JOINED, GROWN = 3, 0.2  # a ring grew when so many joined, and so large a share of those known
HIGH_USERS, HIGH_SCORE = 10, 0.95
SEVERITIES = ("low", "medium", "high")


@dataclass
class Told:
    """What people were told of: the members of each ring by ring_id, how often, suspects, and verdicts counted."""

    rings: dict[str, list[str]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    verdicts: int = 0  # how many had been given when the promise was last told to be broken


@dataclass(frozen=True)
class Moment:
    """A look: the stream's name, the time of day in ISO 8601, and how many flagged findings wait for more evidence."""

    stream: str
    at: str


def ring_alerts(
    findings: Sequence[RingFinding],
    e_values: Sequence[float],
    told: Told,
    promise: Promise,
    moment: Moment,
) -> tuple[list[dict[str, Any]], int]:
    """Alerts of flagged rings, the strongest first, and how many wait because the promise does not allow them yet.

    Changes `told` and `promise`.
    """
    alerts, waiting = [], 0
    strongest = sorted(zip(findings, e_values, strict=True), key=lambda pair: (-pair[1], pair[0].ring_id))
    for finding, e_value in strongest:
        if not finding.flagged:
            continue
        members = [member.user_id for member in finding.members]
        known = told.rings.get(finding.ring_id)
        if known is None:
            # A q-value counts all findings of its kind already.
            if not promise.allows(e_value, None if finding.kind in ("ring", "pair") else 1):
                waiting += 1
                continue
            alerts.append(_ring_alert("ring", finding, members, [], e_value, told, moment))
        else:
            before = set(known)
            joined = [user for user in members if user not in before]
            if len(joined) < max(LEAST_JOINED, GROWN * len(before)):
                continue
            alerts.append(_ring_alert("ring_grown", finding, members, joined, e_value, told, moment))
            members = sorted(before | set(members))
        told.rings[finding.ring_id] = members
    return alerts, waiting


def _ring_alert(
    kind: str,
    finding: RingFinding,
    members: list[str],
    joined: list[str],
    e_value: float,
    told: Told,
    moment: Moment,
) -> dict[str, Any]:
    told.times[finding.ring_id] = n = told.times.get(finding.ring_id, 0) + 1
    high = finding.score >= HIGH_SCORE and finding.n_users >= HIGH_USERS
    what = finding.kind.replace("_", " ")
    title = f"New {what} {finding.ring_id}: {plural(finding.n_users, 'account')} on {plural(finding.n_items, 'target')}"
    if kind == "ring_grown":
        title = f"{what.capitalize()} {finding.ring_id} grew by {plural(len(joined), 'account')} to {finding.n_users}"
    return _alert(
        kind, f"{finding.ring_id}:{n}", moment,
        severity="high" if high else "medium", title=title, text=finding.reason,
        ring_id=finding.ring_id, ring_kind=finding.kind, score=finding.score, q_value=finding.q_value,
        e_value=float(f"{e_value:.4g}"), n_users=finding.n_users, n_items=finding.n_items,
        members=members[:MOST_IDS], joined=joined[:MOST_IDS],
        items=[item.item_id for item in finding.items][:MOST_IDS],
        first_seen=finding.first_seen, last_seen=finding.last_seen,
    )  # fmt: skip


def suspect_alerts(scores: pa.Table, told: Told, promise: Promise, moment: Moment) -> list[dict[str, Any]]:
    """One alert of all flagged users that nobody was told of, neither alone nor in a ring; none when there are none."""
    known = set(told.suspects).union(*map(set, told.rings.values())) if told.rings else set(told.suspects)
    new = []
    for row in scores.filter(scores["flagged"]).select(["user_id", "score", "q_value", "reason"]).to_pylist():
        if row["user_id"] not in known and promise.allows(e_of_q(row["q_value"]), 1):
            new.append(row)
    if not new:
        return []
    told.suspects += [row["user_id"] for row in new]
    title = f"{plural(len(new), 'new suspect')}: {', '.join(row['user_id'] for row in new[:5])}"
    text = "; ".join(f"{row['user_id']}: {row['reason']}" for row in new[:5])
    subject = f"{new[0]['user_id']}:{len(told.suspects)}"
    members = [row["user_id"] for row in new][:MOST_IDS]
    score = max(row["score"] for row in new)
    return [
        _alert("suspects", subject, moment, severity="low", title=title, text=text, score=score,
               n_users=len(new), members=members)
    ]  # fmt: skip


def broken_promise(standing: Standing, told: Told, level: float, moment: Moment) -> list[dict[str, Any]]:
    """An alert when verdicts say that more of the rings told of were innocent than the level allows.

    The lower end of Wilson's interval at 95 % has to lie above the level; said again only after more verdicts.
    """
    given = [one.verdict for ring in told.rings if (one := standing.of_ring(ring)) is not None]
    decided = [verdict for verdict in given if verdict in (GUILTY, INNOCENT)]
    innocent = decided.count(INNOCENT)
    if len(decided) <= told.verdicts or wilson(innocent, len(decided))[0] <= level:
        return []
    told.verdicts = len(decided)
    title = f"The promise is broken: {innocent} of {plural(len(decided), 'judged ring')} were innocent"
    text = (
        f"No more than {percent(level)} of the alerts should be false. Train a model of this log (graphdet train) and "
        f"watch with --model, or lower --fdr."
    )
    return [_alert("promise_broken", str(len(decided)), moment, severity="high", title=title, text=text)]


def drift_alerts(moved: Mapping[str, float], moment: Moment) -> list[dict[str, Any]]:
    """One alert of all that has become another population (see live.drift); none where nothing has."""
    if not moved:
        return []
    listed = [f"{name} ({index:.2f})" for name, index in moved.items()]
    title = f"The log has changed: {', '.join(listed[:3])}"
    text = (
        f"Population stability index against the window before: {', '.join(listed)}. From .25 on it is another "
        f"population, so scores may mean something else. Look at it (graphdet eda); train a model of it anew (graphdet "
        f"train) and watch with --model. From now on the present window is compared with."
    )
    return [_alert("drift", moment.at, moment, severity="medium", title=title, text=text)]


def _alert(kind: str, subject: str, moment: Moment, **said: Any) -> dict[str, Any]:
    key = hashlib.sha256(f"{moment.stream}:{kind}:{subject}".encode()).hexdigest()[:32]
    known = {name: value for name, value in said.items() if value is not None and value != []}
    return {"schema": "alert-1", "key": key, "kind": kind, "at": moment.at, **known}


def alert_table(alerts: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Alerts as rows of the outbox: schema.ALERT_COLUMNS without seq."""
    columns = schema.ALERT_COLUMNS[1:]
    rows = [
        {name: alert.get(name) for name in columns} | {"alert": json.dumps(alert, ensure_ascii=False)}
        for alert in alerts
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in columns]))
