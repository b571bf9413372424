"""Three owners, three processes and a server: what they learn, and what passes between them."""

import json
import multiprocessing
import os
import re
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from graphdet.cli.main import main
from graphdet.config import load_config
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest
from tests.cli.command_line import inside
from tests.federate.wire_tap import tapped

pytestmark = pytest.mark.slow
SECONDS = 240


RING = Campaign("bought", 16, 6, density=1.0, window_s=7_200, camouflage=0.2, pace="plain")
COMMON = plant(
    organic(400, 200, 5, 1, "news"), [RING], seed=1
)  # north and east have each every other user of it
EVEN = np.arange(COMMON.graph.n_users) % 2 == 0
OTHER = organic(300, 150, 5, 5, "news")
LOGS = {
    "north": (COMMON.graph, EVEN),
    "east": (COMMON.graph, ~EVEN),
    "west": (OTHER, np.ones(OTHER.n_users, bool)),
}
OWNERS = tuple(LOGS)
RING_IN_NORTH = {f"north-person-{row:05d}" for row in np.flatnonzero(EVEN & (COMMON.campaign_of_user >= 0))}


def write_log(folder: Path, owner: str, log: GraphArrays, mine: NDArray[np.bool_]) -> set[str]:
    """Write one owner's rows, in which every id of a user tells whose it is; gives all ids."""
    rows = np.flatnonzero(mine[log.user_ix])
    users = np.array([f"{owner}-person-{row:05d}" for row in range(log.n_users)])[log.user_ix[rows]]
    items = np.array([f"Article-of-all-{row:05d}" for row in range(log.n_items)])[log.item_ix[rows]]
    columns = {
        "user_id": users,
        "item_id": items,
        "timestamp": log.at_ms[rows],
        "session_id": np.array([f"{owner}-sitting-{row:06d}" for row in log.session_ix[rows]]),
        "action": np.full(len(rows), "view"),
    }
    pq.write_table(pa.table(columns), folder / "log.parquet")
    store = open_store(f"duckdb:///{folder}/graph.duckdb")
    ingest(store, [folder / "log.parquet"], load_config("simulated"), rejects=folder / "rejects.csv")
    store.close()
    return {*users.tolist(), *items.tolist()}


def graphdet_as(words: list[str], folder: Path) -> None:
    """Be a graphdet command, with its streams in the files `out` and `err` of a folder."""
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    sys.argv = ["graphdet", *words]
    main()


def port_of(err: Path, server: BaseProcess) -> int:
    """Where the server listens, as it says on its stderr."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and server.is_alive():
        found = re.search(r"Listening on 127\.0\.0\.1:(\d+)", err.read_text() if err.exists() else "")
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def test_three_owners_learn_together_and_show_nothing(tmp_path: Path) -> None:
    key = tmp_path / "common.key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    ids: set[str] = set()
    for owner, log in LOGS.items():
        (tmp_path / owner).mkdir()
        ids |= write_log(tmp_path / owner, owner, *log)
    # Processes of their own, forked from one that has loaded torch already: loading it five times would take longest.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["graphdet.verbs.federate", "graphdet.cli.main"])

    def begin(who: str, *words: str | Path) -> BaseProcess:
        (tmp_path / who).mkdir(exist_ok=True)
        process = context.Process(target=graphdet_as, args=(list(map(str, words)), tmp_path / who))
        process.start()
        return process

    server = begin("server", "federate", "server", "--parties", "3", "--rounds", "5", "--port", "0", "--json")
    with tapped(port_of(tmp_path / "server" / "err", server)) as tap:
        parties = [
            begin(
                owner, "federate", "join", f"127.0.0.1:{tap.port}", "--name", owner,
                "--model", tmp_path / owner / "model", "--store", f"duckdb:///{tmp_path}/{owner}/graph.duckdb",
                "--match-key", key, "--json", *(("--epsilon", "4") if owner == "west" else ()),
            )
            for owner in OWNERS
        ]  # fmt: skip
        for process in (*parties, server):
            process.join(SECONDS)
        heard = bytes(tap.heard)
    for who, process in zip((*OWNERS, "server"), (*parties, server), strict=True):
        assert process.exitcode == 0, (tmp_path / who / "err").read_text()
    told = [json.loads((tmp_path / owner / "out").read_text()) for owner in OWNERS]
    assert sorted(json.loads((tmp_path / "server" / "out").read_text())["parties"]) == sorted(OWNERS)

    # What passed were gradients and hashes: nothing of a log, and nothing that could be run.
    assert b"users/net.encoder" in heard  # the recording is of what was said
    assert b'"hashes"' in heard
    lower = heard.lower()
    assert not [name for name in ids if name.lower().encode() in lower]
    assert not [word for word in (b"person", b"article", b"sitting") if word in lower]
    assert not [
        word for word in (b"numpy.core", b"numpy._core", b"torch._utils", b"builtins") if word in heard
    ]

    # All keep the same judge and network; each account of privacy is its owner's.
    models = [
        {
            name: load_file(tmp_path / owner / "model" / name)
            for name in ("ring_judge.safetensors", "gnn.safetensors")
        }
        for owner in OWNERS
    ]
    for name, tensors in models[0].items():
        for other in models[1:]:
            assert all(np.array_equal(value, other[name][weight]) for weight, value in tensors.items())
    assert "epsilon" not in told[0]
    assert 0 < told[2]["epsilon"] <= 4

    # The ring that north and east hold a half of each is found by both, and by no user's name.
    north, east = (
        json.loads((tmp_path / owner / "model" / "matches.json").read_text()) for owner in OWNERS[:2]
    )
    assert {match["party"] for match in north["matches"]} >= {"east"}
    assert {match["party"] for match in east["matches"]} >= {"north"}
    best = north["matches"][0]
    assert best["chance"] < 1e-3
    assert len(best["items"]) >= 3
    assert all(member.startswith("north-") for member in best["members"])
    assert sum(member in RING_IN_NORTH for member in best["members"]) >= len(best["members"]) / 2

    # What was learned scores the log.
    store = f"duckdb:///{tmp_path}/north/graph.duckdb"
    done = inside("score", "--model", tmp_path / "north" / "model", "--store", store, "--json")
    assert done.returncode == 0, done.stderr
