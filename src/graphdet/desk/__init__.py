"""What analysts decide: verdicts, allow and deny lists, snoozes; what follows from them; and how often we were right.

Nothing here writes: decisions are entries of the audit log (graphdet.audit), and what holds now is read from them.
"""
