"""A process that writes a log to Neo4j, to be killed in the middle: python neo4j_client.py URL N_EVENTS BULK."""

import sys

from graphdet.progress import Silent
from graphdet.store.neo4j import Neo4jStore, client
from graphdet.store.neo4j import writing as batches
from tests.store.sample_logs import log_tables, random_log, source

SEED = 11


class Loud(Silent):
    """Says each stage and step, so that the test knows when to kill."""

    def start(self, stage: str, total: int | None = None) -> None:
        print("start", stage, flush=True)

    def advance(self, steps: int = 1) -> None:
        print("advance", flush=True)


if __name__ == "__main__":
    url, n_events, bulk = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "bulk"
    batches.BATCH_ROWS = 50
    client.RETRY_S = 1.0  # a server that was killed does not come back by itself
    log = random_log(SEED, n_events, n_users=200, n_items=100)
    store = Neo4jStore(url, bulk=bulk)
    store.write_log(log_tables(store.bench, log), source("killed", log), Loud())
    store.close()
