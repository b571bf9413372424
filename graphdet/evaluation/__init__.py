"""Error rates and agreement measures on arrays."""
