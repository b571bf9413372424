"""The template of each event's text, as a column that becomes a shared entity (`[text] templates`)."""

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet import schema
from graphdet.config import Config
from graphdet.logs.bench import height, materialise
from graphdet.logs.raw import fresh_name
from graphdet.tables import Frame
from graphdet.text.normal import template_id

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
