"""Learning from labels of users, items, sessions and events, and from planted campaigns."""
