"""What labels and verdicts say of users: read, checked against the log, and laid out as tasks to learn.

A task to learn, of planted campaigns or of labels of users.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.casework.decisions import note_loose, standing_of
from graphdet.casework.labels import VerdictLabels, merge, verdict_labels
from graphdet.logs.labels import LABEL, Labels, check_labels, read_labels
from graphdet.ports import CaseworkStore
from graphdet.tables import GraphArrays
from graphdet.words import plural, visible


@dataclass(frozen=True)
class Task:
    """A graph to learn on, and the truth about its users.

    Shapes: y int8[n_users], 1 fraud, 0 clean, −1 unknown; campaign int32[n_users], −1 for none.
    """

    graph: GraphArrays
    y: NDArray[np.int8]
    campaign: NDArray[np.int32]


MOST_USERS_NAMED = 5  # users that a warning names
NOTHING = -2  # of a user nothing is known


@dataclass(frozen=True)
class GivenUserLabels:
    """Labels of users from a file, verdicts merged into them (None: no such file); warnings; facts for people."""

    labels: Labels | None
    verdicts: VerdictLabels
    warnings: list[str]
    facts: dict[str, int]


def given_labels(store: CaseworkStore, path: Path | None, frauds_alone: bool = False) -> GivenUserLabels:
    """Labels and verdicts, checked before anything long begins; frauds_alone: labels may all be frauds.

    Raises:
        InputError: the labels cannot be used.
    """
    note_loose(store)
    verdicts = verdict_labels(standing_of(store))
    label, conflicts = verdicts.label, verdicts.conflicts
    labels: Labels | None = None
    warnings: list[str] = []
    read = read_labels(path) if path is not None else None
    if read is not None:
        ids, values = read.table["user_id"].to_pylist(), read.table[LABEL].to_pylist()
        merged, conflicts = merge(dict(zip(ids, values, strict=True)), verdicts)
        names = sorted(merged)
        columns = {"user_id": pa.array(names, pa.string())}
        columns[LABEL] = pa.array([merged[name] for name in names], pa.int8())
        known = store.interactions().select("user_id").unique().collect("pyarrow").to_native()
        labels, warnings = check_labels(
            replace(read, table=pa.table(columns)), known["user_id"], frauds_alone=frauds_alone
        )
    return GivenUserLabels(labels, verdicts, warnings + _told(conflicts), _counted(label, conflicts))


def _counted(label: dict[str, int], conflicts: dict[str, str]) -> dict[str, int]:
    """How many users verdicts label; nothing where there are no verdicts."""
    if not label and not conflicts:
        return {}
    learned = [value for user_id, value in label.items() if user_id not in conflicts]
    n_fraud = sum(learned)
    return {
        "verdicts_fraud": n_fraud,
        "verdicts_clean": len(learned) - n_fraud,
        "verdicts_in_conflict": len(conflicts),
    }


def _told(conflicts: dict[str, str]) -> list[str]:
    """A warning that names users on whom labels and verdicts disagree."""
    if not conflicts:
        return []
    named = [
        f"{visible(user)} ({visible(why)})" for user, why in sorted(conflicts.items())[:MOST_USERS_NAMED]
    ]
    more = f" and {len(conflicts) - MOST_USERS_NAMED} more" if len(conflicts) > MOST_USERS_NAMED else ""
    return [
        f"labels and verdicts disagree on {plural(len(conflicts), 'user')}, who are left out of training: "
        f"{'; '.join(named)}{more}. A verdict on the user settles it: graphdet verdict --user"
    ]


def with_verdicts(
    task: Task, source_user: NDArray[np.int32], graph: GraphArrays, verdicts: VerdictLabels
) -> Task:
    """Put verdicts into a planted task: who was judged guilty is an example of fraud beside the planted accounts.

    `source_user` are rows of `graph`, the log itself. Members of one ring are one group. Users judged innocent are
    clean, as all of the log's own are taken to be; of one that labels disagree on nothing is learned.
    """
    if not verdicts.label and not verdicts.conflicts:
        return task
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    y, group = np.full(graph.n_users, NOTHING, np.int8), np.full(graph.n_users, -1, np.int32)
    groups: dict[str, int] = {}
    for user_id, value in (*verdicts.label.items(), *((user, -1) for user in verdicts.conflicts)):
        if user_id in row:
            y[row[user_id]] = value
            if value == 1:
                name = verdicts.ring.get(user_id, f"user {user_id}")
                group[row[user_id]] = groups.setdefault(name, len(groups))
    return with_examples(task, source_user, y, group)


def with_examples(
    task: Task, source_user: NDArray[np.int32], y: NDArray[np.int8], group: NDArray[np.integer]
) -> Task:
    """Put what is known of the log's own users into a planted copy; what is a planted campaign's stays so.

    Shapes: y int8[n_users of the log], 1 fraud, 0 clean, −1 not to be learned from, NOTHING leaves a user as it is;
    group int[n_users of the log], ≥ 0 for frauds that belong together.
    """
    own = np.flatnonzero((source_user >= 0) & (task.campaign < 0))
    source = source_user[own]
    told = y[source] != NOTHING
    made, campaign = task.y.copy(), task.campaign.copy()
    made[own[told]] = y[source[told]]
    fraud = told & (y[source] == 1)
    first = int(campaign.max(initial=-1)) + 1
    campaign[own[fraud]] = first + group[source[fraud]]
    return Task(task.graph, made, campaign)


def user_label_task(graph: GraphArrays, labels: Labels, verdicts: VerdictLabels) -> Task:
    """Labels of users, verdicts among them, as a task on the user's own graph."""
    y = np.full(graph.n_users, -1, np.int8)
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    rows = [row[name] for name in labels.table["user_id"].to_pylist()]
    y[rows] = labels.table["label"].to_numpy()
    # Each positive is a group of its own: labels say who, not with whom. Members of a ring judged guilty are one.
    campaign = np.where(y == 1, np.arange(graph.n_users), -1).astype(np.int32)
    first: dict[str, int] = {}
    for user_id, ring_id in sorted(verdicts.ring.items()):
        place = row.get(user_id, -1)
        if place >= 0 and y[place] == 1:
            campaign[place] = first.setdefault(ring_id, place)
    return Task(graph, y, campaign)
