"""How near a warm scorer that is told an account's new acts comes to a log that holds them: a line in results.jsonl.

    python -m benchmarks.run_since --store URL --model DIR [--days 1]

The log is cut some days before its end and a scorer warmed up on what is left. Accounts that act in those days are
scored with their acts since, and held against a scorer of the whole log, in which everybody else acted too. Beside it:
how far off those are that are not told of the acts (accounts that the cut log knows).
"""

import argparse
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.recording import command, record
from graphdet.evaluation.columns import spearman
from graphdet.serving.accounts import AccountScorer
from graphdet.serving.acts import NewAct
from graphdet.serving.build import account_scorer
from graphdet.store import open_store

DAY_MS = 86_400_000
MOST = 2_000


def scorer_of(url: str, model: Path) -> AccountScorer:
    store = open_store(url, read_only=True)
    try:
        return account_scorer(store, model)
    finally:
        store.close()


def acts_since(url: str, days: float, folder: Path) -> dict[str, list[NewAct]]:
    """Cut the log, and give the acts of some accounts after the cut."""
    store = open_store(url, read_only=True)
    table: pa.Table = (
        store.interactions()
        .select("user_id", "item_id", "session_id", "at_ms", "action", "n")
        .collect("pyarrow")
        .to_native()
    )
    store.close()
    until = pc.max(table["at_ms"]).as_py() - round(days * DAY_MS)
    before, later = (
        table.filter(pc.less(table["at_ms"], until)),
        table.filter(pc.greater_equal(table["at_ms"], until)),
    )
    with duckdb.connect() as con:
        con.register("before", before)
        con.execute(
            "COPY (SELECT user_id, item_id, session_id, at_ms AS timestamp, action "
            f"FROM before, range(n)) TO '{folder}/cut.parquet'"
        )
    users = np.unique(later["user_id"].to_pylist())
    chosen = set(np.random.default_rng(0).permutation(users)[:MOST].tolist())
    acts: dict[str, list[NewAct]] = {}
    for row in later.to_pylist():
        if row["user_id"] in chosen:
            act = NewAct(row["item_id"], row["at_ms"], row["action"], row["session_id"])
            acts.setdefault(row["user_id"], []).extend([act] * row["n"])
    return acts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--name", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        acts = acts_since(given.store, given.days, folder)
        url = f"duckdb:///{folder}/cut.duckdb"
        command("ingest", f"{folder}/cut.parquet", "--config", "simulated", "--store", url)
        cut = scorer_of(url, given.model)
    users = sorted(acts)
    told = np.array([cut.logit(cut.account(user, acts[user])) for user in users])
    known = np.array([user in cut.row_of for user in users])
    stale = np.array([cut.logit(cut.account(user)) if user in cut.row_of else np.nan for user in users])
    del cut
    whole = scorer_of(given.store, given.model)
    wanted = np.array([whole.logit(whole.account(user)) for user in users])
    for kind, rows, found in (
        ("told", known, told), ("told, strangers", ~known, told), ("not told", known, stale)
    ):  # fmt: skip
        off = np.abs(found[rows] - wanted[rows])
        record(
            "acts_since",
            log=given.name,
            days=given.days,
            accounts=kind,
            n=int(rows.sum()),
            mean_abs_logit=round(float(off.mean()), 3),
            p95_abs_logit=round(float(np.quantile(off, 0.95)), 3),
            rank_correlation=round(float(spearman(np.column_stack([found[rows], wanted[rows]]))[0, 1]), 4),
        )


if __name__ == "__main__":
    main()
