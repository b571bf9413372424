from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.logs.log_desk import Desk, rows


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def table() -> Callable[..., list[tuple[Any, ...]]]:
    return rows
