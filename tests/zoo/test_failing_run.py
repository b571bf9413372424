"""What goes wrong around a whole run: bad labels, a full disk, a mistyped store, a wrong password."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphdet.errors import GraphdetError
from graphdet.learn.models import load_models
from graphdet.learn.scorers import Scorers
from tests.cli.command_line import assert_one_clear_message, graphdet, inside, small_log
from tests.helpers.paths import ROOT
from tests.helpers.serving_world import World

REPEATS = (".csv", ".html", ".json", ".graphml")  # run.json holds seconds, and is left out


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return small_log(tmp_path / "log.csv")


def contents(out: Path) -> dict[str, bytes]:
    found = sorted(path for path in out.rglob("*") if path.suffix in REPEATS and path.name != "run.json")
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("u1,1\nu2,1\n", ("only 2 users of the log labelled fraud (1)", "learning needs 5 frauds")),
        ("u1,0\nu2,0\n", ("all 2 labels of the log are clean (0)",)),
        ("nobody,1\nnone,0\n", ("no label is of a user_id in the log", "'nobody'")),
        ("nobody,1\nu2,0\n", ("all 1 labels of the log are clean (0)",)),
        ("u1,1\nu1,0\n", ("labels.csv lines 2 and 3", "decide for one")),
        ("u1,maybe\n", ("labels.csv line 2", "neither 1, 0 nor empty")),
        (",1\n", ("labels.csv line 2", "user_id is missing")),
    ],
)
def test_labels_that_cannot_be_learned_from(
    log: Path, tmp_path: Path, lines: str, wanted: tuple[str, ...]
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("user_id,label\n" + lines)
    done = inside("run", log, "--config", "simulated", "--out", tmp_path / "out", "--labels", labels)
    assert_one_clear_message(done, 3, "Error: ", *wanted)
    assert not (tmp_path / "out" / "suspects.csv").exists()


@pytest.mark.parametrize(
    ("verb", "rest"),
    [
        ("train", ("--model", "m")),
        ("score", ("--model", "m")),
        ("rings", ("--model", "m")),
        ("report", ("--out", "out")),
        ("suspects", ()),
        ("query", ("counts",)),
        ("simulate", ("--out", "made.csv")),
    ],
)
def test_a_mistyped_store_is_told_and_not_made(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, rest: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = inside(verb, *rest, "--store", "duckdb:lgo.duckdb")
    assert_one_clear_message(done, 2, "there is no store at", "lgo.duckdb", "check the path")
    assert os.listdir(tmp_path) == ["log.csv"]


def test_doctor_does_not_make_a_mistyped_store(tmp_path: Path) -> None:
    done = inside("doctor", "--store", tmp_path / "lgo.duckdb")
    assert done.returncode == 1
    assert "there is no store at" in " ".join(done.stdout.split())
    assert os.listdir(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 28 KiB: the tables fit, the report does not."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=28k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def enlarge(disk: Path) -> None:
    """Free some space, as the message says."""
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)


def test_a_disk_that_fills_up_in_the_output_folder(log: Path, tmp_path: Path, small_disk: Path) -> None:
    words = ("run", log, "--config", "simulated", "--store", f"duckdb:{tmp_path}/x.duckdb", "--out")
    clean = inside(*words[:-1], "--out", tmp_path / "clean")
    assert clean.returncode == 0, clean.stderr
    done = inside(*words, small_disk / "out")
    assert_one_clear_message(done, 1, "cannot write", "report.html", "no space left on the disk")
    whole = contents(tmp_path / "clean")
    written = contents(small_disk / "out")
    assert written
    assert all(whole[name] == content for name, content in written.items())  # what is there is whole
    assert not list(small_disk.rglob("*.tmp"))
    enlarge(small_disk)
    again = inside(*words, small_disk / "out")
    assert again.returncode == 0, again.stderr
    assert contents(small_disk / "out") == whole


def test_a_store_that_fills_its_disk(log: Path, tmp_path: Path, small_disk: Path) -> None:
    done = inside("run", log, "--config", "simulated", "--out", small_disk / "out")
    assert done.returncode in (1, 4), done.stdout
    assert "Traceback" not in done.stderr
    assert "no space left" in done.stderr.lower()
    enlarge(small_disk)
    again = inside("run", log, "--config", "simulated", "--out", small_disk / "out")
    assert again.returncode == 0, again.stderr
    assert inside("run", log, "--config", "simulated", "--out", tmp_path / "clean").returncode == 0
    assert contents(small_disk / "out") == contents(tmp_path / "clean")


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Let this process write no file beyond that size, as `ulimit -f` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("words", "n_bytes", "code"),
    [
        ("ingest log.csv --config simulated --store duckdb:out/x.duckdb", 14_000, 4),
        ("ingest log.csv --config simulated --store duckdb:given/graph.duckdb --rejects out/r.csv", 3_000, 1),
        ("report --store duckdb:given/graph.duckdb --out out", 20_000, 1),
        ("eda log.csv --config simulated --out out", 3_000, 1),
        ("init log.csv --out out/c.toml --yes", 100, 1),
    ],
)
def test_a_limit_on_the_size_of_files_is_told_and_the_repeat_is_whole(
    log: Path, tmp_path: Path, words: str, n_bytes: int, code: int
) -> None:
    good = [f"u{k % 9},i{k % 7},s{k % 9},{1_506_826_800_000 + k},view\n" for k in range(900)]
    log.write_text("".join([log.read_text(), *good, *[",i1,s1,1506826800000,view\n"] * 40]))
    (tmp_path / "out").mkdir()
    if "given" in words:
        run = ("run", "log.csv", "--config", "simulated", "--train", "never", "--out", "given")
        assert inside(*run, cwd=tmp_path).returncode == 0
    with largest_file(n_bytes):
        done = inside(*words.split(), cwd=tmp_path)
    assert_one_clear_message(done, code, "ulimit -f")
    assert not list((tmp_path / "out").rglob(".*.tmp*"))
    done = inside(*words.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_limit_on_standard_output_is_told(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8));"
    code = f"{limited} from graphdet.cli.main import main; main()"
    with (tmp_path / "help").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", code, "--help"], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "larger than this process may write" in done.stderr
    assert "Traceback" not in done.stderr


def test_links_in_the_output_folder_are_replaced_and_never_followed(log: Path, tmp_path: Path) -> None:
    words = ("run", log, "--config", "simulated", "--train", "never", "--raw-csv", "--out")
    store = f"duckdb:{tmp_path}/x.duckdb"
    assert inside(*words, tmp_path / "clean", "--store", store).returncode == 0
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("mine")
    names = [
        path.relative_to(tmp_path / "clean") for path in (tmp_path / "clean").rglob("*") if path.is_file()
    ]
    assert {Path("report.html"), Path("rejects.csv"), Path("raw/suspects.csv")} <= set(names)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).symlink_to(victim)
    assert inside(*words, out, "--store", store).returncode == 0
    assert victim.read_text() == "mine"
    assert not any((out / name).is_symlink() for name in names)
    assert contents(out) == contents(tmp_path / "clean")


def test_a_models_files_replace_links_have_one_mode_and_are_a_model_only_together(
    trained_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, victim, folder = load_models(trained_world.model), tmp_path / "victim", tmp_path / "model"
    victim.write_text("mine")
    folder.mkdir()
    names = sorted(path.name for path in trained_world.model.iterdir())
    assert {"gnn.json", "scorers.json"} <= set(names)
    for name in names:
        (folder / name).symlink_to(victim)
    before = os.umask(0o027)
    try:
        models.save(folder)
    finally:
        os.umask(before)
    assert victim.read_text() == "mine"
    assert {path.lstat().st_mode for path in folder.iterdir()} == {0o100640}
    assert all((folder / name).read_bytes() == (trained_world.model / name).read_bytes() for name in names)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorers, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        models.save(folder)
    with pytest.raises(GraphdetError, match="no trained model"):
        load_models(folder)


def test_what_dead_processes_left_is_taken_away_and_what_living_ones_write_stays(
    log: Path, tmp_path: Path
) -> None:
    dead, out = subprocess.Popen([sys.executable, "-c", ""]), tmp_path / "out"
    dead.wait()
    (out / "raw").mkdir(parents=True)
    gone = [out / f".report.html.{dead.pid}.tmp", out / "raw" / f".rings.csv.{dead.pid}.tmp"]
    stay = [out / f".report.html.{os.getppid()}.tmp", out / ".mine.tmp", out / f"report.{dead.pid}.tmp"]
    for path in (*gone, *stay):
        path.write_text("half")
    done = inside("run", log, "--config", "simulated", "--train", "never", "--raw-csv", "--out", out)
    assert done.returncode == 0, done.stderr
    assert [path.exists() for path in (*gone, *stay)] == [False] * len(gone) + [True] * len(stay)


WITHOUT_RIGHTS = """
import ctypes
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())  # as root what others may not
from graphdet.cli.main import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="takes the rights of root away as Linux does")
@pytest.mark.parametrize(("mode", "code"), [(0o333, 0), (0o555, 1)])
def test_a_folder_that_may_not_be_read_is_written_to_and_one_that_may_not_be_written_is_told(
    log: Path, tmp_path: Path, mode: int, code: int
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode)
    words = ("ingest", log, "--config", "simulated", "--store", f"duckdb:{tmp_path}/x.duckdb", "--rejects")
    command = [sys.executable, "-c", WITHOUT_RIGHTS, *map(str, words), str(out / "r.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    out.chmod(0o755)
    assert (done.returncode, (out / "r.csv").exists()) == (code, not code), done.stderr
    assert ("permission denied; choose a folder you may write to" in done.stderr) == (code == 1)
    assert "Traceback" not in done.stderr


@pytest.mark.neo4j
def test_a_wrong_password_of_neo4j_is_told_without_it(log: Path, neo4j_url: str, tmp_path: Path) -> None:
    env = {"NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": "certainly wrong"}
    words = ("run", log, "--config", "simulated", "--out", tmp_path / "out", "--store", neo4j_url)
    done = graphdet(*words, env=env)
    assert_one_clear_message(done, 4, "refuses our user or password", "NEO4J_PASSWORD")
    assert "certainly wrong" not in done.stderr


@pytest.mark.neo4j
def test_insufficient_data_in_neo4j(log: Path, neo4j_url: str, tmp_path: Path) -> None:
    """Nulls and empty tables come back from the server as they do from DuckDB."""
    words = ("run", log, "--config", "simulated", "--out")
    for place, more in (("neo4j", ("--store", neo4j_url)), ("duckdb", ())):
        done = inside(*words, tmp_path / place, *more)
        assert done.returncode == 0, done.stderr
        assert "Warning: insufficient data: " in done.stderr
    assert contents(tmp_path / "neo4j") == contents(tmp_path / "duckdb")
