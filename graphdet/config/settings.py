"""The settings of a config as frozen objects."""

from dataclasses import dataclass, field

from graphdet import schema


@dataclass(frozen=True)
class Columns:
    """Which column of the log holds what; None where the log has none.

    item_id: several columns where one event is on several items. timestamp: two where date and time of day stand apart.
    payee: the account that user_id pays, which then is
    the item_id too. rating, sign: what makes an item and how it was judged the thing that accounts act on together.
    """

    user_id: str
    item_id: str | tuple[str, ...]
    timestamp: str | tuple[str, ...] | None = None
    payee: str | None = None
    rating: str | None = None
    sign: str | None = None
    session_id: str | None = None
    action: str | None = None
    event_id: str | None = None
    amount: str | None = None
    quantity: str | None = None
    text: str | None = None
    item_name: str | None = None
    device_id: str | None = None
    ip: str | None = None


@dataclass(frozen=True)
class Rating:
    """From which rating on an item was judged well, and up to which ill; what lies between is neither."""

    low: float
    high: float


@dataclass(frozen=True)
class Read:
    """How the files are written, where it cannot be told from them."""

    delimiter: str | None = None
    header: bool | None = None
    names: tuple[str, ...] | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    file_column: str | None = None  # a column of this name holds the name of the file the row came from
    skip: int = 0  # lines before the header, or before the first row where there is none
    comment: str | None = None  # lines that start with it are left out
    decimal: str | None = None  # "," where 1.234,50 is meant, "." where 1,234.50 is. None: no thousands
    null: tuple[str, ...] | None = None  # values, as they are written, that stand for no value
    max_line_mb: float = 16.0  # a file with a longer line is refused
    max_unfold: float = 200.0  # a compressed file that unfolds to more than so many times its size is refused


@dataclass(frozen=True)
class Time:
    """How times are written: unit is s, ms, us, ns, iso, day, step, excel or a strptime format; zone an IANA name.

    excel: days of a spreadsheet, from 1899-12-30 or `origin` on.
    day: ISO dates, or with `origin` numbers of days since then. step: numbers of steps of `step_s` seconds since
    `origin`.
    """

    unit: str = "iso"
    zone: str = "UTC"
    origin: str | None = None  # ISO date or time; numeric times count from it. None: 1970-01-01
    earliest: str | None = None  # ISO date; earlier events are rejected. None: 1990-01-01
    latest: str | None = None  # None: one day after now
    step_s: float | None = None  # seconds of a step, where unit is step


@dataclass(frozen=True)
class Actions:
    """Names of actions: the default, a mapping from the log's words to ours, and those to keep."""

    default: str = schema.DEFAULT_ACTION
    rename: dict[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] | None = None
    negative_quantity: str = "return"  # the action an event with a negative quantity becomes


@dataclass(frozen=True)
class Text:
    """What is made of the mapped text.

    templates: events whose texts are the same but for addresses, numbers, names and decoration share an entity of the
    kind schema.TEMPLATE. min_width: columns below which a text is too short to be one.
    """

    templates: bool = False
    min_width: int = 20


@dataclass(frozen=True)
class Pictures:
    """The files of the entity of the kind schema.PICTURE.

    folder: where they lie; None: the names of [entities] count as they are. most_users: a picture of more accounts
    ties nobody together.
    """

    folder: str | None = None
    most_users: int = 50


@dataclass(frozen=True)
class Privacy:
    """Which ids the store does not get: names of [columns], [entities] and [attributes], and the file with the key.

    key_file None: the environment names it (GRAPHDET_KEY_FILE).
    """

    pseudonyms: tuple[str, ...] = ()
    key_file: str | None = None


@dataclass(frozen=True)
class Retention:
    """After how many days what goes; None: never. See casework.retention for what each kind is."""

    events_days: float | None = None
    rejects_days: float | None = None
    findings_days: float | None = None
    verdicts_days: float | None = None
    snapshots_days: float | None = None


@dataclass(frozen=True)
class Config:
    """A whole config; see the package's docstring."""

    name: str
    columns: Columns
    read: Read = Read()
    time: Time = Time()
    gap_s: float = 1800.0
    actions: Actions = Actions()
    text: Text = Text()
    pictures: Pictures = Pictures()
    rating: Rating | None = None
    entities: dict[str, str] = field(default_factory=dict)  # kind → column
    attributes: dict[str, str] = field(default_factory=dict)  # name → column
    filters: dict[str, object] = field(default_factory=dict)
    max_reject_share: float = 0.05
    duplicates: bool = True  # put exact duplicates aside
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
