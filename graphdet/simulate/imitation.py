"""Camouflage copied from real users: each account imitates one who is around at the same time."""

from dataclasses import dataclass

import numpy as np

from graphdet.simulate.profile import DAY_MS, Int, LogProfile

TRIES = 64  # random users looked at per account
MOST = 4  # times the clicks to imitate: a hub's are nobody's way
FEWEST = 5  # users to choose from
NEAR_MS = DAY_MS // 2
STEPS_BY = 3  # clicks further from the moment, per failed attempt


@dataclass(frozen=True)
class Models:
    """Which real user each account imitates: of_account int64[n_accounts]; key int64[n_edges], user · span + time.

    The graph's edges are in (user, time) order, so key is sorted.
    """

    profile: LogProfile
    of_account: Int
    key: Int

    @classmethod
    def choose(
        cls, profile: LogProfile, account: Int, at_ms: Int, size: Int, rng: np.random.Generator
    ) -> "Models":
        """Choose for each account, of TRIES users with clicks enough, who has most of them around its sessions.

        Shapes: account, size int64[n_sessions]; at_ms int64[n_sessions, longest], the first `size` of a row count.
        """
        graph = profile.graph
        key = graph.user_ix.astype(np.int64) * profile.span_ms + (graph.at_ms - profile.base_ms)
        n = int(account.max(initial=-1)) + 1
        wanted = np.bincount(account, size, minlength=n)
        low = np.searchsorted(profile.clicks_sorted, wanted)
        high = np.searchsorted(profile.clicks_sorted, MOST * wanted, side="right")
        low = np.minimum(low, graph.n_users - min(FEWEST, graph.n_users))
        high = np.maximum(high, low + min(FEWEST, graph.n_users))
        tried = profile.users_by_clicks[rng.integers(low[:, None], high[:, None], (n, TRIES))]
        base = tried[account] * profile.span_ms
        last = at_ms[np.arange(len(size)), size - 1]
        start = np.clip(at_ms[:, 0] - NEAR_MS - profile.base_ms, 0, profile.span_ms - 1)[:, None]
        end = np.clip(last + NEAR_MS - profile.base_ms, 0, profile.span_ms - 1)[:, None]
        clicks = np.searchsorted(key, base + end, side="right") - np.searchsorted(key, base + start)
        met = np.zeros((n, TRIES))
        np.add.at(met, account, np.minimum(clicks, size[:, None]))
        return cls(profile, tried[np.arange(n), np.argmax(met, axis=1)], key)

    def draw(self, account: Int, at_ms: Int, attempt: int, rng: np.random.Generator) -> Int:
        """Draw for each (account, time) a click of its model near that time; −1 where its item does not live then.

        Later attempts look further away, because near clicks may be taken.
        """
        profile, model = self.profile, self.of_account[account]
        low = np.searchsorted(self.key, model * profile.span_ms)
        high = np.searchsorted(self.key, (model + 1) * profile.span_ms)
        moment = np.clip(at_ms - profile.base_ms, 0, profile.span_ms - 1)
        near = np.searchsorted(self.key, model * profile.span_ms + moment)
        reach = 1 + STEPS_BY * attempt
        rows = np.clip(near + rng.integers(-reach, reach + 1, len(near)), low, np.maximum(high - 1, low))
        rows = np.minimum(rows, len(self.key) - 1)
        item = profile.graph.item_ix[rows].astype(np.int64)
        lives = (profile.rate(item, at_ms, DAY_MS) > 0) & (at_ms >= profile.born_ms[item])
        return np.where(lives, rows, -1)
