"""A small log with one group in it, of which one thing at a time is true."""

from collections.abc import Callable

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa

from graphdet.graph.encode import encode
from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.organic import organic_model
from graphdet.rings.why.ring_view import LogView, RingView

DAY = 86_400_000
DAYS = 40
MEMBERS = [f"u{k}" for k in range(8)]
Act = tuple[str, str, str, int]  # user, session, item, at_ms


class SmallLog:
    """Three hundred users over forty days, three sessions of four items each; then the group's acts."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.acts: list[Act] = []
        self.amount_of: Callable[[str, str], float | None] = lambda user, item: None
        self.links: list[tuple[str, str, str]] = []  # user, kind, entity
        weight = 1 / np.arange(3, 123)
        for user in range(300):
            for session in range(3):
                at = int(self.rng.integers(DAYS * DAY))
                items = self.rng.choice(120, 4, replace=False, p=weight / weight.sum())
                self.sitting(f"v{user:03}", f"s{user}-{session}", [f"j{k:03}" for k in items], at)
            self.links.append((f"v{user:03}", "device", f"d{user}"))

    def sitting(
        self, user: str, session: str, items: list[str], at_ms: int, gaps_s: list[float] | None = None
    ) -> None:
        """One session; gaps are drawn from half a minute to ten unless given."""
        drawn = self.rng.uniform(30, 600, len(items)) if gaps_s is None else np.asarray(gaps_s)
        times = at_ms + np.concatenate([[0], np.cumsum(drawn[: len(items) - 1] * 1000)]).astype(np.int64)
        self.acts += [
            (user, session, item, int(at)) for item, at in zip(items, times // 1000 * 1000, strict=True)
        ]

    def ordinary(
        self, users: list[str], n_sessions: int = 4, first_ms: int = 0, last_ms: int = DAYS * DAY
    ) -> None:
        """The rest of what the members do, as everybody does it."""
        for user in users:
            for session in range(n_sessions):
                items = self.rng.choice(np.arange(30, 120), 4, replace=False)
                at = int(self.rng.integers(first_ms, last_ms))
                self.sitting(user, f"{user}-own{session}", [f"j{k:03}" for k in items], at)

    def apart(self, users: list[str], targets: list[str]) -> None:
        """Every member visits all targets, each in a session of its own, at any time."""
        for user in users:
            for target in targets:
                at = int(self.rng.integers(DAYS * DAY))
                self.sitting(user, f"{user}-{target}", [target], at)

    def ring(self, users: list[str], targets: list[str]) -> RingView:
        """The group as a ring of the whole log."""
        acts = pa.table(
            {
                "user_id": [act[0] for act in self.acts],
                "session_id": [act[1] for act in self.acts],
                "item_id": [act[2] for act in self.acts],
                "action": ["view"] * len(self.acts),
                "at_ms": pa.array([act[3] for act in self.acts], pa.int64()),
                "n": pa.array([1] * len(self.acts), pa.int64()),
                "amount": pa.array([self.amount_of(act[0], act[2]) for act in self.acts], pa.float64()),
            }
        )
        links = pa.table(
            {
                "user_id": [link[0] for link in self.links],
                "kind": [link[1] for link in self.links],
                "entity_id": [link[2] for link in self.links],
            }
        )
        with duckdb.connect() as con:
            graph = encode(
                nw.from_native(con.from_arrow(acts)).lazy(), nw.from_native(con.from_arrow(links)).lazy()
            )
        user_ids, item_ids = graph.user_ids.to_pylist(), graph.item_ids.to_pylist()
        blocks = Blocks(
            membership([np.sort([user_ids.index(user) for user in users])], graph.n_users),
            membership([np.sort([item_ids.index(item) for item in targets])], graph.n_items),
        )
        return RingView(LogView(organic_model(graph), graph), blocks)
