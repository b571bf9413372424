"""From a log in a store to findings."""
