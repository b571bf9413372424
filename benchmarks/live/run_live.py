"""What watching a log costs and promises: a JSON line per figure, with --record kept in results.jsonl.

    python -m benchmarks.live.run_live [speed latency memory share promise kills worlds] [--record] [--replays 200]
    [--kills 200]

speed: events a second with looks and without, which have a process of their own as in `watch`. latency: from the
arrival of an event to the end of the look that covers it, at 1,000 events a second. memory: resident memory over a long
stream. share: of a planted ring's acts, how many are done when it is first told of, and of the accounts told of how
many are planted. promise: of untouched logs that are looked at again and again, how many send any alert, and how many
would without the promise (--first: the first of their seeds). kills: a watcher that is killed at random moments and
started again, its store compared with one that never was. worlds: real ones in time, and what was told by when.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import psutil
import pyarrow as pa

from benchmarks import recording
from benchmarks.live.kills import kill_often
from benchmarks.worlds.truth import read_world
from graphdet.config import load_config
from graphdet.live.alerts import MOST_IDS
from graphdet.live.looking import LiveSettings, Looker
from graphdet.live.watching import Live, WindowAsked
from graphdet.logs.parts import LogPart
from graphdet.store import open_store
from graphdet.units import DAY_MS
from graphdet.verbs.simulate import Made, SimulateRequest, make

CONFIG = load_config("simulated")
HEAD = b"user_id,item_id,session_id,timestamp,action\n"
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "burst": {},
    "camouflage": {},
    "slow": {"n_accounts": 80, "n_targets": 12, "window_s": 5 * DAY_MS // 1000},
    "hijack": {"n_accounts": 80, "n_targets": 12},
}
REAL = ("star_bursts", "ghost_stars", "rush_nft", "coordinated_tweets", "shopee_brushing")
REALISTIC = SimulateRequest(n_users=20_000, n_items=2_000, plan="benchmark")


def log_lines(log: pa.Table) -> list[bytes]:
    """The rows of a log as lines of CSV, by time."""
    columns = (log[name].to_pylist() for name in ("user_id", "item_id", "session_id", "timestamp", "action"))
    return [f"{u},{i},{s},{t},{a}\n".encode() for u, i, s, t, a in zip(*columns, strict=True)]


def part(lines: Sequence[bytes], first: int) -> LogPart:
    return LogPart("log.csv", "csv", HEAD, b"".join(lines), first + 2)


def watcher(folder: Path, **settings: Any) -> Live:
    store = open_store(f"duckdb://{(folder / 'live.duckdb').resolve()}")
    return Live.open(store, CONFIG, folder, LiveSettings(**settings))


class LooksBeside:
    """Looks as `watch` takes them: in a process of their own, with a pause as long as a look between two."""

    def __init__(self, live: Live) -> None:
        self.live, self.looker = live, Looker(live.config, live.settings)
        self.asked: WindowAsked | None = None
        self.seconds: list[float] = []
        self.ended = 0.0

    def on(self, wait: bool = False) -> bool:
        """Go on; whether a look has ended."""
        if self.asked is None:
            if wait or time.perf_counter() - self.ended >= (self.seconds or [0.0])[-1]:
                self.asked = self.live.ask()
                assert self.asked is not None
                self.looker.begin(self.asked.rows, self.asked.casework)
            if not wait:
                return False
        found = self.looker.take(None if wait else 0.0)
        if found is None or self.asked is None:
            return False
        self.seconds.append(self.live.tell(self.asked, found).seconds)
        self.asked, self.ended = None, time.perf_counter()
        return True

    def close(self) -> None:
        self.looker.close()
        self.live.store.close()


def speed(folder: Path, _: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Batches of 10,000 events; looks as `watch` takes them."""
    lines = log_lines(make(REALISTIC).log)
    for looks in (False, True):
        own = folder / f"looks-{looks}"
        own.mkdir()
        live = watcher(own, most_rows=50_000)
        beside = LooksBeside(live)
        began, cpu = time.perf_counter(), time.process_time()
        for at in range(0, len(lines), 10_000):
            live.add([part(lines[at : at + 10_000], at)])
            if looks:
                beside.on()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        if looks:
            while beside.asked is not None:
                beside.on(wait=True)
        beside.close()
        yield {
            "figure": "speed", "looks": len(beside.seconds), "events": len(lines), "seconds": round(seconds, 2),
            "look_s": round(median(beside.seconds), 2) if looks else None,
            "events_per_s": round(len(lines) / seconds), "events_per_cpu_s": round(len(lines) / cpu),
        }  # fmt: skip


