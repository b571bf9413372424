"""The Neo4j store and the server that graphdet can start."""
