"""The folder of models: nothing is lost or forked, whoever is killed and however many write; going back is exact."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphdet.errors import GraphdetError, UsageError
from graphdet.lab.models import compare_models
from graphdet.lab.registry import HISTORY, INDEX, Measurement, Registry, index_of, resolve
from graphdet.learn.digests import model_digest


def make_model(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scorers.json").write_text(text)
    (folder / "gnn.safetensors").write_bytes(text.encode() * 3)
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path / "models")
    for name in ("one", "two", "three"):
        found.add(make_model(tmp_path / name, name), {"facts": {"learned_from": name}}, "Ann", f"note {name}")
    return found


def ids(registry: Registry) -> list[str]:
    return list(registry.read().models)


def test_a_model_is_copied_whole_and_added_once(registry: Registry, tmp_path: Path) -> None:
    assert len(ids(registry)) == 3
    record, is_new = registry.add(tmp_path / "two", {}, "Bob")
    assert not is_new
    assert record.who == "Ann"
    assert model_digest(registry.path(record.id)) == model_digest(tmp_path / "two") == record.digest
    assert len(registry.read().log.entries) == 3


def test_promotions_are_undone_one_by_one(registry: Registry) -> None:
    one, two, three = ids(registry)
    with pytest.raises(UsageError, match="no champion before"):
        registry.rollback("Ann")
    for name in (one, two, three):
        registry.promote(name, "Ann", "better")
    registry.alias("challenger", one, "Ann")
    assert registry.rollback("Bob")[0].id == two
    assert registry.rollback("Bob")[0].id == one
    with pytest.raises(UsageError, match="no champion before"):
        registry.rollback("Bob")
    assert dict(registry.read().aliases) == {"champion": one, "challenger": one}
    registry.promote(three, "Ann")
    registry.promote(two, "Ann")
    assert registry.rollback("Bob")[0].id == three
    whole = registry.read()
    assert len(whole.log.entries) == 12
    assert json.loads((registry.folder / INDEX).read_text()) == json.loads(json.dumps(index_of(whole)))


def test_names_are_aliases_ids_or_their_beginnings(registry: Registry) -> None:
    one, two, _ = ids(registry)
    registry.promote(one, "Ann")
    assert registry.read().find("champion").id == one
    assert registry.read().find(two[:6]).id == two
    assert resolve(Path(f"champion@{registry.folder}")) == registry.folder / one
    assert resolve(registry.folder / one) == registry.folder / one
    for name in ("nobody", ""):
        with pytest.raises(UsageError):
            registry.read().find(name)
    for alias in ("abc", "../x", "champion", "a b", one):
        with pytest.raises(UsageError):
            registry.alias(alias, one, "Ann")
    with pytest.raises(UsageError, match="champion already"):
        registry.promote(one, "Ann")
    with pytest.raises(UsageError, match="no model"):
        registry.add(registry.folder.parent / "absent", {}, "Ann")
    with pytest.raises(UsageError, match="holds no models"):
        Registry(registry.folder.parent / "absent").read()


def test_promotion_ends_being_challenger(registry: Registry) -> None:
    one = ids(registry)[0]
    registry.alias("challenger", one, "Ann")
    registry.promote(one, "Ann")
    assert dict(registry.read().aliases) == {"champion": one}
    registry.alias("nightly", one, "Ann")
    registry.alias("nightly", None, "Ann")
    assert dict(registry.read().aliases) == {"champion": one}


def test_changed_files_are_neither_loaded_nor_promoted(registry: Registry) -> None:
    one = ids(registry)[0]
    (registry.folder / one / "scorers.json").write_text("other")
    for act in (lambda: registry.path(one), lambda: registry.promote(one, "Ann")):
        with pytest.raises(GraphdetError, match="not those that were registered"):
            act()
    assert dict(registry.read().aliases) == {}


def test_a_changed_history_is_refused(registry: Registry) -> None:
    path = registry.folder / HISTORY
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0].replace("note one", "note two"), *lines[1:]]))
    with pytest.raises(GraphdetError, match="was changed"):
        registry.read()
    path.write_text("".join([lines[0], lines[2]]))
    with pytest.raises(GraphdetError, match="was changed"):
        registry.read()


def test_what_a_killed_writer_left_is_mended(registry: Registry, tmp_path: Path) -> None:
    """A half line, a copy that nothing names, and an index that is behind."""
    one = ids(registry)[0]
    before = registry.read().log.head
    with (registry.folder / HISTORY).open("a") as handle:
        handle.write('{"after":{"id":"' + one)
    (registry.folder / INDEX).write_text("{}")
    (registry.folder / ".incoming-1").mkdir()
    assert registry.read().log.head == before
    registry.promote(one, "Ann")
    assert registry.read().aliases == {"champion": one}
    assert json.loads((registry.folder / INDEX).read_text())["aliases"] == {"champion": one}
    assert not list(registry.folder.glob(".incoming*"))
    left = make_model(tmp_path / "four", "four")
    name = str(model_digest(left))[:12]
    (registry.folder / name).mkdir()
    (registry.folder / name / "scorers.json").write_text("half")
    record, is_new = registry.add(left, {}, "Ann")
    assert is_new
    assert model_digest(registry.path(record.id)) == record.digest


def _adds(folder: Path, worker: int, n: int) -> None:
    registry = Registry(folder / "models")
    for k in range(n):
        record, _ = registry.add(make_model(folder / f"{worker}-{k}", f"{worker} {k}"), {}, f"w{worker}")
        registry.alias(f"last-of-{worker}-x", record.id, f"w{worker}")


@pytest.mark.slow
def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if "torch" not in sys.modules else "spawn")
    workers = [context.Process(target=_adds, args=(tmp_path, k, 5)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    shelf = Registry(tmp_path / "models").read()
    assert len(shelf.models) == 15
    assert len(shelf.log.entries) == 30
    assert len(shelf.aliases) == 3


def test_a_writer_killed_anywhere_leaves_a_whole_history(tmp_path: Path) -> None:
    """Kills one after so many writes to the disk, wherever that falls, and goes on."""
    program = (
        "import os, sys\nfrom pathlib import Path\nimport graphdet.lab.registry as r\n"
        "n = int(sys.argv[1]); folder = Path(sys.argv[2])\n"
        "def dying(name):\n"
        "    real = getattr(os, name)\n"
        "    def call(*a, **k):\n"
        "        global n\n"
        "        n -= 1\n"
        "        if n < 0: os._exit(9)\n"
        "        return real(*a, **k)\n"
        "    setattr(os, name, call)\n"
        "for name in ('fsync', 'replace', 'rename', 'mkdir'): dying(name)\n"
        "import shutil; real = shutil.copyfile\n"
        "def copy(*a, **k):\n"
        "    global n\n"
        "    n -= 1\n"
        "    if n < 0: os._exit(9)\n"
        "    return real(*a, **k)\n"
        "shutil.copyfile = copy\n"
        "registry = r.Registry(folder / 'models')\n"
        "record, _ = registry.add(folder / 'model', {}, 'Ann')\n"
        "if 'champion' not in registry.read().aliases: registry.promote(record.id, 'Ann')\n"
    )
    model = make_model(tmp_path / "model", "kept")
    codes = []
    for n in (*range(10), 100):
        done = subprocess.run(
            [sys.executable, "-c", program, str(n), str(tmp_path)], env={**os.environ}, check=False
        )
        codes.append(done.returncode)
    assert 9 in codes
    assert codes[-1] == 0
    shelf = Registry(tmp_path / "models").read()
    assert [one.digest for one in shelf.models.values()] == [model_digest(model)]
    assert shelf.aliases == {"champion": next(iter(shelf.models))}
    assert len(shelf.log.entries) == 2


def figures(value: float) -> dict[str, dict[str, float | None]]:
    return {"auprc": {"value": value, "low": value - 0.1, "high": value + 0.1}}


def test_only_the_same_test_part_ranks_models(registry: Registry) -> None:
    one, two, three = ids(registry)
    assert "never measured" in compare_models(registry, [one, two]).refused
    registry.measure(one, Measurement("A" * 64, "ten", figures(0.5)), "Ann")
    registry.measure(two, Measurement("B" * 64, "nine", figures(0.9)), "Ann")
    found = compare_models(registry, [one, two])
    assert found.best is None
    assert "different test parts" in found.refused
    assert [cell["value"] for cell in found.metrics["auprc"]] == [0.5, 0.9]
    registry.measure(two, Measurement("A" * 64, "ten", figures(0.6)), "Ann")
    found = compare_models(registry, [one, two])
    assert found.best == two
    assert [cell["value"] for cell in found.metrics["auprc"]] == [0.5, 0.6]
    assert compare_models(registry, [one, two, three]).best is None
