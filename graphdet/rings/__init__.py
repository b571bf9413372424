"""Ring candidates, evidence and significance."""
