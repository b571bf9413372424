"""Where the graph and the findings live: DuckDB (embedded) or Neo4j."""
