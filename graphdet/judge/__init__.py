"""The judge of rings: how it is trained, kept and shipped."""
