"""Single items that a few accounts act on again and again."""
