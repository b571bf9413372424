"""What analysts decide, and how it is kept: verdicts, lists, the memory of rings, disclosure."""
