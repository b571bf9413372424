"""A process that notes things in a store's audit log while others do: python audit_client.py URL NAME N."""

import sys
import time

from graphdet.audit import Draft
from graphdet.errors import StoreBusy
from graphdet.store import open_store

if __name__ == "__main__":
    url, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for ix in range(n):
        while True:
            try:
                store = open_store(url)
                break
            except StoreBusy:  # a DuckDB file has one writer at a time; said to be worth a retry
                time.sleep(0.02)
        store.append_audit(
            [Draft(name, "report", "store", f"{name} {ix}"), Draft(name, "report", "store", "2")]
        )
        store.close()
