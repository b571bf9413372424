"""One file per verb; the only place that composes stages."""
