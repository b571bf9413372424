"""Everything graphdet raises on purpose.

GraphdetError                 exit code 1: the work failed
├── UsageError                2: the command line or an argument is wrong
│   └── ConfigError           2: the TOML config is wrong
├── InputError                3: a log or label file cannot be used
│   ├── NotEnoughData         3: the log is too small to learn from
│   └── TooManyRejects        3: more rows than `[reject] max_share` were rejected
└── StoreError                4: the store cannot be reached, worth a retry
    └── StoreBusy             4: another process holds the store

A message says what is wrong, where, and what to do. The command line prints it without a traceback.
"""


class GraphdetError(Exception):
    """The work failed; the base of every error that graphdet raises on purpose.

    >>> import graphdet
    >>> try:
    ...     graphdet.open("no-such-folder")
    ... except graphdet.GraphdetError as error:
    ...     print(error, error.exit_code)
    no-such-folder: there is no such folder or file; give the `out` folder of a run or a URL 2
    """

    exit_code = 1


class UsageError(GraphdetError):
    """The command line or an argument is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """The TOML config is wrong: an unknown key, a missing column name, an impossible value."""


class InputError(GraphdetError):
    """A log or label file cannot be used."""

    exit_code = 3


class NotEnoughData(InputError):
    """The log is too small, or too short, to learn from; `run` answers it with a report that says so."""


class TooManyRejects(InputError):
    """More rows than `[reject] max_share` had to be rejected."""


class StoreError(GraphdetError):
    """The store cannot be reached or refuses us; worth a retry."""

    exit_code = 4


class StoreBusy(StoreError):
    """Another process holds the store."""
