"""For all tests: the shared worlds and the one Neo4j, and which tests go first, and together."""

import os
import signal
from pathlib import Path

import pytest

from tests.helpers.worlds import hostile_world, labelled_world, news_world, shop_world, trained_world
from tests.store.neo4j_server import HOME_OF_TESTS, neo4j_server, neo4j_url

__all__ = [
    "hostile_world",
    "labelled_world",
    "neo4j_server",
    "neo4j_url",
    "news_world",
    "shop_world",
    "trained_world",
]

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process they start inherits that;
# the tests that interrupt a command need the ordinary meaning.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent

# Tests in these folders run whole commands, as a person would.
WHOLE_COMMANDS = ("cli", "zoo")

# What takes longest goes first, longest of all at the top: short files fill up what a worker has left at the end.
LONG_FIRST = (
    "golden",
    "cli/test_run.py",
    "cli/test_labels.py",
    "store/test_duckdb.py",
    "cli/test_user_labels.py",
    "zoo/test_hostile_ids.py",
    "zoo/test_hub.py",
    "eda/test_eda.py",
    "simulation/test_simulate_leak.py",
    "zoo/test_tiny_logs.py",
    "serving/test_account_scorer.py",
    "learn/test_labelled_pipeline.py",
)


def place_in_line(item: pytest.Item) -> int:
    """When a test is handed out: Neo4j's, which one worker has alone, what is long, whole commands, all others."""
    if item.get_closest_marker("neo4j"):
        return 0
    if not item.path.is_relative_to(HERE):
        return len(LONG_FIRST) + 3
    mine = item.path.relative_to(HERE)
    for place, name in enumerate(LONG_FIRST):
        if mine.is_relative_to(name):
            return place + 1
    return len(LONG_FIRST) + (1 if mine.parts[0] in WHOLE_COMMANDS else 2)


def is_of_neo4j(nodeid: str) -> bool:
    """Whether a test needs the server, as its name or its file's says: who hands tests out knows nothing but names."""
    return "neo4j" in nodeid.partition("[")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep whole commands out of the unit part, and put what is long in front."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in WHOLE_COMMANDS:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("neo4j") and not is_of_neo4j(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid} needs Neo4j: let its name or its file's say so")
    items.sort(key=place_in_line)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `--dist loadfile`: a file at a time in our order, and all tests of Neo4j to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "neo4j" if is_of_neo4j(nodeid) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The home of the tests' Neo4j is known to its own tests only: others may share a worker with them."""
    os.environ.pop("GRAPHDET_NEO4J_HOME", None)
    if item.get_closest_marker("neo4j"):
        os.environ.update(item.config.stash.get(HOME_OF_TESTS, {}))
