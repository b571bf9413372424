"""What one value of a log means, as SQL: an id, a number, nothing.

Ids are trimmed of all blanks of Unicode and of marks without width. One rule holds for all formats: a whole number that
was written as a float or a decimal (17850.0) is that whole number, and an IPv4 address in the clothes of IPv6
(::ffff:203.0.113.7) is the IPv4 address. What is a list or an object, or a float that cannot hold all digits of an id,
is none: `wrong_shape` says so.
"""

from collections.abc import Sequence

from graphdet.logs.raw import RawFile, literal

FLOAT_TYPES = ("DOUBLE", "FLOAT")
BIGINT_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WHOLE_TYPES = (*BIGINT_TYPES, "UBIGINT", "HUGEINT", "UHUGEINT")
_WHOLE = {"DOUBLE": 2**53, "FLOAT": 2**24}  # from here on a float skips whole numbers
# Blanks of Unicode, and marks that take no room. What turns the direction of a text around stays: nobody types it by
# mistake, and whoever shows an id shows it as an escape.
_BLANK_RANGES = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x1680, 0x1680),
    (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x2064), (0x206A, 0x206F),
    (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
BLANKS = "".join(chr(code) for first, last in _BLANK_RANGES for code in range(first, last + 1))
_BLANK_CLASS = "[" + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _BLANK_RANGES) + "]"
_AT_ENDS = f"^{_BLANK_CLASS}|{_BLANK_CLASS}$"
_ODD_CLASS = _BLANK_CLASS.replace(r"\x{9}-\x{D}\x{20}-\x{20}", r"\x{B}-\x{C}")
_ODD_AT_ENDS = rf"^\s*{_ODD_CLASS}|{_ODD_CLASS}\s*$"
# Words that programs write where they have no value, in lower case.
NOTHING_WORDS = (
    "null", "none", "nil", "nan", "na", "n/a", "#n/a", "<na>", "\\n", "undefined", "unknown", "(null)", "<null>",
    "<none>", "(not set)", "(none)", "(unknown)", "not available", "missing", "-", "--", "?", "::", "0.0.0.0",
    "02:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "9774d56d682e549c",
)  # fmt: skip
_ALL_ZEROS = "0[0:.-]{6,}"  # device ids of phones that give none
_WHOLE_AS_FLOAT = r"[+-]?\d+\.0+"
_SCIENTIFIC = r"[+-]?\d([.,]\d+)?[eE]\+\d+"
_MAPPED = r"::[fF]{4}:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"


def is_list(kind: str) -> bool:
    """Say whether a DuckDB type is a list or an array."""
    return kind.endswith("]")


def is_object(kind: str) -> bool:
    """Say whether a DuckDB type holds several named values."""
    return not is_list(kind) and kind.startswith(("STRUCT", "MAP", "UNION", "ROW"))


def given(raw: RawFile, column: str) -> str:
    """Write whether a column has a value at all."""
    sql = raw.columns[column]
    return f"trim({sql}) <> ''" if raw.types[column] == "VARCHAR" else f"{sql} IS NOT NULL"


def trimmed(text: str) -> str:
    """Write a text without the blanks around it; null where nothing is left."""
    strip = f"trim({text}, {literal(BLANKS)})"
    return f"CASE WHEN regexp_matches({text}, {literal(_AT_ENDS)}) THEN nullif({strip}, '') ELSE nullif({text}, '') END"


def has_odd_blanks(text: str) -> str:
    """Write whether blanks or marks stand around a text that are not those of a keyboard."""
    return f"regexp_matches({text}, {literal(_ODD_AT_ENDS)})"


def as_text(sql: str, kind: str) -> str:
    """Write a column of any type as text, as it stands; whole numbers stored as floats lose their ".0"."""
    if kind == "VARCHAR":
        return sql
    if kind in FLOAT_TYPES:
        whole = f"{sql} = trunc({sql}) AND abs({sql}) < {_WHOLE['DOUBLE']}"
        return f"CASE WHEN {whole} THEN {sql}::BIGINT::VARCHAR WHEN NOT isnan({sql}) THEN {sql}::VARCHAR END"
    if kind.startswith("DECIMAL"):
        return f"regexp_replace({sql}::VARCHAR, '\\.0+$', '')"
    return f"{sql}::VARCHAR"