def latency(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """1,000 events a second for a while; an event has been looked at when what the look after it found is written."""
    lines = log_lines(make(REALISTIC).log)
    for most_rows in (5_000, 20_000):
        own = folder / f"latency-{most_rows}"
        own.mkdir()
        live, sent, delays = watcher(own, most_rows=most_rows), most_rows, []
        live.add([part(lines[:sent], 0)])
        beside = LooksBeside(live)
        beside.on(wait=True)
        beside.seconds.clear()  # that of the first look has the start of its process
        began, looked, under_way = time.perf_counter(), sent, sent
        while (now := time.perf_counter() - began) < args.seconds or looked < sent:
            due = min(most_rows + int(1000 * min(now, args.seconds)), len(lines))
            if due > sent:
                live.add([part(lines[sent:due], sent)])
                sent = due
            else:
                time.sleep(0.01)
            if beside.on():
                now = time.perf_counter() - began
                delays += [now - (n - most_rows) / 1000 for n in range(looked, under_way)]
                looked = under_way
            elif beside.asked is not None and under_way == looked:
                under_way = sent
        beside.close()
        yield {
            "figure": "latency", "window_events": most_rows, "events": len(delays), "looks": len(beside.seconds),
            "look_s": round(median(beside.seconds), 2), "p50_s": round(float(np.quantile(delays, 0.5)), 2),
            "p99_s": round(float(np.quantile(delays, 0.99)), 2),
        }  # fmt: skip


def memory(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The same month again and again, each time a month later: the window stays as large, the store grows.

    mib: resident in the process of events and in that of looks, the median of months: those after the first quarter
    until the middle, and the last quarter.
    """
    log = make(replace(REALISTIC, n_users=2_000, n_items=250)).log
    live = watcher(folder, most_rows=20_000)
    beside, used = LooksBeside(live), {"events": list[float](), "looks": list[float]()}
    for month in range(args.months):
        later = log.set_column(
            log.column_names.index("timestamp"), "timestamp",
            pa.array(log["timestamp"].to_numpy() - (args.months - month) * 30 * DAY_MS),
        )  # fmt: skip
        lines = log_lines(later)
        for at in range(0, len(lines), 10_000):
            live.add([part(lines[at : at + 10_000], at)])
        beside.on(wait=True)
        looks = psutil.Process().children()
        used["events"].append(psutil.Process().memory_info().rss / 2**20)
        used["looks"].append(max(child.memory_info().rss for child in looks) / 2**20)
    quarter, rows = args.months // 4, live.store.open_rows()
    row: dict[str, Any] = {"figure": "memory", "events": live.state.n_events, "looks": live.state.looks}
    for name, mib in used.items():
        before, after = median(mib[quarter : 2 * quarter]), median(mib[-quarter:])
        row[name + "_mib"] = [round(before), round(after)]
        row[name + "_change"] = round(after / before - 1, 3)
    yield row | {
        "store_mib": round((folder / "live.duckdb").stat().st_size / 2**20),
        "open_rows": 0 if rows is None else rows.collect("pyarrow").to_native().num_rows,
    }
    beside.close()


def share(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Looks after every twentieth of a ring's acts; it is told of when an alert names half of its accounts that have
    acted by then, or the most that an alert names."""
    for kind, knobs in CAMPAIGNS.items():
        done, planted, flagged, named, hit, batch = [], 0, 0, 0, 0, 0
        for seed in range(args.seeds):
            made = make(
                SimulateRequest(
                    args.users, args.users // 8, 30, plan=kind, n_campaigns=2, seed=seed, knobs=knobs
                )
            )
            own = folder / f"{kind}-{seed}"
            own.mkdir()
            for at, in_batch, members, alerts in replayed(watcher(own), made, args.looks):
                planted += 1
                batch += in_batch
                flagged += at is not None
                done += [] if at is None else [at]
                for alert in alerts:
                    hit += len(members & set(alert["members"]))
                    named += len(alert["members"])
        yield {
            "figure": "share", "kind": kind, "knobs": knobs, "planted": planted, "found_at_the_end": batch, "told":
            flagged, "share_done_median": round(median(done), 3) if done else None, "share_done": [round(one, 2) for
            one in sorted(done)], "precision": round(hit / named, 3) if named else None, "accounts_named": named,
        }  # fmt: skip


def replayed(
    live: Live, made: Made, looks: int
) -> Iterator[tuple[float | None, bool, set[str], list[dict[str, Any]]]]:
    """Of each campaign: the share of its acts done when it was first told of, None for never; whether a ring of half of
    it is flagged at the end; all accounts of campaigns; and the alerts that were sent meanwhile."""
    lines = log_lines(made.log)
    users, items = made.log["user_id"].to_pylist(), made.log["item_id"].to_pylist()
    everybody = {row["user_id"] for row in made.truth.to_pylist()}
    targets: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}
    for row in made.truth.to_pylist():
        members.setdefault(row["campaign_id"], set()).add(row["user_id"])
    for row in made.truth_items.to_pylist():
        targets.setdefault(row["campaign_id"], set()).add(row["item_id"])
    acts = {
        name: [n for n, user in enumerate(users) if user in its and items[n] in targets.get(name, its)]
        for name, its in members.items()
    }
    told: dict[str, float] = {}
    alerts: list[dict[str, Any]] = []
    marks = {
        its[min(len(its) * (k + 1) // looks, len(its)) - 1] + 1
        for its in acts.values()
        if its
        for k in range(looks)
    }
    sent = 0
    for mark in sorted(marks):
        live.add([part(lines[sent:mark], sent)])
        sent = mark
        for alert in live.look().alerts:
            alerts.append(alert)
            for name in members:
                active = {users[n] for n in acts[name] if n < mark}
                named = len(active & set(alert["members"]))
                if name not in told and named and named >= 0.5 * min(len(active), MOST_IDS):
                    told[name] = sum(n < mark for n in acts[name]) / len(acts[name])
    live.add([part(lines[sent:], sent)])
    alerts += live.look().alerts
    found = live.findings()
    flagged = set(found.rings.filter(found.rings["flagged"])["ring_id"].to_pylist())
    rings: dict[str, set[str]] = {}
    for row in found.members.to_pylist():
        rings.setdefault(row["ring_id"], set()).add(row["user_id"])
    live.store.close()
    for place, (name, its) in enumerate(sorted(members.items())):
        in_batch = any(len(rings[ring] & its) >= 0.5 * len(its) for ring in flagged)
        yield told.get(name), in_batch, everybody, [] if place else alerts


def untouched(seed: int) -> tuple[str, list[bytes]]:
    """A log in which nothing is planted, and what it is like: readers, shoppers, or acts by pure chance."""
    if seed % 3 < 2:
        n_users = (200, 300, 400)[seed // 3 % 3]
        kind = ("news", "shop")[seed % 3]
        return kind, log_lines(make(SimulateRequest(n_users, n_users // 4, 30, kind, "none", seed=seed)).log)
    chance = np.random.default_rng(seed)
    n, days = 1000 * (1 + seed // 3 % 3), (2, 10, 30)[seed // 3 % 3]
    times = np.sort(1_767_225_600_000 + chance.integers(days * DAY_MS, size=n))
    users, items = chance.integers(150, size=n), chance.integers(60, size=n)
    return "chance", [
        f"u{user},i{item},u{user}-{at // 1_800_000},{at},view\n".encode()
        for user, item, at in zip(users, items, times, strict=True)
    ]


def promise(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Untouched logs of several kinds and sizes, each looked at ten times.

    strongest_and_groups: of each log in which a group is flagged at any look, the largest e-value of one, and how many
    groups stood out at most.
    """
    begun: dict[str, Any] = {"replays": 0, "with_any_alert": 0, "alerts": 0, "with_any_flag_at_any_look": 0}
    known: dict[str, dict[str, Any]] = {}
    for seed in range(args.first, args.first + args.replays):
        kind, lines = untouched(seed)
        own = folder / str(seed)
        own.mkdir()
        live, flagged, strongest, groups = watcher(own), 0, 0.0, 0
        step = max(len(lines) // 10, 1)
        for at in range(0, len(lines), step):
            live.add([part(lines[at : at + step], at)])
            look = live.look()
            flagged += look.n_flagged
            strongest, groups = max(strongest, look.strongest), max(groups, look.n_tested)
        sent = live.alerts().num_rows
        live.store.close()
        (own / "live.duckdb").unlink()
        its = known.setdefault(kind, begun | {"strongest_and_groups": []})
        its["replays"] += 1
        its["with_any_alert"] += sent > 0
        its["alerts"] += sent
        its["with_any_flag_at_any_look"] += flagged > 0
        if flagged:
            its["strongest_and_groups"].append([round(strongest), groups])
    for kind, its in known.items():
        yield {"figure": "promise", "kind": kind, "looks_each": 10, "level": 0.05, **its}


def kills(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    yield {"figure": "kills", **kill_often(folder, args.kills)}


def worlds(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Real worlds in time, a look after every twentieth: what was told, and how far an account and the log were when it
    was. The batch day is the last one, when all acts are done. Where nobody knows who is guilty, those that the batch
    flags stand for them.
    """
    for name in args.worlds:
        world = read_world(Path(args.data), name)
        config = load_config(world.config)
        time_column, user_column = str(config.columns.timestamp), str(config.columns.user_id)
        sql = f"SELECT to_json(r) FROM (SELECT * FROM '{world.log}' ORDER BY {time_column}) AS r"
        rows = [row for (row,) in duckdb.sql(sql).fetchall()]
        own = folder / name
        own.mkdir()
        store = open_store(f"duckdb://{(own / 'live.duckdb').resolve()}")
        live = Live.open(
            store, config, own, LiveSettings(most_rows=len(rows), window_ms=3650 * DAY_MS, lateness_ms=DAY_MS)
        )
        told: dict[str, float] = {}
        step = len(rows) // args.looks + 1
        for at in range(0, len(rows), step):
            text = "".join(row + "\n" for row in rows[at : at + step])
            live.add([LogPart(name, "jsonl", b"", text.encode(), at + 1)])
            for alert in live.look().alerts:
                for user in alert.get("members", ()):
                    told.setdefault(user, min((at + step) / len(rows), 1.0))
        found = live.findings()
        flagged = set(found.rings.filter(found.rings["flagged"])["ring_id"].to_pylist())
        batch = {
            row["user_id"] for row in found.members.to_pylist() if row["ring_id"] in flagged
        } & world.known
        state = live.state
        store.close()
        acts: dict[str, list[float]] = {}
        for place, row in enumerate(rows):
            acts.setdefault(str(json.loads(row)[user_column]), []).append(place / len(rows))
        guilty = world.guilty or batch
        right = set(told) & guilty
        done = [float(np.mean(np.array(acts[user]) < told[user])) for user in sorted(right)]
        yield {
            "figure": "worlds", "world": name, "events": state.n_events, "too_late": state.n_late, "looks": state.looks,
            "named": len(set(told) & world.known), "right": len(right) if world.guilty else None,
            "batch_named": len(batch), "batch_right": len(batch & guilty) if world.guilty else None,
            "named_and_in_batch": len(set(told) & batch), "guilty": len(world.guilty) or None,
            "log_done_median": round(median(told[user] for user in right), 2) if right else None,
            "log_done_first": round(min(told.values()), 2) if told else None,
            "own_acts_done_median": round(median(done), 2) if done else None,
        }  # fmt: skip


FIGURES: dict[str, Callable[[Path, argparse.Namespace], Iterator[dict[str, Any]]]] = {
    "speed": speed,
    "latency": latency,
    "memory": memory,
    "share": share,
    "promise": promise,
    "kills": kills,
    "worlds": worlds,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}; none: all")
    parser.add_argument("--data", default="../shared/data", help="where the real worlds are")
    parser.add_argument("--worlds", nargs="*", default=REAL, help="which of benchmarks.worlds")
    parser.add_argument("--record", action="store_true", help="also append to results.jsonl")
    for name, usual in (
        ("replays", 200),
        ("first", 0),
        ("kills", 200),
        ("seconds", 60),
        ("months", 40),
        ("seeds", 3),
        ("users", 2000),
        ("looks", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    for name in args.figures or FIGURES:
        with tempfile.TemporaryDirectory() as folder:
            for row in FIGURES[name](Path(folder), args):
                recording.told(args.record, "live", **row)


if __name__ == "__main__":
    main()
