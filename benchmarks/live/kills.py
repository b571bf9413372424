"""A watcher that is killed at random moments and started again, and what its store then holds.

The watchers are forks of this process, which opens no store before, so that each costs no start of Python.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from graphdet.config import parse_config
from graphdet.live.looking import LiveSettings
from graphdet.units import DAY_MS
from graphdet.verbs.watch import WatchRequest, watch

START_MS = 1_767_225_600_000
CONFIG = parse_config(
    {"columns": {"user_id": "user", "item_id": "item", "timestamp": "at"}, "time": {"unit": "ms"}},
    name="kills",
    where="kills",
)
BATCH_BYTES = (
    4_000  # of the log that a watcher takes at a time here, so that there are many transactions to kill
)


def write_log(path: Path, n_ordinary: int, seed: int = 0) -> int:
    """A log with a ring, some bad rows and some rows twice; how many rows it has."""
    chance = random.Random(seed)
    rows = [
        (f"u{chance.randrange(300)}", f"i{chance.randrange(80)}", START_MS + chance.randrange(5 * DAY_MS))
        for _ in range(n_ordinary)
    ]
    begins = START_MS + 2 * DAY_MS
    rows += [(f"bad{m}", f"t{k}", begins + chance.randrange(1_200_000)) for m in range(30) for k in range(8)]
    rows.sort(key=lambda row: row[2])
    lines = [f"{user},{item},{at}" for user, item, at in rows]
    for place in range(0, len(lines), 40):
        lines.insert(place, ",i1,5" if place % 80 else lines[place])
    path.write_text("user,item,at\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def watch_once(log: Path, folder: Path) -> None:
    from graphdet.live import feeds
    from graphdet.store import open_store

    feeds.READ_BYTES = BATCH_BYTES
    folder.mkdir(exist_ok=True)
    store = open_store(f"duckdb://{(folder / 'live.duckdb').resolve()}")
    request = WatchRequest(
        LiveSettings(), look_rows=600, once=True, alerts=(f"file:{folder / 'alerts.jsonl'}",)
    )
    watch(str(log), CONFIG, store, folder, request)
    store.close()


def forked(log: Path, folder: Path, kill_after_s: float | None) -> bool:
    """Watch in a child process; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            watch_once(log, folder)
            code = 0
        except BaseException as error:
            print(f"a watcher failed: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a watcher ended with an error, see above")
    return os.WIFEXITED(status)


def contents(folder: Path) -> dict[str, Any]:
    """What a store holds, as digests; alerts by what they are about, and those that arrived."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, json.dumps(_contents(folder)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def _contents(folder: Path) -> dict[str, Any]:
    import duckdb

    found: dict[str, Any] = {}
    with duckdb.connect(str(folder / "live.duckdb"), read_only=True) as store:
        for name, sql in {
            "events": "SELECT event_row, user_id, item_id, session_id, action, at_ms FROM event_log ORDER BY ALL",
            "open_rows": "SELECT * FROM open_rows ORDER BY ALL",
            "items": "FROM items ORDER BY ALL",
            "sources": "SELECT n_rows, n_rejects FROM sources",
            "rings": "SELECT n_users, n_items, score, p_value, q_value, flagged, reason FROM rings ORDER BY ALL",
            "members": "SELECT user_id, score FROM ring_members ORDER BY ALL",
        }.items():
            rows = store.execute(sql).fetchall()
            found[name] = [len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()[:16]]
        keys = [key for (key,) in store.execute("SELECT key FROM alerts ORDER BY seq").fetchall()]
    found["rejects"] = hashlib.sha256((folder / "rejects.csv").read_bytes()).hexdigest()[:16]
    sent = (
        [json.loads(line)["key"] for line in (folder / "alerts.jsonl").read_text().splitlines()]
        if keys
        else []
    )
    return {"found": found, "keys": keys, "sent": sorted(set(sent)), "sent_twice": len(sent) - len(set(sent))}


def kill_often(folder: Path, n_kills: int, n_ordinary: int = 2_500, seed: int = 0) -> dict[str, Any]:
    """Kill watchers n_kills times, over as many logs as that takes; the runs whose store differs from a clean one's."""
    chance, log = random.Random(seed), folder / "log.csv"
    n_rows = write_log(log, n_ordinary)
    began = time.monotonic()
    forked(log, folder / "clean", None)
    takes = time.monotonic() - began
    clean = contents(folder / "clean")
    assert clean["found"]["events"][0] > n_ordinary
    assert clean["keys"]
    killed = runs = wrong = lost = twice = 0
    while killed < n_kills:
        own = folder / f"run{runs}"
        while killed < n_kills and not forked(log, own, chance.random() * takes):
            killed += 1
        forked(log, own, None)
        now = contents(own)
        runs += 1
        wrong += now["found"] != clean["found"]
        lost += set(now["keys"]) != set(now["sent"])
        twice += len(now["keys"]) - len(set(now["keys"]))
    return {
        "kills": killed, "runs": runs, "rows": n_rows, "stores_that_differ": wrong,
        "alerts_lost": lost, "alerts_twice_in_the_outbox": twice,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_kills", nargs="?", type=int, default=12)
    parser.add_argument("n_ordinary", nargs="?", type=int, default=600)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(kill_often(Path(place), asked.n_kills, asked.n_ordinary)))