def as_id(text: str) -> str:
    """Write a trimmed text as an id, by the one rule for all formats."""
    return (
        f"CASE WHEN {is_whole_as_float(text)} THEN regexp_replace({text}, '\\.0+$', '')"
        f" WHEN {is_ipv4_as_ipv6(text)} THEN {text}[8:] ELSE {text} END"
    )


def is_whole_as_float(text: str) -> str:
    """Write whether a trimmed text is a whole number with zeros for decimals."""
    full = f"regexp_full_match({text}, {literal(_WHOLE_AS_FLOAT)})"
    return f"(suffix({text}, '0') AND contains({text}, '.0') AND {full})"


def is_ipv4_as_ipv6(text: str) -> str:
    """Write whether a trimmed text is an IPv4 address in the clothes of IPv6."""
    return f"(starts_with({text}, '::') AND regexp_full_match({text}, {literal(_MAPPED)}))"


def is_nothing(text: str) -> str:
    """Write whether a trimmed text is a word for no value."""
    words = ", ".join(literal(word) for word in NOTHING_WORDS)
    return f"(lower({text}) IN ({words}) OR ({text}[1] = '0' AND regexp_full_match({text}, {literal(_ALL_ZEROS)})))"


def without(sql: str, kind: str, words: Sequence[str]) -> str:
    """Write a column in which some words, as they are written, are no value."""
    if not words or is_list(kind) or is_object(kind):
        return sql
    listed = ", ".join(literal(word.strip(BLANKS)) for word in words)
    text = trimmed(sql) if kind == "VARCHAR" else f"{sql}::VARCHAR"
    return f"CASE WHEN {text} IN ({listed}) THEN NULL ELSE {sql} END"


def wrong_shape(text: str, sql: str, kind: str, json_kind: str | None) -> str | None:
    """Write what an id is instead of one value, or null; None where it is always one.

    Args:
        text: the trimmed text of the id, as SQL.
        sql: the column as it stands, as SQL.
        kind: its type.
        json_kind: the SQL of its type in JSON, where the row is JSON.
    """
    if is_list(kind):
        return "'is a list, not one value'"
    if is_object(kind):
        return "'is an object, not one value'"
    lost = "'is a float that has lost digits of the id'"
    if kind in FLOAT_TYPES:
        return f"CASE WHEN abs({sql}) >= {_WHOLE[kind]} AND NOT isnan({sql}) THEN {lost} END"
    if kind != "VARCHAR":
        return None
    big = f"abs(TRY_CAST({text} AS DOUBLE)) >= {_WHOLE['DOUBLE']}"
    as_float = (
        f"WHEN {is_whole_as_float(text)} AND {big} THEN {lost}"
        f" WHEN (contains({text}, 'E+') OR contains({text}, 'e+')) AND regexp_full_match({text},"
        f" {literal(_SCIENTIFIC)}) THEN {lost}"
    )
    nested = ""
    if json_kind is not None:
        nested = (
            f"WHEN {json_kind} = 'ARRAY' THEN 'is a list, not one value'"
            f" WHEN {json_kind} = 'OBJECT' THEN 'is an object, not one value' "
        )
    return f"CASE {nested}{as_float} END"


def number_sql(sql: str, kind: str, decimal: str | None) -> str:
    """Write a column as a DOUBLE, null where it is none.

    With `decimal` given, texts are read with it and with groups of three digits: 1.234,50 with a comma.
    """
    if kind != "VARCHAR" or decimal is None:
        return f"TRY_CAST({sql} AS DOUBLE)"
    text = f"trim({sql}, {literal(BLANKS)})"
    group = "[. '’\\x{A0}\\x{202F}]" if decimal == "," else "[, '’\\x{A0}\\x{202F}]"
    point = "," if decimal == "," else "\\."
    pattern = rf"[+-]?(\d{{1,3}}({group}\d{{3}})+|\d*)({point}\d*)?([eE][+-]?\d+)?"
    plain = f"regexp_replace({text}, {literal(group)}, '', 'g')"
    if decimal == ",":
        plain = f"replace({plain}, ',', '.')"
    return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN TRY_CAST({plain} AS DOUBLE) END"
