"""A DuckDB store through a long life: logs, findings, meta, reopening in any order, against plain values."""

import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from graphdet.store.duckdb import DuckDBStore
from tests.store.checks import check_graph, write
from tests.store.sample_logs import SampleLog, findings, random_log


class Life(RuleBasedStateMachine):
    """Logs, findings, meta and reopening in any order against plain Python values."""

    @initialize()
    def begin(self) -> None:
        folder = Path(os.environ["PYTEST_LIFE_FOLDER"])
        self.path = folder / f"{len(list(folder.iterdir()))}.duckdb"
        self.store = DuckDBStore(self.path)
        self.logs: dict[int, SampleLog] = {}
        self.meta: dict[str, str] = {}
        self.n_scores = 0

    @rule(seed=st.integers(0, 4))
    def add_log(self, seed: int) -> None:
        log = random_log(seed, n_events=8)
        write(self.store, str(seed), log)
        self.logs.setdefault(seed, log)

    @rule(n=st.integers(0, 6))
    def score(self, n: int) -> None:
        self.store.write_scores(findings()[1].slice(0, n))
        self.n_scores = n

    @rule(
        key=st.sampled_from(["a", "b"]), value=st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    )
    def note(self, key: str, value: str) -> None:
        self.store.set_meta(key, value)
        self.meta[key] = value

    @rule(read_only=st.booleans())
    def reopen(self, read_only: bool) -> None:
        self.store.close()
        if read_only:
            reader = DuckDBStore(self.path, read_only=True)
            check_graph(reader, *self.logs.values())
            reader.close()
        self.store = DuckDBStore(self.path)

    @invariant()
    def holds_what_was_written(self) -> None:
        check_graph(self.store, *self.logs.values())
        assert {key: self.store.meta(key) for key in self.meta} == self.meta
        assert self.store.scores().num_rows == self.n_scores

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


def test_any_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_LIFE_FOLDER", str(tmp_path))
    few = settings(max_examples=6, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(Life, settings=few)
