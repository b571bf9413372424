"""Growing files: partial lines, rotation, truncation, folders, quotes over lines, standard input."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graphdet.config import Read
from graphdet.errors import InputError, UsageError
from graphdet.live import feeds
from graphdet.live.feeds import FileFeed, LineFeed, append_bytes, open_feed
from tests.live.small_logs import CONFIG


def read(feed: feeds.Feed, final: bool = False) -> list[tuple[bytes, int]]:
    return [(part.lines, part.first_line) for part in feed.read(final)]


Follow = Callable[..., FileFeed]


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Opens feeds, each where another one left off if that is given, and closes them at the end."""
    opened: list[FileFeed] = []

    def open_one(path: Path, earlier: FileFeed | None = None) -> FileFeed:
        if earlier is not None:
            earlier.close()
        opened.append(FileFeed(path, CONFIG, earlier and earlier.position()))
        return opened[-1]

    yield open_one
    for feed in opened:
        feed.close()


def test_a_growing_file_gives_whole_lines_with_their_numbers(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,at\na,b,1\nc,d")
    feed = follow(path)
    assert read(feed) == [(b"a,b,1\n", 2)]
    assert read(feed) == []
    with path.open("ab") as file:
        file.write(b",2\ne,f,3\n")
    feed = follow(path, feed)
    parts = feed.read()
    assert [(part.head, part.lines, part.first_line) for part in parts] == [
        (b"user,item,at\n", b"c,d,2\ne,f,3\n", 3)
    ]
    with path.open("ab") as file:
        file.write(b"g,h,4")
    assert read(feed) == []
    assert read(feed, final=True) == [(b"g,h,4\n", 5)]


def test_lines_to_skip_and_comments_are_part_of_the_head(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"made by x\n\n# a comment\nuser,item,at\n")
    feed = FileFeed(path, replace(CONFIG, read=Read(skip=1, comment="#")), None)
    assert read(feed) == []
    with path.open("ab") as file:
        file.write(b"a,b,1\n")
    part = feed.read()[0]
    assert (part.head.count(b"\n"), part.lines, part.first_line) == (4, b"a,b,1\n", 5)
    feed.close()


def test_a_value_over_two_lines_is_not_cut(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b'user,item,at\na,"b\n')
    feed = follow(path)
    assert read(feed) == []
    with path.open("ab") as file:
        file.write(b'c",1\n')
    assert read(feed) == [(b'a,"b\nc",1\n', 2)]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,at\na,b,1\n")
    feed = follow(path)
    assert len(read(feed)) == 1
    with path.open("ab") as file:
        file.write(b"c,d,2\n")
    path.rename(tmp_path / "log.csv.1")
    path.write_bytes(b"user,item,at\ne,f,3\n")
    assert sorted(read(feed)) == [(b"c,d,2\n", 3), (b"e,f,3\n", 2)]
    assert feed.notes == []


def test_a_file_that_was_rotated_while_nobody_watched_is_found_beside(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,at\na,b,1\n")
    feed = follow(path)
    read(feed)
    with path.open("ab") as file:
        file.write(b"c,d,2\n")
    path.rename(tmp_path / "log.csv.1")
    path.write_bytes(b"user,item,at\ne,f,3\n")
    assert sorted(read(follow(path, feed))) == [(b"c,d,2\n", 3), (b"e,f,3\n", 2)]


def test_what_is_lost_is_said(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,at\na,b,1\n")
    feed = follow(path)
    read(feed)
    spare = tmp_path / "spare"
    path.rename(spare)
    path.write_bytes(b"user,item,at\ne,f,3\n")
    spare.unlink()
    feed = follow(path, feed)
    assert read(feed) == [(b"e,f,3\n", 2)]
    assert "up to line 2 is gone" in feed.notes[0]


@pytest.mark.parametrize("longer", [False, True])
def test_a_file_that_was_cut_or_replaced_is_read_from_its_start(
    tmp_path: Path, follow: Follow, longer: bool
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,at\na,b,1\n")
    feed = follow(path)
    read(feed)
    more = b"x,y,9\n" * (9 if longer else 0)
    with path.open("r+b") as file:  # as copytruncate does
        file.truncate(0)
        file.write((b"user,item,at\n" if not longer else b"item,user,at\n") + more + b"z,z,8\n")
    assert read(feed) == ([(more + b"z,z,8\n", 2)])
    assert ("cut short or replaced" in "".join(feed.notes)) is True


def test_all_files_of_a_folder_are_followed_and_others_are_named(tmp_path: Path, follow: Follow) -> None:
    (tmp_path / "b.csv").write_bytes(b"user,item,at\na,b,1\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"user":1}\n')
    (tmp_path / "old.csv.gz").write_bytes(b"x")
    (tmp_path / ".hidden.csv").write_bytes(b"x")
    feed = follow(tmp_path)
    assert [(part.name.rpartition("/")[2], part.format) for part in feed.read()] == [
        ("a.jsonl", "jsonl"),
        ("b.csv", "csv"),
    ]
    assert len(feed.notes) == 1
    assert "old.csv.gz: is not followed" in feed.notes[0]
    (tmp_path / "b.csv").rename(tmp_path / "b-1.csv")  # rotated within the folder: nothing is read again
    (tmp_path / "c.csv").write_bytes(b"user,item,at\nc,d,2\n")
    assert read(feed) == [(b"c,d,2\n", 2)]


def test_large_files_come_in_pieces(tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "READ_BYTES", 64)
    path = tmp_path / "log.csv"
    body = [f"u{n},i{n},{n}\n".encode() for n in range(40)]
    path.write_bytes(b"user,item,at\n" + b"".join(body))
    feed, got, line = follow(path), b"", 2
    while found := read(feed):
        assert found[0][1] == line
        got += found[0][0]
        line += found[0][0].count(b"\n")
    assert got == b"".join(body)


def test_a_stream_is_read_to_its_end(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    feed = LineFeed(ours, CONFIG)
    assert feed.read() == []
    os.write(theirs, b"user,item,at\na,b,1\nc,d")
    assert read(feed) == [(b"a,b,1\n", 2)]
    os.write(theirs, b",2")
    os.close(theirs)
    assert read(feed) == [(b"c,d,2\n", 3)]
    assert feed.ended
    os.close(ours)


def test_what_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_feed(str(tmp_path / "none.csv"), CONFIG, None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="can be followed"):
        open_feed(str(tmp_path / "x.parquet"), CONFIG, None)
    with pytest.raises(UsageError, match="cannot be followed"):
        open_feed("ftp://somewhere/x", CONFIG, None)


def test_appending_cuts_what_is_not_vouched_for(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    assert append_bytes(path, 0, b"head\n") == 5
    assert append_bytes(path, 5, b"torn") == 9
    assert append_bytes(path, 5, b"whole\n") == 11
    assert path.read_bytes() == b"head\nwhole\n"
