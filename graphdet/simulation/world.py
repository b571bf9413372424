"""The items and users of an organic log: topics, authors, births, appeal; tastes, habits, activity."""

from dataclasses import dataclass

import numpy as np

from graphdet.arrays import Bool, Int, Rng
from graphdet.units import DAY_MS, HOUR_MS

FloatND = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

AUTHOR_ITEMS = 25  # items per author or brand, on average
BREAKING_APPEAL = 25.0
TALK = {"news": 0.35, "shop": 0.6, "payments": -1.0, "reviews": -1.3}  # log-size of sessions
HOURS_OF_DAY = np.array(
    [2, 1, 0.7, 0.5, 0.5, 0.8, 2, 4, 5.5, 6, 6.2, 6, 6, 6, 5.6, 5.4, 5.4, 5.5, 5.6, 6, 6.5, 6.4, 5.4, 3.6]
)


@dataclass(frozen=True)
class OrganicItems:
    """Items in (topic, author, birth) order, so that a topic and an author are ranges of rows.

    Shapes: topic, author int64[n_items]; birth_ms int64[n_items], from the log's start; half_life_h, appeal
    float64[n_items]; breaking bool[n_items]; topic_first int64[n_topics + 1], author_first int64[n_authors
    + 1]; author_topic int64[n_authors].
    """

    topic: Int
    author: Int
    birth_ms: Int
    half_life_h: FloatND
    appeal: FloatND
    breaking: Bool
    topic_first: Int
    author_first: Int
    author_topic: Int

    def weights(self, at_ms: int) -> FloatND:
        """How strongly each item draws clicks at a time: appeal, halved every half-life since its birth."""
        age_h = (at_ms - self.birth_ms) / HOUR_MS
        decayed = np.exp2(-np.maximum(age_h, 0.0) / self.half_life_h)
        return np.where(age_h >= 0, self.appeal * (decayed + 1e-4), 0.0)


@dataclass(frozen=True)
class OrganicUsers:
    """Habits of the users.

    Shapes, [n_users] first: n_sessions int64; first_ms, last_ms int64, when they are around; peak_h
    float64, their hour of day; talk float64, log-size of sessions; pace_s float64, median gap; taste
    int64[n, 3] topics and taste_cut float64[n, 2], their cumulative shares; author int64[n, 2], −1 for
    none; loyalty float64, share of clicks that follow an author.
    """

    n_sessions: Int
    first_ms: Int
    last_ms: Int
    peak_h: FloatND
    talk: FloatND
    pace_s: FloatND
    taste: Int
    taste_cut: FloatND
    author: Int
    loyalty: FloatND


def make_items(n_items: int, days: int, kind: str, rng: Rng) -> OrganicItems:
    """Make the items of a news site (born, hot, forgotten) or of a shop (a stable catalogue)."""
    n_topics = int(np.clip(round(np.sqrt(n_items) / 2), 1, 60))
    share = 1.0 / np.arange(1, n_topics + 1) ** 0.7
    topic = np.sort(rng.choice(n_topics, n_items, p=share / share.sum()))
    n_authors_of = np.maximum(1, np.bincount(topic, minlength=n_topics) // AUTHOR_ITEMS)
    author_start = np.concatenate([[0], np.cumsum(n_authors_of)])
    author = np.sort(
        author_start[topic] + (rng.random(n_items) ** 1.5 * n_authors_of[topic]).astype(np.int64)
    )
    span = days * DAY_MS
    old = rng.random(n_items) < (0.2 if kind == "news" else 0.93)
    old[: min(20, n_items)] = True  # a log never starts without anything to click on
    old = rng.permutation(old)
    day = rng.integers(0, days, n_items) * DAY_MS
    hour = rng.choice(24, n_items, p=HOURS_OF_DAY / HOURS_OF_DAY.sum()) * HOUR_MS
    birth = np.where(
        old, -rng.integers(0, 6 * DAY_MS, n_items), day + hour + rng.integers(0, HOUR_MS, n_items)
    )
    half_life = 12.0 * rng.lognormal(0, 0.8, n_items) if kind == "news" else np.full(n_items, 1e6)
    appeal = rng.lognormal(0, 1.5, n_items)
    breaking = np.zeros(n_items, bool)
    if kind == "news" and n_items >= 50:
        breaking[rng.choice(n_items, max(1, days // 3), replace=False)] = True
        appeal[breaking] = BREAKING_APPEAL * np.quantile(appeal, 0.9)
        half_life[breaking] = 5.0
    order = np.lexsort((birth, author))
    return OrganicItems(
        topic=topic[order],
        author=author[order],
        birth_ms=np.minimum(birth[order], span - HOUR_MS),
        half_life_h=half_life[order],
        appeal=appeal[order],
        breaking=breaking[order],
        topic_first=np.searchsorted(topic[order], np.arange(n_topics + 1)),
        author_first=np.searchsorted(author[order], np.arange(author_start[-1] + 1)),
        author_topic=np.repeat(np.arange(n_topics), n_authors_of),
    )


def make_users(n_users: int, items: OrganicItems, days: int, kind: str, rng: Rng) -> OrganicUsers:
    """Make users of heavy-tailed activity with up to three topics; some follow authors."""
    span = days * DAY_MS
    activity = rng.lognormal(np.log(0.09 * days), 1.0, n_users)
    n_sessions = 1 + rng.poisson(activity)
    stays = rng.random(n_users) < 0.45
    around = np.where(stays, span, (rng.random(n_users) ** 0.7 * span * 0.8).astype(np.int64) + DAY_MS // 2)
    around = np.minimum(around, span)
    first = (rng.random(n_users) * (span - around)).astype(np.int64)
    n_topics = len(items.topic_first) - 1
    crowd = np.diff(items.topic_first) + 1.0
    taste = rng.choice(n_topics, (n_users, 3), p=crowd / crowd.sum())
    share = np.sort(rng.dirichlet([0.5, 0.5, 0.5], n_users), axis=1)[:, ::-1]
    follows = rng.random(n_users) < 0.35
    author = np.full((n_users, 2), -1, np.int64)
    for column in range(2):
        start, end = (np.searchsorted(items.author_topic, taste[:, column] + side) for side in (0, 1))
        author[:, column] = np.where(
            follows, start + (rng.random(n_users) * (end - start)).astype(np.int64), -1
        )
    return OrganicUsers(
        n_sessions=n_sessions,
        first_ms=first,
        last_ms=first + around,
        peak_h=rng.choice([8.0, 12.5, 17.0, 20.5, 1.0], n_users, p=[0.25, 0.25, 0.15, 0.3, 0.05])
        + rng.normal(0, 1.0, n_users),
        talk=rng.normal(TALK[kind], 0.35, n_users),
        pace_s=rng.lognormal(np.log(70.0), 0.5, n_users),
        taste=taste,
        taste_cut=np.cumsum(share, axis=1)[:, :2],
        author=author,
        loyalty=np.where(follows, rng.beta(1.5, 4.0, n_users), 0.0),
    )
