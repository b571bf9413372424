"""graphdet simulate writes what rows carry: amounts, ratings, the two sides of a mule; from a user's own log, too."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from graphdet.cli.simulated import Kind, Plan
from graphdet.config import load_config
from graphdet.errors import UsageError
from graphdet.graph.encode import encode
from graphdet.simulation import RowValues
from graphdet.simulation.campaigns import PLANS
from graphdet.simulation.organic import ORGANIC_KINDS as KINDS_OF_LOG
from graphdet.simulation.row_values import read_values
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest
from graphdet.verbs.simulate import SimulateResult, simulate

TEXT = dict.fromkeys(("user_id", "item_id", "session_id", "stars"), pa.string())
CONFIG = """
[columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
session_id = "session_id"
action = "action"
amount = "paid"
[time]
unit = "ms"
[attributes]
mark = "mark"
"""


def made(out: Path, **changes: object) -> SimulateResult:
    knobs: dict[str, object] = {"n_users": 900, "n_items": 250, "days": 14, "n_campaigns": 1}
    return simulate(out, **{**knobs, **changes})


def rows_of(path: Path) -> dict[str, list[object]]:
    return pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=TEXT)).to_pydict()


def test_generated_payments_have_amounts_and_mules_with_one_id(tmp_path: Path) -> None:
    result = made(tmp_path / "log.csv", kind="payments", plan="mule_cycle")
    log, truth = rows_of(result.log), rows_of(result.truth_items)
    assert list(log)[-1] == "amount"
    amount = np.array(log["amount"], float)
    assert amount.min() > 0
    assert set(log["action"]) == {"pay"}
    assert truth["user_id"] == truth["item_id"]
    accused = set(rows_of(result.truth)["user_id"])
    assert accused == set(truth["user_id"])
    assert result.warnings == ()
    again = made(tmp_path / "again" / "log.csv", kind="payments", plan="mule_cycle")
    for name in ("log", "truth", "truth_items", "innocents"):
        assert getattr(again, name).read_bytes() == getattr(result, name).read_bytes()


def test_what_does_not_show_in_a_log_is_said(tmp_path: Path) -> None:
    result = made(tmp_path / "log.csv", plan="mule_fan_in", knobs={"polarity": "demote"})
    assert [text.split(":")[0] for text in result.warnings] == [
        "the log has no amounts",
        "the log has no ratings",
    ]
    truth = rows_of(result.truth_items)
    assert sum(user is not None and user != "" for user in truth["user_id"]) == 4
    assert made(tmp_path / "b.csv", plan="L2").warnings == ()
    reviews = made(tmp_path / "reviews.csv", kind="reviews", plan="demote")
    assert reviews.warnings == ()
    assert set(rows_of(reviews.log)["stars"]) == {"1", "2", "3", "4", "5"}


@pytest.fixture(scope="module")
def own_log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of a user's own payments: the organic ones, some twice a session, some without amount or mark."""
    folder = tmp_path_factory.mktemp("own")
    simulate(folder / "log.csv", n_users=900, n_items=250, days=14, kind="payments", plan="none")
    log = rows_of(folder / "log.csv")
    rng = np.random.default_rng(0)
    n = len(log["user_id"])
    mark = [str(m) if m else None for m in rng.integers(0, 6, n)]
    paid = [None if k % 50 == 0 else amount for k, amount in enumerate(log["amount"])]
    table = pa.table(
        {name: log[name] for name in ("user_id", "item_id", "session_id", "timestamp", "action")}
    )
    table = table.append_column("paid", pa.array(paid, pa.float64())).append_column("mark", pa.array(mark))
    again = table.slice(0, 200)
    later = pa.array(np.asarray(again["timestamp"]) + 1000)
    again = again.set_column(3, "timestamp", later).set_column(5, "paid", pa.array([10.0] * 200))
    pa_csv.write_csv(pa.concat_tables([table, again]), folder / "own.csv")
    (folder / "own.toml").write_text(CONFIG)
    url = f"duckdb:{folder / 'own.duckdb'}"
    store = open_store(url)
    try:
        ingest(
            store, [folder / "own.csv"], load_config(str(folder / "own.toml")), rejects=folder / "rejects.csv"
        )
    finally:
        store.close()
    return url


def read(url: str, rating: str | None = None) -> tuple[GraphArrays, RowValues]:
    store = open_store(url, read_only=True)
    try:
        graph = encode(store.interactions(), store.entities())
        return graph, read_values(store, graph, rating)
    finally:
        store.close()


def test_values_of_a_store_come_with_the_right_edges(own_log: str) -> None:
    graph, values = read(own_log, "mark")
    assert values.amount is not None
    assert values.rating is not None
    with duckdb.connect(own_log.removeprefix("duckdb:"), read_only=True) as con:
        rows = con.execute(
            "SELECT user_id, session_id, item_id, avg(amount), min(mark) FROM events GROUP BY ALL"
        ).fetchall()
    wanted = {row[:3]: row[3:] for row in rows}
    assert len(wanted) == graph.n_edges
    marks = values.rating.to_pylist()
    for edge in range(0, graph.n_edges, 7):
        names = (
            graph.user_ids[int(graph.user_ix[edge])].as_py(),
            graph.session_ids[int(graph.session_ix[edge])].as_py(),
            graph.item_ids[int(graph.item_ix[edge])].as_py(),
        )
        amount, mark = wanted[names]
        assert marks[edge] == mark
        # Events without an amount count in the mean as the sum over all events has it.
        assert np.isnan(values.amount[edge]) if amount is None else values.amount[edge] <= amount + 1e-6
    assert np.isnan(values.amount).sum() > 10
    assert (graph.n > 1).sum() > 150


def test_campaigns_in_an_own_log_look_like_its_rows(own_log: str, tmp_path: Path) -> None:
    graph, values = read(own_log, "mark")
    result = made(
        tmp_path / "log.csv", base=graph, values=values, plan="demote", shared_ids=True, n_campaigns=1
    )
    log = rows_of(result.log)
    assert list(log)[-2:] == ["amount", "mark"]
    assert set(map(str, log["mark"])) <= {"1", "2", "3", "4", "5", "None", ""}
    accused = set(rows_of(result.truth)["user_id"])
    targets = set(rows_of(result.truth_items)["item_id"])
    given = [
        int(str(mark))
        for user, item, mark in zip(log["user_id"], log["item_id"], log["mark"], strict=True)
        if user in accused and item in targets
    ]
    assert np.mean(np.array(given) == 1) > 0.9
    assert len(given) > 30


def test_names_of_items_are_kept(own_log: str, tmp_path: Path) -> None:
    named = rows_of(Path(own_log.removeprefix("duckdb:")).parent / "log.csv")
    named["title"] = [f"thing {item}" for item in named["item_id"]]
    pa_csv.write_csv(pa.table(named), tmp_path / "named.csv")
    config = CONFIG.replace('"paid"', '"amount"\nitem_name = "title"').partition("[attributes]")[0]
    (tmp_path / "named.toml").write_text(config)
    url = f"duckdb:{tmp_path / 'named.duckdb'}"
    store = open_store(url)
    ingest(store, [tmp_path / "named.csv"], load_config(str(tmp_path / "named.toml")))
    store.close()
    graph, values = read(url)
    log = rows_of(made(tmp_path / "log.csv", base=graph, values=values, plan="L1").log)
    assert log["item_name"] == [f"thing {item}" for item in log["item_id"]]
    hidden = rows_of(
        made(
            tmp_path / "b.csv", base=graph, values=values, plan="none", n_campaigns=None, shared_ids=True
        ).log
    )
    assert "item_name" not in hidden


def test_a_wrong_rating_is_refused(own_log: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no attribute 'stars' to take ratings from; it has mark"):
        read(own_log, "stars")
    graph, _ = read(own_log)
    values = RowValues(rating=pa.array(["1"] * graph.n_edges), rating_name="action")
    with pytest.raises(UsageError, match="column of ratings is 'action'"):
        made(tmp_path / "log.csv", base=graph, values=values, plan="none", n_campaigns=None)


def test_the_command_line_offers_every_plan_and_kind() -> None:
    assert {plan.value for plan in Plan} == set(PLANS)
    assert {kind.value for kind in Kind} == set(KINDS_OF_LOG)
