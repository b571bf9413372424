"""Reading and cleaning behaviour logs."""
