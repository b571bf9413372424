"""For all tests."""

import signal
from pathlib import Path

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process they start inherits that;
# the tests that interrupt a command need the ordinary meaning.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests of commands use the sample logs of the stores' tests and the small worlds of the unit tests.

# Tests in these folders run whole commands, as a person would.
WHOLE_COMMANDS = ("cli", "zoo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep whole commands out of the unit part, and put them first: the short files fill up what a worker has left."""
    here = Path(__file__).parent

    def is_whole(item: pytest.Item) -> bool:
        return item.path.is_relative_to(here) and item.path.relative_to(here).parts[0] in WHOLE_COMMANDS

    for item in filter(is_whole, items):
        item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not is_whole(item))
