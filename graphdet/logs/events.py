"""From clean rows to events: what a row stands for, where that is not one act on one item.

* Several item columns (`item_id = ["url", "hashtag"]`): each that is not empty is an act of the same event, on the item
  "url:…" or "hashtag:…". The first keeps the row's event id, text and entities; the others are EVENT/COLUMN.
* A rating or a sign: the item well judged and the item ill judged are two, "i12 (+)" and "i12 (-)".
* A payee: the payer's act `sent` on the payee and the payee's act `received` on the payer, EVENT/received, which has no
  text and no entities: device and words are the payer's.

Rows are counted, rejected and compared before, so all of this changes no count of rows.
"""

from collections.abc import Sequence
from functools import reduce

import narwhals as nw

from graphdet.config import Config
from graphdet.schema import RECEIVED, SENT
from graphdet.tables import Frame

_TEXT = nw.String()
WELL, ILL = " (+)", " (-)"


def events_of_rows(clean: Frame, config: Config) -> Frame:
    """Give each clean row the events that it stands for, with the fields that `clean` has (see fields.Fields).

    Rows that stand for one act on one item each, which is usual, are given back as they are.
    """
    columns = config.columns
    if isinstance(columns.item_id, tuple):
        clean = _each_item(clean, columns.item_id)
    if columns.rating is not None or columns.sign is not None:
        clean = _judged_items(clean, config)
    return clean if columns.payee is None else _both_sides(clean, config)


def _each_item(clean: Frame, parts: Sequence[str]) -> Frame:
    names = [
        name for name in clean.collect_schema().names() if name not in {f"item {part}" for part in parts}
    ]
    names = list(dict.fromkeys([*names, "event_id"]))
    acts = []
    for place, part in enumerate(parts):
        own = clean.filter(~nw.col(f"item {part}").is_null())
        item_id = nw.concat_str(nw.lit(f"{part}:"), nw.col(f"item {part}").cast(_TEXT))
        event_id = _event_id(own)
        if place:
            before = reduce(
                lambda a, b: a & b, [nw.col(f"item {earlier}").is_null() for earlier in parts[:place]]
            )
            later = _without_person(own).with_columns(event_id=nw.concat_str(event_id, nw.lit(f"/{part}")))
            acts.append(later.filter(~before).with_columns(item_id=item_id).select(*names))
            own = own.filter(before)
        acts.append(own.with_columns(item_id=item_id, event_id=event_id).select(*names))
    return nw.concat(acts, how="vertical")


def _judged_items(clean: Frame, config: Config) -> Frame:
    if config.rating is None:
        ill, well = nw.col("sign") < 0, nw.col("sign") > 0
    else:
        ill, well = nw.col("rating") <= config.rating.low, nw.col("rating") >= config.rating.high
    end = nw.when(well).then(nw.lit(WELL)).otherwise(nw.when(ill).then(nw.lit(ILL)).otherwise(nw.lit("")))
    judged = {"item_id": nw.concat_str(nw.col("item_id").cast(_TEXT), end)}
    if "item_name" in clean.collect_schema().names():
        judged["item_name"] = nw.concat_str(nw.col("item_name"), end)
    return clean.with_columns(**judged)


def _both_sides(clean: Frame, config: Config) -> Frame:
    names = list(dict.fromkeys([*clean.collect_schema().names(), "event_id"]))
    kinds = clean.collect_schema()
    if kinds["user_id"] != kinds["item_id"]:  # whole numbers on one side only
        clean = clean.with_columns(nw.col("user_id", "item_id").cast(_TEXT))
    clean = clean.with_columns(event_id=_event_id(clean))
    back = nw.col("action") == config.actions.negative_quantity
    sent = clean.with_columns(action=_unless(back, SENT))
    received = _without_person(clean).with_columns(
        user_id=nw.col("item_id"),
        item_id=nw.col("user_id"),
        action=_unless(back, RECEIVED),
        event_id=nw.concat_str(nw.col("event_id"), nw.lit(f"/{RECEIVED}")),
    )
    return nw.concat([sent.select(*names), received.select(*names)], how="vertical")


def _unless(back: nw.Expr, action: str) -> nw.Expr:
    """Keep the action of what was taken back."""
    return nw.when(back).then(nw.col("action")).otherwise(nw.lit(action))


def _event_id(clean: Frame) -> nw.Expr:
    row = nw.col("event_row").cast(_TEXT)
    return nw.coalesce("event_id", row) if "event_id" in clean.collect_schema().names() else row


def _without_person(clean: Frame) -> Frame:
    """Take away what belongs to whoever acted first: its text and its entities."""
    named = [name for name in clean.collect_schema().names() if name == "text" or name.startswith("entity ")]
    return clean.with_columns(**{name: nw.lit(None).cast(_TEXT) for name in named}) if named else clean
