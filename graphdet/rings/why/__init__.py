"""Why a ring is one: measures, reasons, doubts, what would change the verdict."""
