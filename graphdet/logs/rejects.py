"""rejects.csv: every row that was put aside, with file, line, reason and the raw row.

The file is safe to open in a spreadsheet: it begins with a mark of UTF-8, `row` is a JSON object and so starts with
`{`, `reason` is ours, and a file name that starts with = + - or @ is written with ./ before it.

The rules of cleaning, as Narwhals expressions. What they say, in the order in which they are asked:

1. A row that `[filters]` or `[actions] keep` leaves out is *filtered*: counted, nothing else.
2. A row is *rejected*, with the first reason that holds, when
   - the user, the item or the time is missing (absent, empty or only blanks);
   - the time cannot be read in the unit of the config (nothing is asked of times in a log without any);
   - the time is out of range, which runs from `[time] earliest` (1990-01-01) to `[time] latest` (a day after
     the run starts): when a number would be in range in another unit the reason says so ("looks like seconds,
     not milliseconds"); else it is in 1970, too early, or in the future;
   - an id is a list, an object or a float that has lost digits, holds a NUL character or is longer than 1,024
     characters;
   - the amount or the quantity is given but is no finite number, or the quantity is zero;
   - the amount is negative although the quantity is positive.
3. A cancelled order is kept: with a negative quantity, or a negative amount and no quantity (a refund), the
   action becomes `[actions] negative_quantity` ("return"). The numbers keep their signs.
4. Ids are trimmed of surrounding blanks and marks without width, and otherwise kept as they are: quotes, newlines,
   emoji, formulas, HTML. Whole numbers written as floats or decimals (17850.0) become "17850" (see logs.values).
   Actions are trimmed, lower-cased and renamed.
5. Of rows equal in every mapped column the first in the input stays, the others are put aside as *duplicate*
   (unless `[reject] duplicates` is false); they do not count towards `[reject] max_share`.

6. A row of an account that the store was told to forget, or one past its time, is put aside as such before all this
   (unless it is filtered), and does not count towards max_share either (see logs.private).

Rejected rows and duplicates go to rejects.csv: clean + rejected + duplicates + filtered = rows of the input.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import narwhals as nw

from graphdet.config import Config, iso_ms
from graphdet.errors import GraphdetError, TooManyRejects
from graphdet.files import replacing
from graphdet.logs.fields import NUMBERS, Fields
from graphdet.logs.private import WITHHELD, hide, withhold
from graphdet.logs.raw import ROW, RawFile, first_words, fresh_name, literal
from graphdet.logs.times import FACTORS_MS
from graphdet.privacy import Withheld
from graphdet.sheets import BOM
from graphdet.tables import Frame
from graphdet.units import DAY_MS

HEADER = f"{BOM}file,line,reason,row\n"
FILTERED = "filtered"
DUPLICATE = "duplicate"
MAX_ID_CHARS = 1024
_UNIT_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EARLIEST = "1990-01-01"


def judge(fields: Fields, config: Config, now_ms: int) -> Frame:
    """Clean the fields and say of each row what becomes of it.

    Args:
        fields: the typed fields of the log.
        config: the settings.
        now_ms: the time of the run; later times than a day after are in the future.

    Returns:
        The fields with trimmed ids, final actions, and `verdict`: null for a clean row, else FILTERED or the
        reason.
    """
    have = set(fields.frame.collect_schema().names())
    frame = fields.frame
    parts = config.columns.item_id
    if isinstance(parts, tuple):
        # Which of them comes first stands for all until the rows are kept: see logs.events.
        named = [nw.concat_str(nw.lit(f"{part}:"), nw.col(f"item {part}").cast(nw.String)) for part in parts]
        frame = frame.with_columns(item_id=nw.coalesce(*named))
    frame = frame.with_columns(action=_action(config, have))
    refused = [(~nw.col("wanted"), FILTERED)] if "wanted" in have else []
    if config.actions.keep is not None:
        refused.append((~nw.col("action").is_in(config.actions.keep), FILTERED))
    verdict = _first_of(_value_reasons(fields, have), nw.lit(None).cast(nw.String()))
    if config.columns.timestamp is not None:
        # Nearly all times are in range: one look at it spares the questions about what is wrong with a time.
        earliest, latest = _range(config, now_ms)
        in_range = (nw.col("at_ms") >= earliest) & (nw.col("at_ms") < latest)
        wrong_times = _time_reasons(config, earliest, latest, "time_number" in have)
        wrong_time = _first_of(wrong_times, nw.lit(None).cast(nw.String()))
        verdict = nw.when(in_range).then(verdict).otherwise(wrong_time)
    judged = frame.with_columns(verdict=_first_of([*refused, *_missing(config)], verdict))
    return judged.drop("shape")


def judged_rows(
    bench: duckdb.DuckDBPyConnection, fields: Fields, config: Config, now_ms: int, withheld: Withheld
) -> Frame:
    """The same, with pseudonyms for ids and what is withheld put aside (see logs.private)."""
    return withhold(bench, hide(judge(fields, config, now_ms), config), config, withheld, FILTERED)


def _first_of(reasons: Iterable[tuple[nw.Expr, str | nw.Expr]], otherwise: nw.Expr) -> nw.Expr:
    """Write the first reason whose condition holds."""
    for condition, reason in reversed(list(reasons)):
        words = nw.lit(reason) if isinstance(reason, str) else reason
        otherwise = nw.when(condition).then(words).otherwise(otherwise)
    return otherwise


def _action(config: Config, have: set[str]) -> nw.Expr:
    actions = config.actions
    action: nw.Expr = nw.lit(actions.default)
    if "action" in have:
        word = nw.col("action").str.strip_chars().str.to_lowercase()
        action = nw.when(word != "").then(word).otherwise(action)
        # Side by side, as hundreds of them one in another are too deep for a query.
        renamed = [nw.when(word == old).then(nw.lit(new)) for old, new in sorted(actions.rename.items())]
        action = nw.coalesce(*renamed, action) if renamed else action
    elif actions.default in actions.rename:
        action = nw.lit(actions.rename[actions.default])
    back = None
    if "quantity" in have:
        back = nw.col("quantity") < 0
    if "amount" in have:
        refund = nw.col("amount") < 0
        if "quantity" in have:
            refund = refund & nw.col("quantity").is_null()
        back = refund if back is None else back | refund
    return action if back is None else nw.when(back).then(nw.lit(actions.negative_quantity)).otherwise(action)


def _range(config: Config, now_ms: int) -> tuple[int, int]:
    time = config.time
    return iso_ms(time.earliest or _EARLIEST), iso_ms(time.latest) if time.latest else now_ms + DAY_MS


def _missing(config: Config) -> Iterator[tuple[nw.Expr, str]]:
    columns = config.columns
    yield nw.col("user_id").is_null(), f"missing user_id ({columns.user_id})"
    what = "item_id" if columns.payee is None else "payee"
    yield nw.col("item_id").is_null(), f"missing {what} ({_named(columns.item_id)})"
    if columns.timestamp is not None:
        yield ~nw.col("time_given"), f"missing timestamp ({_named(columns.timestamp)})"


def _named(columns: str | tuple[str, ...]) -> str:
    return columns if isinstance(columns, str) else ", ".join(columns)


def _value_reasons(fields: Fields, have: set[str]) -> Iterator[tuple[nw.Expr, str | nw.Expr]]:
    yield ~nw.col("shape").is_null(), nw.col("shape")
    for name in sorted(fields.texts):
        yield nw.col(name).str.contains(r"\x00"), f"NUL character in {name}"
        yield (
            nw.col(name).str.len_chars() > MAX_ID_CHARS,
            f"{name} is longer than {MAX_ID_CHARS:,} characters",
        )
    for name in NUMBERS:
        if name in have:
            number = nw.col(name)
            broken = number.is_null() | ~number.is_finite()
            what = "neither + nor - nor a number" if name == "sign" else "no finite number"
            yield nw.col(f"{name}_given") & broken, f"{name} is {what}"
    if "quantity" in have:
        yield nw.col("quantity") == 0, "quantity is zero"
        if "amount" in have:
            yield (nw.col("amount") < 0) & (nw.col("quantity") > 0), "amount is negative"


def _time_reasons(config: Config, earliest: int, latest: int, numeric: bool) -> Iterator[tuple[nw.Expr, str]]:
    """Say what is wrong with a time that is not in range."""
    time, at = config.time, nw.col("at_ms")
    wanted = {
        "iso": "an ISO date",
        "day": "a day",
        "step": "a number of steps",
        "excel": "days of a spreadsheet",
    }
    wanted |= {unit: f"a number of {word}" for unit, word in _UNIT_WORDS.items()}
    cannot = f"timestamp cannot be read as {wanted.get(time.unit, time.unit)}"
    if not numeric:
        yield at.is_null(), cannot
    else:
        # A number may have no at_ms because it is too large for one, and still be a time in another unit.
        number = nw.col("time_number")
        yield number.is_null() | ~number.is_finite(), cannot
        if time.origin is None:
            wanted_word = _UNIT_WORDS.get(time.unit, "days")
            for unit, word in _UNIT_WORDS.items():
                if unit != time.unit:
                    factor = FACTORS_MS[unit]
                    likely = (number >= earliest / factor) & (number < latest / factor)
                    yield likely, f"timestamp looks like {word}, not {wanted_word}"
    yield (at >= 0) & (at < 365 * DAY_MS), "timestamp in 1970: wrong unit?"
    yield at < earliest, f"timestamp before {_day(earliest)}"
    late = f"timestamp after {_day(latest)}" if time.latest else "timestamp in the future"
    yield nw.lit(True), late


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


@dataclass(frozen=True)
class Rejects:
    """Rows put aside: the table (file_ix, row, line, reason), counts by reason, the first one in words.

    Without a table there are none. The first one is no duplicate.
    """

    table: str | None = None
    by_reason: dict[str, int] = field(default_factory=dict)
    first: str | None = None


def collect_rejects(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], judged: Frame, duplicates: Frame | None
) -> Rejects:
    """Gather the rows put aside by structure, rule or equality, with their lines.

    By hand in SQL: it is bookkeeping over the workbench's own tables, not work on the log's meaning.
    """
    table = fresh_name("rejects")
    parts = [
        f"SELECT file_ix, row, verdict AS reason FROM ({judged.to_native().sql_query()})"
        f" WHERE verdict IS NOT NULL AND verdict <> '{FILTERED}'"
    ]
    parts += [f"SELECT {ix}, row, reason FROM ({raw.bad})" for ix, raw in enumerate(raws) if raw.bad]
    if duplicates is not None:
        parts.append(f"SELECT file_ix, row, '{DUPLICATE}' FROM ({duplicates.to_native().sql_query()})")
    bench.execute(f"CREATE TEMP TABLE {table} AS {' UNION ALL '.join(parts)}")
    bench.execute(f"ALTER TABLE {table} ADD COLUMN line BIGINT")
    for ix, raw in enumerate(raws):
        if raw.lines is None:
            bench.execute(f"UPDATE {table} SET line = row + {raw.first_line} WHERE file_ix = {ix}")
        elif bench.execute(f"SELECT 1 FROM {table} WHERE file_ix = {ix} LIMIT 1").fetchone():
            bench.execute(
                f"UPDATE {table} SET line = l.line FROM ({raw.lines}) l"
                f" WHERE file_ix = {ix} AND l.row = {table}.row"
            )
    counts = bench.execute(
        f"SELECT reason, count(*) FROM {table} GROUP BY reason ORDER BY count(*) DESC, reason"
    ).fetchall()
    no_examples = ", ".join(map(literal, (DUPLICATE, *WITHHELD)))
    first = bench.execute(
        f"SELECT file_ix, line, reason FROM {table} WHERE reason NOT IN ({no_examples})"
        " ORDER BY file_ix, row LIMIT 1"
    ).fetchone()
    words = None if first is None else f"{raws[first[0]].file.path} line {first[1]}: {first[2]}"
    return Rejects(table, dict(counts), words)


def write_rejects(
    bench: duckdb.DuckDBPyConnection,
    raws: Sequence[RawFile],
    rejects: Rejects,
    path: Path,
    *,
    with_rows: bool = True,
) -> None:
    """Write rejects.csv in the order of the input; with no rejects, its header only.

    with_rows: false where rows hold ids that must not be kept; `row` is an empty object then.

    Raises:
        GraphdetError: the file cannot be written.
    """
    parts = []
    used = set()
    if rejects.table is not None:
        used = {ix for (ix,) in bench.execute(f"SELECT DISTINCT file_ix FROM {rejects.table}").fetchall()}
    for ix in sorted(used):
        raw = raws[ix]
        row, text = (_as_json(raw), "json_object('text', t.raw)::VARCHAR") if with_rows else ("'{}'", "'{}'")
        mine = f"(SELECT * FROM {rejects.table} WHERE file_ix = {ix})"
        name = literal(_safe(raw.file.path))
        parts.append(
            f"SELECT {ix} AS file_ix, r.row AS ix, {name} AS file, r.line, r.reason, {row} AS row"
            f" FROM {mine} r JOIN {raw.source} t ON t.{ROW} = r.row"
        )
        if raw.bad:
            parts.append(
                f"SELECT {ix}, r.row, {name}, r.line, r.reason, {text}"
                f" FROM {mine} r JOIN ({raw.bad}) t ON t.row = r.row"
            )
    nothing = "SELECT 0 AS file_ix, 0 AS ix, '' AS file, 0 AS line, '' AS reason, '' AS row WHERE false"
    body = " UNION ALL ".join(parts) or nothing
    try:
        with replacing(path) as temporary:
            bench.execute(
                f'COPY (SELECT file AS "{BOM}file", line, reason, row FROM ({body}) ORDER BY file_ix, ix)'
                f" TO {literal(str(temporary))} (FORMAT csv, HEADER true, USE_TMP_FILE false)"
            )
    except duckdb.IOException as error:
        raise GraphdetError(
            f"cannot write {path}: {first_words(error)}; is there room and permission, and no limit (ulimit -f)?"
        ) from error


def check_share(
    rejects: Rejects, n_rows: int, config: Config, path: Path | None, remedies: Sequence[str] = ()
) -> None:
    """Check that not more than `[reject] max_share` of the rows were rejected; duplicates and withheld ones are not.

    Raises:
        TooManyRejects: too many; gives counts by reason and the first example.
    """
    reasons = {reason: n for reason, n in rejects.by_reason.items() if reason not in (DUPLICATE, *WITHHELD)}
    n_rejects = sum(reasons.values())
    if n_rejects <= config.max_reject_share * n_rows:
        return
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    see = f"; all are in {path}" if path is not None else ""
    raise TooManyRejects(
        f"{n_rejects} of {n_rows} rows cannot be used, more than [reject] max_share = "
        f"{config.max_reject_share:g}: {counts}; the first is {rejects.first}{see}. "
        f"{_sentences(remedies)}Mend the config or the log, or raise max_share"
    )


def _sentences(remedies: Sequence[str]) -> str:
    return "".join(f"{remedy[:1].upper()}{remedy[1:]}. " for remedy in remedies)


def _safe(path: str) -> str:
    return f"./{path}" if path[:1] in ("=", "+", "-", "@", "\t", "\r") else path


def _as_json(raw: RawFile) -> str:
    if raw.row_json is not None:
        return raw.row_json
    pairs = ", ".join(f"{literal(name)}, ({sql})::VARCHAR" for name, sql in raw.columns.items())
    return f"json_object({pairs})::VARCHAR"
