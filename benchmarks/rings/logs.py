"""The real logs that campaigns are planted into, read as a user would read them."""

from dataclasses import dataclass
from pathlib import Path

from graphdet.config import load_config
from graphdet.graph.encode import encode
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest


@dataclass(frozen=True)
class BaseLog:
    """A log: its config, its file under the data folder, and how many campaigns of each level it can carry."""

    config: str
    file: str
    per_level: int


LOGS = {
    "globo": BaseLog("globo", "globo/clicks.parquet", 3),
    "online_retail": BaseLog("online_retail", "online_retail/orders.parquet", 1),
    "trivago": BaseLog("trivago", "trivago/sessions.parquet", 1),
    "taobao": BaseLog("taobao", "taobao/user_behavior.csv", 1),
    "yelpchi": BaseLog("yelp_reviews", "yelpchi/reviews.txt.gz", 2),
}


def read_log(name: str, data: Path, folder: Path) -> GraphArrays:
    """Clean a log into a DuckDB store under `folder` (once) and read its graph."""
    log = LOGS[name]
    store = open_store(f"duckdb:///{folder / name}.duckdb")
    try:
        ingest(store, [data / log.file], load_config(log.config), rejects=folder / f"{name}_rejects.csv")
        return encode(store.interactions(), store.entities())
    finally:
        store.close()
