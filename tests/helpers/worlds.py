"""Five worlds that many tests look at. Each is built once in a test run, by the first worker that asks for it.

Worlds are shared by the workers, so they are for looking only: a test that writes takes a copy (`copied`).
What builds them is imported where it is needed: every test process reads this file, and few need torch.
"""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.helpers.serving_world import World
    from tests.zoo.hostile import HostileRun


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """The folder of a world, and in it `value.pickle` with what `build` gave; other workers wait while one builds."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, whole = base / name, base / f"{name}.built"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "value.pickle").write_bytes(pickle.dumps(build(folder)))
            whole.touch()
    return folder


def copied(world: Path, folder: Path) -> Path:
    """A copy of a world's folder to write in."""
    return Path(shutil.copytree(world, folder / world.name))


def _value(folder: Path) -> Any:
    return pickle.loads((folder / "value.pickle").read_bytes())


def _news(folder: Path) -> None:
    from graphdet.cli.deciding import noted
    from graphdet.config import load_config
    from graphdet.verbs.run import run
    from graphdet.verbs.simulate import simulate

    simulate(
        folder / "log.parquet", base=None, n_users=3_000, n_items=800, days=14, kind="news",
        plan="benchmark", n_campaigns=None, innocents=False, seed=2,
    )  # fmt: skip
    run([folder / "log.parquet"], load_config("simulated"), folder / "one", seed=1, listener=noted("Ann"))


def _hostile(folder: Path, model: Path) -> "HostileRun":
    from tests.cli.command_line import inside
    from tests.zoo.hostile import write_hostile_log

    made = write_hostile_log(folder)
    words = ("--config", "simulated", "--out", made.out, "--model", model, "--seed", "1")
    done = inside("run", made.log, *words)
    assert done.returncode == 0, done.stderr
    return made


def _shop(folder: Path) -> None:
    from tests.cli.command_line import inside, url_of

    words = ("--users", "1200", "--items", "250", "--days", "14", "--plan", "unseen", "--campaigns", "4")
    done = inside("simulate", "--out", folder / "log.csv", "--kind", "shop", *words, "--seed", "3")
    assert done.returncode == 0, done.stderr
    done = inside("ingest", folder / "log.csv", "--config", "simulated", "--store", url_of(folder))
    assert done.returncode == 0, done.stderr


def _trained(folder: Path) -> "World":
    from tests.helpers.serving_world import make_world

    return make_world(folder)


def _labelled(folder: Path) -> "World":
    from tests.helpers.serving_world import make_world

    return make_world(folder, labelled=True)


@pytest.fixture(scope="session")
def news_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """News with campaigns of the benchmark, `log.parquet`, their truth beside it, and a run over it by Ann, `one`."""
    return built_once(tmp_path_factory, "news_world", _news)


@pytest.fixture(scope="session")
def hostile_world(tmp_path_factory: pytest.TempPathFactory, trained_world: "World") -> "HostileRun":
    """The same news with hostile ids, and a run over it with the models of `trained_world`."""
    build = partial(_hostile, model=trained_world.model)
    return _value(built_once(tmp_path_factory, "hostile_world", build))


@pytest.fixture(scope="session")
def shop_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with campaigns of kinds that nothing is trained on, `log.csv`, their truth, and a store with it."""
    return built_once(tmp_path_factory, "shop_world", _shop)


@pytest.fixture(scope="session")
def trained_world(tmp_path_factory: pytest.TempPathFactory) -> "World":
    """A small store, and models trained a little on the campaigns planted into it."""
    return _value(built_once(tmp_path_factory, "trained_world", _trained))


@pytest.fixture(scope="session")
def labelled_world(tmp_path_factory: pytest.TempPathFactory) -> "World":
    """The same store, and models trained on labels of half of its users, with trees."""
    return _value(built_once(tmp_path_factory, "labelled_world", _labelled))
