"""The tables of the graph, derived from clean events. All are lazy: a store computes what it keeps.

Also here: rows that are equal in every mapped column, and the template of each event's text as a column that becomes
a shared entity (`[text] templates`).
"""

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet import schema
from graphdet.config import Config
from graphdet.logs.fields import PACKED_ID_TYPES
from graphdet.logs.raw import fresh_name, height, materialise
from graphdet.tables import Frame, LogTables
from graphdet.text.normal import template_id

_TEXT = nw.String()
# Sums of amounts are rounded, so that the order in which threads add does not show in the last bits.
_SUM_DECIMALS = 6


def derive_tables(clean: Frame, config: Config) -> LogTables:
    """Derive the tables of a log from its clean fields (see fields.Fields) with session_id.

    Ids are VARCHAR in all tables but `events`, where user_id, item_id and session_id stay BIGINT when every
    file has them as whole numbers: a store may keep them so, at a third of the cost.
    """
    have = set(clean.collect_schema().names())
    sessions = clean.group_by("session_id", "user_id").agg(
        started_ms=nw.col("at_ms").min(), ended_ms=nw.col("at_ms").max()
    )
    sessions = sessions.with_columns(nw.col("session_id", "user_id").cast(_TEXT))
    return LogTables(
        interactions=_interactions(clean, have),
        items=_items(clean, have),
        sessions=sessions.select(*schema.SESSION_COLUMNS),
        entities=_entities(clean, config),
        events=_events(clean, have),
    )


def _events(clean: Frame, have: set[str]) -> Frame:
    row = nw.col("event_row").cast(_TEXT)
    event_id = nw.coalesce("event_id", row) if "event_id" in have else row
    blanks = {
        name: nw.lit(None).cast(nw.Float64() if name in ("amount", "quantity") else _TEXT)
        for name in ("amount", "quantity", "text")
        if name not in have
    }
    attributes = {n.removeprefix("attribute "): nw.col(n) for n in sorted(have) if n.startswith("attribute ")}
    events = clean.with_columns(event_id=event_id, **blanks, **attributes)
    keys = [schema.ROW_KEY] if schema.ROW_KEY in have else []
    return events.select(*schema.EVENT_COLUMNS, *attributes, *keys)


def _interactions(clean: Frame, have: set[str]) -> Frame:
    sums = {name: _sum(name) for name in ("amount", "quantity") if name in have}
    grouped = clean.group_by("user_id", "session_id", "item_id", "action").agg(
        at_ms=nw.col("at_ms").min(),
        n=nw.len(),
        **sums,
        **{f"{name}_n": nw.col(name).count() for name in sums},
    )
    totals = {
        name: nw.when(nw.col(f"{name}_n") > 0).then(nw.col(name).round(_SUM_DECIMALS))
        if name in sums
        else nw.lit(None).cast(nw.Float64())
        for name in ("amount", "quantity")
    }
    grouped = grouped.with_columns(nw.col(*PACKED_ID_TYPES).cast(_TEXT), **totals)
    return grouped.select(*schema.INTERACTION_COLUMNS)


def _sum(name: str) -> nw.Expr:
    return nw.col(name).sum()


def _items(clean: Frame, have: set[str]) -> Frame:
    items = clean.select("item_id").unique().with_columns(nw.col("item_id").cast(_TEXT))
    if "item_name" not in have:
        return items.with_columns(name=nw.lit(None).cast(_TEXT)).select(*schema.ITEM_COLUMNS)
    named = clean.filter(nw.col("item_name").str.strip_chars() != "")
    named = named.select("at_ms", "item_name", item_id=nw.col("item_id").cast(_TEXT))
    latest = named.group_by("item_id").agg(at_ms=nw.col("at_ms").max())
    # Of several names at the latest moment the last in the alphabet, so that the order of the rows does not
    # matter.
    names = named.join(latest, on=["item_id", "at_ms"], how="inner")
    names = names.group_by("item_id").agg(name=nw.col("item_name").max())
    return items.join(names, on="item_id", how="left").select(*schema.ITEM_COLUMNS)


