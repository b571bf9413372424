"""The TOML config as frozen settings objects, and its reader.

[columns]                  # which column of the log holds what; the first two are required
user_id = "visitor"
item_id = "article"        # or several, ["url", "hashtag"]: each that is not empty is an act, on "url:…" or "hashtag:…"
timestamp = "at"           # or two columns, ["date", "time"]; without it nobody knows when: friends, holdings
session_id = "session"     # optional, like action, event_id, amount, quantity, text, item_name, device_id, ip
payee = "to"               # instead of item_id: user_id paid this account. A row is two events, sent and received
rating = "stars"           # an item well rated and the same one ill rated are two items, "i12 (+)" and "i12 (-)"
sign = "vote"              # instead of rating: + or -, or a number above or below 0
[rating]                   # with rating: up to low is ill rated, from high on well, between them neither
low = 2
high = 4
[read]                     # only where it cannot be told from the files
delimiter = ";"            # or several characters, "::"; also header, names, quote, encoding, file_column
skip = 2                   # lines before the header
comment = "#"              # lines that start so are left out
decimal = ","              # numbers are written 1.234,50; with "." 1,234.50
null = ["NULL", "\\\\N"]   # values that stand for no value, in every column
max_line_mb = 16           # a file with a longer line is refused
max_unfold = 200           # so is a compressed file that unfolds to more than so many times its size
[time]
unit = "ms"                # s, ms, us, ns, iso, day, step, excel, or a strptime format such as "%d/%m/%Y %H:%M"
zone = "UTC"               # an IANA name; for times that do not carry their own offset
origin = "2018-01-01"      # only when the log counts its times (or days, or steps) from another moment than 1970
step_s = 3600              # seconds of a step, with unit = "step"
earliest = "1990-01-01"    # earlier events are rejected
latest = "2030-01-01"      # later events are rejected; without it: one day after now
[sessions]
gap_s = 1800               # used when the log has no session column
[actions]
default = "view"
rename = { pv = "view" }
keep = ["view", "buy"]     # others are left out and counted as filtered
negative_quantity = "return"
[entities]
device = "device_id"       # kind = column; becomes (:Device)
[text]
templates = true           # texts that are the same but for links, numbers and decoration share a (:Template)
min_width = 20             # shorter ones do not; columns, of which a Chinese character fills two
[pictures]                 # [entities] picture = "photo" names files; those that look the same share a (:Picture)
folder = "photos"          # relative to this file; needs the extra `images`
most_users = 50            # what more accounts have, such as an avatar that comes with an account, ties nobody together
[attributes]
country = "geo_country"    # name = column; kept with each event
[filters]
country = "BR"             # column = value | [values] | { min = …, max = … }; others are left out
[reject]
max_share = 0.05
duplicates = true          # exact duplicates are put aside
[privacy]
pseudonyms = ["user_id", "device"]   # ids that the store gets as keyed hashes: of [columns], [entities], [attributes]
key_file = "~/keys/shop.key"         # relative to this file; without it the environment names it, GRAPHDET_KEY_FILE
[retention]                # how many days what is kept; run and watch remove the rest, graphdet retention on demand
events_days = 365
rejects_days = 30
findings_days = 730
verdicts_days = 1825
snapshots_days = 90        # pages and tables in the folder of a run
"""

from graphdet.config.reader import config_digest, load_config, parse_config, shipped_configs
from graphdet.config.settings import (
    Actions,
    Columns,
    Config,
    Pictures,
    Privacy,
    Rating,
    Read,
    Retention,
    Text,
    Time,
)
from graphdet.config.values import iso_ms

__all__ = [
    "Actions",
    "Columns",
    "Config",
    "Pictures",
    "Privacy",
    "Rating",
    "Read",
    "Retention",
    "Text",
    "Time",
    "config_digest",
    "iso_ms",
    "load_config",
    "parse_config",
    "shipped_configs",
]
