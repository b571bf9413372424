"""Pictures as entities: the same for copies, another for others, none and a warning for what cannot be read."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graphdet import schema
from graphdet.errors import ConfigError
from graphdet.graph.encode import encode
from graphdet.logs.pictures import NEAR, fingerprints, near_pictures
from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.evidence import _shared_entities
from tests.logs.log_desk import BASIC, Desk, rows

CONFIG = BASIC + '[entities]\npicture = "photo"\n[pictures]\nfolder = "photos"\n'
T = 1_600_000_000_000


def painting(seed: int) -> Image.Image:
    """A picture with large and small shapes, 320 × 240, of its own for each seed."""
    blots = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize((320, 240), Image.Resampling.BICUBIC)


def copies(picture: Image.Image) -> dict[str, Image.Image]:
    w, h = picture.size
    cut = (w // 100, h // 100)
    white = Image.new("RGBA", picture.size, "white")
    return {
        "whole.png": picture,
        "poor.jpg": picture,
        "small.webp": picture.resize((97, 73)),
        "large.jpg": picture.resize((1600, 1200)),
        "cropped.png": picture.crop((*cut, w - cut[0], h - cut[1])),
        "palette.gif": picture.quantize(128),
        "clear.png": Image.blend(picture.convert("RGBA"), white, 0.2),
    }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "photos").mkdir()
    return Desk(tmp_path)


def save(desk: Desk, name: str, picture: Image.Image) -> None:
    picture.save(desk.folder / "photos" / name, **({"quality": 35} if name.endswith(".jpg") else {}))


def read(desk: Desk, acts: list[tuple[str, str]], config: str = CONFIG) -> Any:
    lines = [f"{user},i{k},{T + k},{photo}\n" for k, (user, photo) in enumerate(acts)]
    return desk.read(desk.write("log.csv", "user,item,at,photo\n" + "".join(lines)), config=config)


def pictures_of(log: Any) -> dict[str, str]:
    """The picture of each user; every user of these tests has one at most."""
    return dict(rows(log.tables.entities, "user_id", "entity_id"))


def test_copies_are_one_entity_and_other_pictures_are_others(desk: Desk) -> None:
    acts = []
    for seed in range(6):
        for name, picture in copies(painting(seed)).items():
            save(desk, f"{seed}-{name}", picture)
            acts.append((f"u{seed}-{name}", f"{seed}-{name}"))
    log = read(desk, acts)
    found = pictures_of(log)
    assert log.warnings == []
    assert len(found) == len(acts)
    assert [len({i for user, i in found.items() if user.startswith(f"u{seed}-")}) for seed in range(6)] == [
        1
    ] * 6
    assert len(set(found.values())) == 6
    assert {kind for (kind,) in rows(log.tables.entities, "kind")} == {schema.PICTURE}


def test_the_share_of_members_with_a_common_picture_is_evidence(desk: Desk) -> None:
    for name, picture in copies(painting(1)).items():
        save(desk, name, picture)
    for seed in (2, 3):
        save(desk, f"own{seed}.png", painting(seed))
    photos = ["whole.png", "poor.jpg", "small.webp", "own2.png", "own3.png", ""]
    log = read(desk, [(f"u{k}", photo) for k, photo in enumerate(photos)])
    graph = encode(log.tables.interactions, log.tables.entities)
    assert len(graph.entity_ix) == 5
    groups = [np.arange(6), np.arange(3, 6)]
    share = _shared_entities(Blocks(membership(groups, 6), membership(groups, 6)), graph)
    np.testing.assert_allclose(share, [0.5, 0.0])


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 × 60,000."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_what_gives_no_picture_is_told_by_its_reason_and_keeps_its_event(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = desk.folder / "photos"
    save(desk, "good.png", painting(1))
    save(desk, "blank.png", Image.new("RGB", (50, 50), "red"))
    Image.new("1", (8_000, 6_000)).save(photos / "wide.png")  # under Pillow's limit, above ours
    (photos / "bomb.png").write_bytes(bomb())
    (photos / "half.png").write_bytes((photos / "good.png").read_bytes()[:5_000])
    (photos / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with (photos / "heavy.png").open("wb") as stream:
        stream.truncate(20_000_001)
    save(desk, "../secret.png", painting(2))
    (photos / "link.png").symlink_to(desk.folder / "secret.png")
    os.mkfifo(photos / "pipe.png")
    names = [
        "good.png",
        "blank.png",
        "wide.png",
        "bomb.png",
        "half.png",
        "page.png",
        "heavy.png",
        "../secret.png",
    ]
    names += [
        "link.png",
        "pipe.png",
        "gone.png",
        "a" * 300,
        "https://x.example/a.png",
        str(photos / "good.png"),
    ]
    log = read(desk, [(f"u{k}", name) for k, name in enumerate(names)])
    assert log.n_events == log.n_rows == len(names)
    assert set(pictures_of(log)) == {"u0", "u13"}
    said = "\n".join(log.warnings)
    for words in (
        "4 of 14 pictures are not in the folder",
        "2 of 14 pictures are outside of the folder, such as '../secret.png'",
        "2 of 14 pictures unfold to more than 40 million pixels, such as 'bomb.png'",
        "2 of 14 pictures cannot be read as a picture, such as 'half.png'",
        "1 of 14 pictures are larger than 20 MB, such as 'heavy.png'",
        "1 of 14 pictures show one colour only, such as 'blank.png'",
    ):
        assert words in said
    assert capfd.readouterr().err == ""  # of Pillow


def test_a_picture_that_everybody_has_ties_nobody_together(desk: Desk) -> None:
    for name, picture in copies(painting(1)).items():
        save(desk, f"avatar-{name}", picture)
    save(desk, "rare.png", painting(2))
    names = [f"avatar-{name}" for name in copies(painting(1))]
    acts = [(f"u{k:02}", names[k % len(names)]) for k in range(12)] + [("a", "rare.png"), ("b", "rare.png")]
    log = read(desk, acts, CONFIG + "most_users = 11\n")
    assert set(pictures_of(log)) == {"a", "b"}
    assert any("1 pictures are those of more than 11 accounts (12 at most)" in said for said in log.warnings)
    assert len(pictures_of(read(desk, acts, CONFIG + "most_users = 12\n"))) == 14


def test_names_of_files_are_not_told_where_ids_are_hidden(desk: Desk) -> None:
    desk.write("key", "ab" * 32)
    config = CONFIG + '[privacy]\npseudonyms = ["user_id"]\nkey_file = "key"\n'
    os.chmod(desk.folder / "key", 0o600)
    (said,) = [w for w in read(desk, [("u", "jane-doe.png")], config).warnings if "picture" in w]
    assert "not in the folder" in said
    assert "jane" not in said


def test_a_file_that_was_written_anew_is_read_anew(desk: Desk) -> None:
    save(desk, "a.png", painting(1))
    folder = (desk.folder / "photos").resolve()
    first = fingerprints(folder, ["a.png"])
    save(desk, "a.png", painting(2))
    os.utime(folder / "a.png", ns=(1, 1))
    assert fingerprints(folder, ["a.png"]) != first


def test_a_folder_that_is_none_is_the_fault_of_the_config(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"\[pictures\] folder .*elsewhere is no folder"):
        read(desk, [("u", "a.png")], CONFIG.replace('"photos"', '"elsewhere"'))


def test_groups_are_those_of_all_pairs() -> None:
    """Against every pair compared, on hashes of which many are near to one another."""
    rng = np.random.default_rng(4)
    marks = []
    for start in rng.integers(0, 1 << 63, 150, dtype=np.uint64):
        for _ in range(int(rng.integers(1, 5))):
            flips = rng.choice(64, int(rng.integers(0, 10)), replace=False)
            marks.append(int(start) ^ sum(1 << int(bit) for bit in flips))
    found = np.unique(np.array(marks, np.uint64))
    n = len(found)
    wanted = list(range(n))
    for _ in range(n):  # until nothing changes any more
        before = wanted.copy()
        for a in range(n):
            for b in range(a):
                if (int(found[a]) ^ int(found[b])).bit_count() <= NEAR:
                    wanted[a] = wanted[b] = min(wanted[a], wanted[b])
        if wanted == before:
            break
    assert 150 < len(set(wanted)) < n
    np.testing.assert_array_equal(near_pictures(found), found[wanted])
    assert len(near_pictures(np.zeros(0, np.uint64))) == 0
