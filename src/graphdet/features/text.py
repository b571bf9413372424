"""The text of an event as numbers: what it holds, and who said the same before. Nothing here is learned."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.text.near import distinct_templates
from graphdet.text.reuse import REUSE_FEATURES, reuse
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
    """Text features of users over all that they wrote: names and float32[n_users, d], NaN for who wrote nothing.

    Per event feature its mean and maximum; `texts` (how many) and `text_templates`, different templates ÷ texts.

    Shapes: user int64[n], from 0 to n_users − 1.
    """
    names, x = text_features(texts, user, None)
    out = np.full((n_users, 2 * len(names) + 2), np.nan, np.float32)
    has = np.array([text is not None for text in texts], bool)
    who, x = user[has], np.nan_to_num(x[has])
    n = np.bincount(who, minlength=n_users)
    wrote = np.flatnonzero(n)
    for column in range(len(names)):
        total = np.bincount(who, weights=x[:, column], minlength=n_users)
        out[wrote, column] = total[wrote] / n[wrote]
        most = np.full(n_users, -np.inf)
        np.maximum.at(most, who, x[:, column])
        out[wrote, len(names) + column] = most[wrote]
    _, kind = distinct_templates(texts)
    pairs = np.unique(np.column_stack([who, kind[has]]), axis=0)
    out[wrote, -2] = n[wrote]
    out[wrote, -1] = np.bincount(pairs[:, 0], minlength=n_users)[wrote] / n[wrote]
    return (
        *(f"{name} mean" for name in names),
        *(f"{name} most" for name in names),
        "texts",
        "text_templates",
    ), out
