"""Sessions: cut by gaps where the log has none, told apart where users share an id."""

import duckdb
import narwhals as nw

from graphdet.logs.raw import height, materialise
from graphdet.tables import Frame


def cut_by_gap(clean: Frame, gap_s: float, existing: Frame | None) -> Frame:
    """Give each event the session it belongs to: a new one starts after a gap of more than `gap_s` seconds.

    A session's id is `USER@FIRST`, the time of its first event in milliseconds. An event within the gap of a
    session that exists already joins it, so a log read in parts, in the order of time, gives the sessions of
    the whole. An event that falls between two existing sessions joins the earlier one; existing sessions are
    never merged.

    Args:
        clean: has user_id, at_ms, event_row.
        gap_s: the gap in seconds.
        existing: schema.SESSION_COLUMNS of sessions in the store, or None.

    Returns:
        `clean` with session_id.
    """
    gap_ms = round(gap_s * 1000)
    if existing is None:
        order = ("at_ms", "event_row")
        previous = nw.col("at_ms").shift(1).over("user_id", order_by=order)
        cut = clean.with_columns(new=_starts(nw.col("at_ms") - previous, gap_ms))
        cut = cut.with_columns(run=nw.col("new").cum_sum().over("user_id", order_by=order))
        cut = cut.with_columns(first_ms=nw.col("at_ms").min().over("user_id", "run"))
        return cut.with_columns(session_id=_made_id()).drop("new", "run", "first_ms")
    spans = nw.concat([_events_as_spans(clean), _sessions_as_spans(existing, clean)], how="vertical")
    order = ("at_ms", "event_row")
    spans = spans.with_columns(reach=nw.col("end_ms").cum_max().over("user_id", order_by=order))
    spans = spans.with_columns(previous=nw.col("reach").shift(1).over("user_id", order_by=order))
    spans = spans.with_columns(new=_starts(nw.col("at_ms") - nw.col("previous"), gap_ms))
    spans = spans.with_columns(run=nw.col("new").cum_sum().over("user_id", order_by=order))
    in_run = ("user_id", "run")
    spans = spans.with_columns(
        first_ms=nw.col("at_ms").min().over(*in_run),
        before=nw.col("known_id").fill_null(strategy="forward").over(*in_run, order_by=order),
        after=nw.col("known_id").fill_null(strategy="backward").over(*in_run, order_by=order),
    )
    spans = spans.filter(nw.col("event_row") >= 0)
    spans = spans.select(
        "event_row", user_key="user_id", session_id=nw.coalesce("before", "after", _made_id())
    )
    # A row may stand for several acts of a user, and for acts of two (see logs.events).
    marked = clean.with_columns(user_key=_user())
    return marked.join(spans.unique(), on=["event_row", "user_key"], how="inner").drop("user_key")


def _starts(gap: nw.Expr, gap_ms: int) -> nw.Expr:
    return nw.when(gap <= gap_ms).then(nw.lit(0)).otherwise(nw.lit(1))


def _made_id() -> nw.Expr:
    return nw.concat_str(_user(), nw.lit("@"), nw.col("first_ms").cast(nw.String()))


def _events_as_spans(clean: Frame) -> Frame:
    known = nw.lit(None).cast(nw.String())
    return clean.select("at_ms", "event_row", user_id=_user(), end_ms=nw.col("at_ms"), known_id=known)


def _sessions_as_spans(existing: Frame, clean: Frame) -> Frame:
    # The row -1 puts a session before the events of the same moment.
    spans = existing.join(clean.select(user_id=_user()).unique(), on="user_id", how="semi")
    return spans.select(
        at_ms=nw.col("started_ms"),
        event_row=nw.lit(-1).cast(nw.Int64()),
        user_id=nw.col("user_id"),
        end_ms=nw.col("ended_ms"),
        known_id=nw.col("session_id"),
    )