def _entities(clean: Frame, config: Config) -> Frame:
    links = []
    for kind in sorted([*config.entities, *([schema.TEMPLATE] if config.text.templates else [])]):
        used = clean.select(
            "at_ms", user_id=nw.col("user_id").cast(_TEXT), entity_id=nw.col(f"entity {kind}")
        )
        used = used.filter(~nw.col("entity_id").is_null())
        used = used.group_by("user_id", "entity_id").agg(first_ms=nw.col("at_ms").min(), n=nw.len())
        links.append(used.with_columns(kind=nw.lit(kind)).select(*schema.ENTITY_COLUMNS))
    if links:
        return nw.concat(links, how="vertical")
    text = nw.lit("").cast(_TEXT)
    return clean.head(0).select(
        user_id=text, kind=text, entity_id=text, first_ms=nw.col("at_ms"), n=nw.lit(0).cast(nw.Int64())
    )


_NOT_KEYS = frozenset(
    {"file_ix", "row", "event_row", "verdict", "wanted", "time_number", "time_given", "time_odd"}
)


def content_columns(clean: Frame) -> list[str]:
    """Name the fields that make two rows equal: what the mapped columns say, sorted."""
    names = clean.collect_schema().names()
    return sorted(name for name in names if name not in _NOT_KEYS and not name.endswith("_given"))


def find_duplicates(bench: duckdb.DuckDBPyConnection, clean: Frame) -> tuple[Frame, int]:
    """Find all but the first of equal rows.

    Most logs have few equal rows or none, so candidates come from a narrow group-by, and only they are
    compared in full.

    Returns:
        The frame (file_ix, row, event_row) of the rows to put aside, and how many they are.
    """
    near = ("user_id", "item_id", "at_ms")
    repeated = clean.group_by(*near).agg(n=nw.len()).filter(nw.col("n") > 1).select(*near)
    candidates = materialise(bench, repeated, "repeated")
    keys = content_columns(clean)
    rows = clean.join(candidates, on=list(near), how="semi")
    rows = rows.with_columns(first_row=nw.col("event_row").min().over(*keys))
    rows = rows.filter(nw.col("event_row") > nw.col("first_row")).select("file_ix", "row", "event_row")
    later = materialise(bench, rows, "duplicates")
    return later, height(later)


_BATCH = 10_000  # different texts at once
_PASSING = "graphdet_template_batch"
COLUMN = f"entity {schema.TEMPLATE}"


def with_templates(bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config) -> Frame:
    """Add the column COLUMN, VARCHAR: the id of the text's template, null for a short text or none.

    A template depends on its text alone (text.normal.template_id), so files added later meet the same entities.
    """
    if not config.text.templates:
        return clean
    texts = clean.filter(~nw.col("text").is_null()).select("text").unique()
    name = fresh_name("templates")
    bench.execute(f'CREATE TEMP TABLE {name} (text VARCHAR, "{COLUMN}" VARCHAR)')
    kept = materialise(bench, texts.with_row_index("row", order_by="text"), "texts")
    n = height(kept)
    for start in range(0, n, _BATCH):
        # In parts, so that no more than one of them is in Python's memory.
        part = kept.filter(nw.col("row") >= start, nw.col("row") < start + _BATCH)
        text = part.collect("pyarrow").to_native()["text"].combine_chunks()
        found = pa.array([template_id(t, config.text.min_width) for t in text.to_pylist()], pa.string())
        bench.register(_PASSING, pa.table({"text": text, COLUMN: found}).filter(found.is_valid()))
        bench.execute(f"INSERT INTO {name} SELECT * FROM {_PASSING}")
        bench.unregister(_PASSING)
    return clean.join(nw.from_native(bench.table(name)), on="text", how="left")
