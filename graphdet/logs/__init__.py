"""Logs: reading, cleaning, sessions, labels.

`read_log` is the whole of it: files in, clean tables on the workbench out. The rules of cleaning are in
`rules`.
"""

from graphdet.logs.files import LogDigest, find_files, log_digest
from graphdet.logs.labels import Labels, check_labels, read_labels
from graphdet.logs.read import CleanLog, read_log

__all__ = [
    "CleanLog",
    "Labels",
    "LogDigest",
    "check_labels",
    "find_files",
    "log_digest",
    "read_labels",
    "read_log",
]
