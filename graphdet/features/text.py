"""The text of an event as numbers: what it holds, and who said the same before. Nothing here is learned."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.text.near import REUSE_FEATURES, distinct_templates, reuse
from graphdet.text.shape import SHAPE_FEATURES, shape

TEXT_FEATURES = (*SHAPE_FEATURES, *REUSE_FEATURES)


def text_features(
    texts: Sequence[str | None], user: NDArray[np.int64], at_ms: NDArray[np.int64] | None
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Text features of events: names (TEXT_FEATURES) and float32[n, d] in the events' order, NaN for a missing text.

    Args:
        texts: one per event.
        user: number of each event's user, int64[n].
        at_ms: times, int64[n]: an event then sees only what came strictly before it. None: reuse counts over all of
            the log, for an audit of what has happened.
    """
    return TEXT_FEATURES, np.hstack([shape(texts), reuse(texts, user, at_ms)[1]])


def user_text_features(
    texts: Sequence[str | None], user: NDArray[np.int64], n_users: int
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Text features of users over all that they wrote: group_text_features of each user's texts."""
    return group_text_features(texts, user, user, n_users)


def group_text_features(
    texts: Sequence[str | None], user: NDArray[np.int64], group: NDArray[np.int64], n_groups: int
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Text features of groups of events (users, items, sessions): names and float32[n_groups, d], NaN without a text.

    Per event feature its mean and maximum; `texts` (how many) and `text_templates`, different templates ÷ texts. Reuse
    counts over all that is handed in, as an audit of what has happened.

    Shapes: texts one per event; user, group int64[n], groups from 0 to n_groups − 1.
    """
    names, x = text_features(texts, user, None)
    out = np.full((n_groups, 2 * len(names) + 2), np.nan, np.float32)
    has = np.array([text is not None for text in texts], bool)
    of, x = group[has], np.nan_to_num(x[has])
    n = np.bincount(of, minlength=n_groups)
    wrote = np.flatnonzero(n)
    for column in range(len(names)):
        total = np.bincount(of, weights=x[:, column], minlength=n_groups)
        out[wrote, column] = total[wrote] / n[wrote]
        most = np.full(n_groups, -np.inf)
        np.maximum.at(most, of, x[:, column])
        out[wrote, len(names) + column] = most[wrote]
    _, kind = distinct_templates(texts)
    pairs = np.unique(np.column_stack([of, kind[has]]), axis=0)
    out[wrote, -2] = n[wrote]
    out[wrote, -1] = np.bincount(pairs[:, 0], minlength=n_groups)[wrote] / n[wrote]
    return group_text_names(), out


def group_text_names() -> tuple[str, ...]:
    """Names of the columns of group_text_features."""
    return (
        *(f"{name} mean" for name in TEXT_FEATURES),
        *(f"{name} most" for name in TEXT_FEATURES),
        "texts",
        "text_templates",
    )
