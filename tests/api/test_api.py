"""The library: its names and what they cost, what frames say beside files, and what comes back."""

import ast
import gc
import inspect
import io
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

import graphdet
from graphdet import schema
from graphdet.casework.decisions import give_verdict
from graphdet.errors import ConfigError, InputError, NotEnoughData, StoreError, UsageError
from graphdet.findings import opened
from graphdet.store import open_store
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs import simulate as verb
from graphdet.verbs.rings import find_rings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PUBLIC = [
    *("Evaluation", "Findings", "GraphdetError", "Ring", "Simulation"),
    *("evaluate", "open", "run", "simulate"),
]
HEAVY = ("duckdb", "narwhals", "networkx", "numpy", "pandas", "pyarrow", "torch", "typer")


# --- the names ------------------------------------------------------------------------------------------------
def test_the_public_names_are_frozen() -> None:
    assert sorted(graphdet.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(graphdet))
    with pytest.raises(AttributeError, match="no attribute 'scan'"):
        _ = graphdet.scan  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    stub = Path(graphdet.__file__).with_suffix(".pyi")
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    imported = {name.name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert imported == set(PUBLIC)


def test_no_room_has_a_public_name() -> None:
    """Importing a module of that name would put the module in the place of the function."""
    assert {module.name for module in pkgutil.iter_modules(graphdet.__path__)} & set(PUBLIC) == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> import graphdet" in (inspect.getdoc(getattr(graphdet, name)) or "")


def test_import_loads_nothing_else() -> None:
    code = f"import sys, graphdet; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- frames beside files ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def made() -> graphdet.Simulation:
    return graphdet.simulate(n_users=300, n_items=100, days=7, plan="L1", n_campaigns=1, seed=2)


@pytest.fixture(scope="module")
def folder(made: graphdet.Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with one blatant campaign, as a CSV file, and the folder of a run over it."""
    folder = tmp_path_factory.mktemp("api")
    made.log.to_csv(folder / "log.csv", index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    return folder


CONFIG = {
    "columns": {
        name: name for name in ("user_id", "item_id", "timestamp", "session_id", "action", "device_id", "ip")
    },
    "entities": {"device": "device_id"},
}


@pytest.fixture(scope="module")
def findings(folder: Path) -> graphdet.Findings:
    return graphdet.run(folder / "log.csv", CONFIG, out=folder / "out", seed=1)


def as_relation(frame: pd.DataFrame) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas with categories": lambda frame: frame.astype({"user_id": "category", "action": "category"}),
    "polars": pl.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": as_relation,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_says_what_the_file_says(
    kind: str, made: graphdet.Simulation, findings: graphdet.Findings, folder: Path, tmp_path: Path
) -> None:
    found = graphdet.run(
        FRAMES[kind](made.log), {"entities": {"device": "device_id"}}, model=folder / "out" / "model",
        out=tmp_path, seed=1,
    )  # fmt: skip
    assert found.rings["flagged"].any()
    assert_frame_equal(found.suspects, findings.suspects)
    assert_frame_equal(found.rings, findings.rings)
    assert_frame_equal(found.leads, findings.leads)
    assert found.info["inputs"][0]["file"] == "frame.parquet"
    assert not list(tmp_path.rglob("frame*"))  # the copy of the log is gone
    assert found.warnings == []


def test_training_on_a_frame_is_training_on_the_file(made: graphdet.Simulation, folder: Path) -> None:
    from_file = graphdet.open(folder / "out")
    found = graphdet.run(made.log, CONFIG, seed=1)
    assert_frame_equal(found.suspects, from_file.suspects)
    kept = found.folder
    assert kept is not None
    assert found.report == kept / "report.html"
    del found
    gc.collect()
    assert not kept.exists()  # a run without out= lives as long as its findings


DAY = pd.Timestamp("2026-01-05 10:00")


def tiny(times: Any) -> pd.DataFrame:
    return pd.DataFrame({"user_id": [1, 2, 3], "item_id": ["a", "b", "a"], "timestamp": times})


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([f"2026-01-05T1{n}:00:00Z" for n in range(3)], None),
        ([DAY.tz_localize("Europe/Berlin")] * 3, None),
        ([DAY, DAY, DAY], "name no zone and were read as UTC"),
        ([1_767_607_200, 1_767_607_201, 1_767_607_202], "seconds since 1970, from 2026-01-05 to 2026-01-05"),
        ([1_767_607_200.5, None, 1_767_607_202.25], "seconds since 1970"),
        ([1_767_607_200_000, 1_767_607_201_000, 1_767_607_202_000], "milliseconds since 1970"),
        ([1_767_607_200_000_000, 1_767_607_201_000_000, 1_767_607_202_000_000], "microseconds since 1970"),
    ],
)
def test_the_unit_of_times(times: list[Any], said: str | None) -> None:
    config = None if None not in times else {"reject": {"max_share": 1.0}}
    found = graphdet.run(tiny(times), config)
    assumed = found.warnings[:-1]  # the last: the log is too small
    assert found.warnings[-1].startswith("insufficient data")
    assert (said is None and assumed == []) or (len(assumed) == 1 and said is not None and said in assumed[0])
    assert found.info["period"]["first_ms"] // 86_400_000 == 1_767_607_200_000 // 86_400_000


@pytest.mark.parametrize(
    ("log", "config", "error", "words"),
    [
        (tiny([0, 1, 2]), None, ConfigError, "no times between 1990 and 2100"),
        (tiny([1_767_607_200, 1_767_607_200_000, 1_767_607_200]), None, ConfigError, "in any one unit"),
        (tiny([True, False, True]), None, ConfigError, "which is no time"),
        (tiny(["soon", "later", "never"]), None, InputError, "the frame line 1: .* give out= to keep all"),
        (tiny([DAY] * 3).rename(columns={"user_id": "visitor"}), None, ConfigError, "no column 'user_id'"),
        (tiny([DAY] * 3).assign(user_id=["a", 1, 2.5]), None, InputError, "astype"),
        (tiny([DAY] * 3).iloc[:0], None, InputError, "^the frame: a header but no rows"),
        (tiny([DAY] * 3), {"columns": {"user_id": "x", "item_id": "item_id", "timestamp": "timestamp"}},
         InputError, r"no column 'x', which the config's \[columns\] user_id names"),
        (tiny([DAY] * 3), {"entity": {"device": "device_id"}}, ConfigError, "unknown table or key"),
        (tiny([DAY] * 3), "nowhere", ConfigError, "no such file or shipped config"),
        ({"user_id": [1]}, None, UsageError, "a dict is no log"),
        ("no-such.csv", None, InputError, "there is no such file"),
        ("no-such.csv", "simulated", InputError, "there is no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_log(log: Any, config: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        graphdet.run(log, config)


def test_what_run_cannot_be_asked() -> None:
    log = tiny([DAY] * 3)
    for asked, words in (
        ({"fdr": 0.1, "review": 5}, "not both"),
        ({"fdr": 2}, "between 0 and 1"),
        ({"review": 0}, "1"),
    ):
        with pytest.raises(UsageError, match=words):
            graphdet.run(log, **asked)  # type: ignore[arg-type]


def test_a_log_with_numbers_for_times_takes_a_config() -> None:
    found = graphdet.run(tiny([0, 10, 20]), {"time": {"unit": "s", "origin": "2020-01-01"}})
    assert found.info["period"] == {"first_ms": 1_577_836_800_000, "last_ms": 1_577_836_820_000}


def test_known_columns_are_used_by_their_names() -> None:
    log = tiny([DAY] * 3).assign(
        event_id=list("xyz"), amount=[1.5, 2, 3], text="hi", action="Buy", colour="red"
    )
    found = graphdet.run(log)
    with opened(found.url) as store:
        events = store.events().collect("pyarrow").to_native().to_pandas()
    assert set(events["event_id"]) == set("xyz")
    assert set(events["amount"]) == {1.5, 2.0, 3.0}
    assert set(events["action"]) == {"buy"}
    assert "colour" not in events


# --- what comes back ----------------------------------------------------------------------------------------------
def test_open_gives_what_run_gave(folder: Path, findings: graphdet.Findings) -> None:
    for place in (folder / "out", str(folder / "out" / "graph.duckdb"), findings.url):
        again = graphdet.open(place)
        assert_frame_equal(again.suspects, findings.suspects)
        assert_frame_equal(again.rings, findings.rings)
        assert repr(again) == repr(findings)
    suspects = pd.read_csv(folder / "out" / "suspects.csv", dtype={"user_id": str})
    assert_frame_equal(suspects, findings.suspects, check_dtype=False)
    assert tuple(findings.rings.columns) == schema.RING_COLUMNS
    assert str(findings.rings["first_seen"].dt.tz) == "UTC"


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for place, error, words in (
        (tmp_path, UsageError, "graph.duckdb"),
        (tmp_path / "none", UsageError, "no such folder or file"),
        ("duckdb:no-such.duckdb", UsageError, "no-such"),
        (tmp_path / "notes.txt", InputError, "not"),
        ("ftp://somewhere", UsageError, "not a store"),
        ("neo4j://localhost:1", StoreError, "localhost"),
    ):
        with pytest.raises(error, match=words):
            graphdet.open(place)


@pytest.fixture(scope="module")
def ring(findings: graphdet.Findings) -> graphdet.Ring:
    return findings.ring(findings.rings["ring_id"][0])


def test_a_ring_has_its_evidence(ring: graphdet.Ring, made: graphdet.Simulation) -> None:
    planted, targets = set(made.truth["user_id"]), set(made.truth_items["item_id"])
    members, items = ring.members, ring.items
    assert len(planted & set(members["user_id"])) / len(planted | set(members["user_id"])) > 0.8
    assert targets <= set(items["item_id"])
    assert members["score"].is_monotonic_decreasing
    assert {"code", "strength", "text"} == set(ring.reasons.columns) == set(ring.counter_evidence.columns)
    assert ring.reasons["strength"].is_monotonic_decreasing
    assert "shared_targets" in set(ring.reasons["code"])
    events = ring.events
    log = made.log.drop_duplicates()
    wanted = log[log["user_id"].isin(members["user_id"]) & log["item_id"].isin(items["item_id"])]
    assert len(events) == len(wanted) == members["n_acts"].sum() == items["n_acts"].sum()
    assert set(events["user_id"]) <= set(members["user_id"])
    assert events["at"].is_monotonic_increasing
    assert events["at"].min() == members["first_seen"].min() == items["first_seen"].min()
    assert {"session_id", "action", "n"} <= set(events.columns)
    assert ring.would_change is None or "flagged" in ring.would_change
    assert ring.ring_id in repr(ring)
    assert "<table" in ring._repr_html_()


def test_a_ring_as_a_graph(ring: graphdet.Ring) -> None:
    graph = ring.to_networkx()
    assert nx.is_bipartite(graph)
    kinds = pd.Series(dict(graph.nodes(data="kind"))).value_counts()
    assert kinds["user"] == len(ring.members)
    assert kinds["item"] == len(ring.items)
    for node, about in graph.nodes(data=True):
        assert about["bipartite"] == (0 if node[0] == "user" else 1)
    acts = sum(about.get("n", 0) for *_, about in graph.edges(data=True))
    assert acts == len(ring.events)
    shared = [node for node, kind in graph.nodes(data="kind") if kind == "device"]
    assert all(graph.degree[node] >= 2 for node in shared)
    nx.write_graphml(graph, io.BytesIO())  # all attributes are texts and numbers


def test_a_store_without_events_gives_acts(
    findings: graphdet.Findings, ring: graphdet.Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_events(self: DuckDBStore) -> None:
        raise UsageError("keeps no events")

    monkeypatch.setattr(DuckDBStore, "events", no_events)
    acts = findings.ring(ring.ring_id).events
    assert list(acts.columns) == ["at", "user_id", "item_id", "action", "session_id", "n"]
    assert acts["n"].sum() == len(ring.events)


def test_ids_of_the_graph_map_back(findings: graphdet.Findings, ring: graphdet.Ring) -> None:
    data = findings.graph()
    users, sessions = data["user"].ids.to_pylist(), data["session"].ids.to_pylist()
    assert sorted(users) == sorted(findings.suspects["user_id"])
    started = data["user", "started", "session"].edge_index
    owner = dict(zip(ring.events["session_id"], ring.events["user_id"], strict=True))
    for source, target in started.t().tolist():
        assert owner.get(sessions[target], users[source]) == users[source]
    some = ring.members["user_id"].tolist()[:3]
    around = findings.graph(
        users=some, hops=1, since="2000-01-01", until=pd.Timestamp("2100-01-01", tz="UTC")
    )
    assert sorted(around["user"].ids.to_pylist()) == sorted(some)
    for wrong, words in (({"users": ["nobody"]}, "nobody"), ({"users": some, "hops": 0}, "hops"),
                         ({"since": "soon"}, "no time")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            findings.graph(**wrong)


def test_leads_are_what_is_not_flagged(
    findings: graphdet.Findings, made: graphdet.Simulation, folder: Path, tmp_path: Path
) -> None:
    columns = ["ring_id", "n_users", "n_items", "score", "p_value", "q_value", "held_back_by", "why"]
    assert list(findings.leads.columns) == columns
    assert len(findings.leads) == (~findings.rings["flagged"]).sum()
    graphdet.run(made.log, CONFIG, model=folder / "out" / "model", out=tmp_path, seed=1)
    url = graphdet.open(tmp_path).url
    ring_id = findings.rings["ring_id"][0]
    store = open_store(url)
    give_verdict(store, "ring", ring_id, "innocent", "fan-club", "", "Ann")
    find_rings(store, model_dir=folder / "out" / "model", seed=1)
    store.close()
    leads = graphdet.open(tmp_path).leads.set_index("ring_id")
    assert leads.loc[ring_id, "held_back_by"] == "decision"
    assert "Ann" in str(leads.loc[ring_id, "why"])


def test_there_is_no_such_ring(findings: graphdet.Findings) -> None:
    with pytest.raises(UsageError, match="no ring 'R9999'; it has R0001"):
        findings.ring("R9999")
    assert "<h4>Rings</h4>" in findings._repr_html_()


# --- made logs and figures -------------------------------------------------------------------------------------------
def test_simulate_writes_what_the_command_writes(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "n_users": 200,
        "n_items": 80,
        "days": 5,
        "plan": "L2",
        "n_campaigns": 1,
        "seed": 4,
    }
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    made = graphdet.simulate(**asked, out=tmp_path / "a" / "log.csv")
    verb.simulate(tmp_path / "b" / "log.csv", **asked)
    for file in (tmp_path / "b").iterdir():
        assert file.read_bytes() == (tmp_path / "a" / file.name).read_bytes(), file.name
    written = pd.read_csv(tmp_path / "a" / "log.csv", dtype={"user_id": str})
    assert written["user_id"].tolist() == made.log["user_id"].tolist()
    assert (written["timestamp"] == made.log["timestamp"].astype("int64") // 10 ** (
        {"ms": 0, "us": 3, "ns": 6}[made.log["timestamp"].dt.unit])).all()  # fmt: skip
    for wrong in (
        {"plan": "L9"},
        {"out": tmp_path / "log.xlsx"},
        {"rating": "stars"},
        {"knobs": {"colour": 1}},
    ):
        with pytest.raises(UsageError):
            graphdet.simulate(**asked | wrong)
    with pytest.raises(NotEnoughData):
        graphdet.simulate(n_users=3, n_items=2, days=1)


def test_simulate_plants_into_findings(findings: graphdet.Findings) -> None:
    planted = graphdet.simulate(base=findings, plan="L1", n_campaigns=1, knobs={"n_accounts": 15}, seed=5)
    assert set(findings.suspects["user_id"]) <= set(planted.log["user_id"])
    assert len(planted.truth) >= 15


def test_evaluate_takes_findings_and_frames(
    findings: graphdet.Findings, made: graphdet.Simulation, folder: Path, tmp_path: Path
) -> None:
    users = findings.suspects["user_id"]
    labels = pd.DataFrame({"user_id": users, "label": users.isin(made.truth["user_id"]).astype(int)})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    found = graphdet.evaluate(findings, labels, n_draws=50, out=tmp_path / "page")
    from_files = graphdet.evaluate(str(folder / "out" / "suspects.csv"), tmp_path / "labels.csv", n_draws=50)
    wanted = from_files.metrics.drop(columns="scores")
    assert_frame_equal(found.metrics.drop(columns="scores"), wanted)
    assert wanted.set_index("metric").loc["auroc", "value"] > 0.9
    assert found.page is not None
    assert found.page.exists()
    assert "<table" in found._repr_html_()
    two = graphdet.evaluate(
        [findings, pl.from_pandas(findings.suspects[["user_id", "score"]])], labels, n_draws=0
    )
    assert two.metrics["scores"].nunique() == 2
    with pytest.raises(InputError):
        graphdet.evaluate(findings, labels.assign(user_id="nobody"))


def test_run_takes_labels_as_a_frame(made: graphdet.Simulation, ring: graphdet.Ring, folder: Path) -> None:
    items = pd.Series(sorted(set(made.log["item_id"])), name="item_id")
    labels = pd.DataFrame({"item_id": items, "label": items.isin(ring.items["item_id"]).astype(int)})
    model = folder / "out" / "model"
    found = graphdet.run(made.log, CONFIG, model=model, labels=labels, seed=1)
    assert found.info["labels"] == {"file": "labels.csv"}
    few = pd.concat([labels[labels["label"] == 1].head(3), labels[labels["label"] == 0]])
    with pytest.raises(InputError, match=r"^labels.csv: only 3 items"):
        graphdet.run(made.log, CONFIG, model=model, labels=few)


def test_a_frame_without_times_is_read_when_asked_for(tmp_path: Path) -> None:
    log = tiny([DAY] * 3).drop(columns="timestamp").assign(rating=[1, 5, 3])
    found = graphdet.run(log, {"columns": {"user_id": "user_id", "item_id": "item_id"}}, out=tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "without times are too little to tell what is rare" in page
    assert "1970" not in page
    assert "The log has no times" in found.warnings[0]
    assert found.info["period"] == {"first_ms": None, "last_ms": None}
    with pytest.raises(ConfigError, match="of a log without times leave out 'timestamp'"):
        graphdet.run(log)
    assert graphdet.run(tiny([DAY] * 3).assign(rating=[1, 5, 3])).info["counts"]["items"] == 2
