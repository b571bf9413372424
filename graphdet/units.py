"""Spans of time, in seconds and in milliseconds."""

HOUR_S = 3_600
DAY_S = 86_400
WEEK_S = 7 * DAY_S
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
