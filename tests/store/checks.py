"""What the tests of stores share: writing a sample log, and comparing what a store gives with it."""

import math

import pyarrow as pa

from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.tables import Frame
from tests.store.sample_logs import (
    ENTITIES,
    INTERACTIONS,
    ITEMS,
    SESSIONS,
    Row,
    SampleLog,
    entities_of,
    interactions_of,
    items_of,
    log_tables,
    sessions_of,
    source,
)


def rows_of(frame: Frame, types: dict[str, pa.DataType]) -> list[Row]:
    """Collect a frame, check its columns and types, and give its rows."""
    collected = frame.collect("pyarrow").to_native()
    assert collected.column_names == list(types)
    assert {name: collected.schema.field(name).type for name in types} == types
    return collected.to_pylist()


def same_rows(have: list[Row], want: list[Row], *keys: str) -> None:
    """Equal as sets of rows; floats to nine digits, since sums may be taken in any order."""

    def key(row: Row) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in keys)

    assert sorted(map(key, have)) == sorted(map(key, want))
    for one, other in zip(sorted(have, key=key), sorted(want, key=key), strict=True):
        for name, value in other.items():
            if isinstance(value, float) and isinstance(one[name], float):
                assert math.isclose(one[name], value, rel_tol=1e-9, abs_tol=1e-12), (name, one, other)
            else:
                assert one[name] == value, (name, one, other)


INTERACTION_KEY = ("user_id", "session_id", "item_id", "action")


def check_graph(store: Store, *logs: SampleLog) -> None:
    """All four tables of the graph are what these logs, in this order, make them."""
    same_rows(rows_of(store.interactions(), INTERACTIONS), interactions_of(*logs), *INTERACTION_KEY)
    same_rows(rows_of(store.sessions(), SESSIONS), sessions_of(*logs), "session_id")
    same_rows(rows_of(store.items(), ITEMS), items_of(*logs), "item_id")
    same_rows(rows_of(store.entities(), ENTITIES), entities_of(*logs), "user_id", "kind", "entity_id")


def write(store: Store, name: str, log: SampleLog) -> None:
    store.write_log(log_tables(store.bench, log), source(name, log), Silent())


def interaction_key(row: Row) -> tuple[object, ...]:
    """What makes an interaction one."""
    return tuple(row[name] for name in INTERACTION_KEY)
