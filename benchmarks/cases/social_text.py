"""The two public sets of the social spam case, as their publishers write them."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Comments:
    """Comments under videos. Shapes, all [n]: texts, authors, videos; y int8, 1 spam; author, video int64 numbers.

    Dates are left aside: in this set they are missing for every spam comment of one video and for no other comment, so
    whatever uses them learns how the set was gathered.
    """

    texts: list[str]
    authors: list[str]
    videos: list[str]
    y: NDArray[np.int8]
    author: Int
    video: Int
    n_dates_missing: dict[str, tuple[int, int]]  # video → spam and other comments without a date

    def take(self, rows: Int) -> "Comments":
        pick = rows.tolist()
        return Comments(
            [self.texts[i] for i in pick],
            [self.authors[i] for i in pick],
            [self.videos[i] for i in pick],
            self.y[rows],
            self.author[rows],
            self.video[rows],
            self.n_dates_missing,
        )


def read_comments(folder: Path) -> Comments:
    rows: list[tuple[str, str, str, int]] = []
    missing: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("Youtube*.csv")):
        video = path.stem.split("-", 1)[1]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(
                line for line in file if line.strip()
            ):  # one file begins with a blank line
                y = int(row["CLASS"])
                rows.append((row["CONTENT"], row["AUTHOR"], video, y))
                spam, other = missing.get(video, (0, 0))
                none = row["DATE"].strip() == ""
                missing[video] = (spam + (none and y), other + (none and not y))
    texts, authors, videos, y = (list(column) for column in zip(*rows, strict=True))
    author = np.unique(authors, return_inverse=True)[1].astype(np.int64)
    video = np.unique(videos, return_inverse=True)[1].astype(np.int64)
    return Comments(texts, authors, videos, np.array(y, np.int8), author, video, missing)


def read_sms(path: Path) -> tuple[list[str], NDArray[np.int8]]:
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    pairs = [line.split("\t", 1) for line in lines if "\t" in line]
    return [text for _, text in pairs], np.array([label == "spam" for label, _ in pairs], np.int8)