def tell_apart(bench: duckdb.DuckDBPyConnection, clean: Frame, existing: Frame | None) -> tuple[Frame, int]:
    """Rename sessions whose id more than one user has: to USER/ID, these only.

    A session that the store knows under its id keeps it; one that the store knows as USER/ID gets that name
    again.

    Returns:
        `clean` with final session ids, and how many (user, session) were renamed.
    """
    renamed = materialise(bench, _shared(clean) if existing is None else _taken(clean, existing), "shared")
    n_renamed = height(renamed)
    if not n_renamed:
        return clean, 0
    while True:  # a session may have of itself the name that another one gets
        names = renamed.select(session_id=_user_slash_session())
        met = _pairs(clean).join(names, on="session_id", how="semi")
        met = met.join(renamed, on=["session_id", "user_id"], how="anti")
        if existing is not None:
            met = met.join(existing.select("session_id", "user_id"), on=["session_id", "user_id"], how="anti")
        if not height(met):
            break
        renamed = materialise(bench, nw.concat([renamed, met], how="vertical"), "shared")
        n_renamed = height(renamed)
    session_id = nw.col("session_id").cast(nw.String())
    marked = clean.with_columns(user_key=_user(), session_key=session_id)
    renamed = renamed.select(user_key="user_id", session_key="session_id", shared=nw.lit(True))
    marked = marked.join(renamed, on=["session_key", "user_key"], how="left")
    final = nw.when(nw.col("shared")).then(_user_slash_session()).otherwise(session_id)
    return marked.with_columns(session_id=final).drop("shared", "user_key", "session_key"), n_renamed


def _shared(clean: Frame) -> Frame:
    """Find the (session, user) whose session id another user of the log has, too."""
    users = clean.group_by("session_id").agg(least=nw.col("user_id").min(), most=nw.col("user_id").max())
    ids = users.filter(nw.col("least") != nw.col("most")).select("session_id")
    return _pairs(clean.join(ids, on="session_id", how="semi"))


def _taken(clean: Frame, existing: Frame) -> Frame:
    """Find the (session, user) to rename, sessions in the store considered."""
    pairs, known = _pairs(clean), existing.select("session_id", "user_id")
    owners = nw.concat([pairs, known], how="vertical").unique()
    ids = owners.group_by("session_id").agg(n=nw.len()).filter(nw.col("n") > 1).select("session_id")
    shared = pairs.join(ids, on="session_id", how="semi")
    shared = shared.join(known, on=["session_id", "user_id"], how="anti")
    again = pairs.with_columns(renamed=_user_slash_session())
    again = again.join(known.rename({"session_id": "renamed"}), on=["renamed", "user_id"], how="semi")
    return nw.concat([shared, again.select("session_id", "user_id")], how="vertical").unique()


def _pairs(clean: Frame) -> Frame:
    return clean.select(session_id=nw.col("session_id").cast(nw.String()), user_id=_user()).unique()


def not_taken(loose: Frame, own: Frame) -> Frame:
    """Rename the sessions that were cut whose id the log itself has: to USER@FIRST/cut."""
    taken = (
        own.select(session_id=nw.col("session_id").cast(nw.String()))
        .unique()
        .with_columns(taken=nw.lit(True))
    )
    marked = loose.join(taken, on="session_id", how="left")
    name = nw.concat_str(nw.col("session_id"), nw.lit("/cut"))
    return marked.with_columns(
        session_id=nw.when(nw.col("taken")).then(name).otherwise(nw.col("session_id"))
    ).drop("taken")


def _user_slash_session() -> nw.Expr:
    """Write USER/SESSION so that no two pairs are written alike: a slash in the user is %2F."""
    user = _user().str.replace_all("%", "%25", literal=True).str.replace_all("/", "%2F", literal=True)
    return nw.concat_str(user, nw.lit("/"), nw.col("session_id").cast(nw.String()))


def _user() -> nw.Expr:
    return nw.col("user_id").cast(nw.String())
