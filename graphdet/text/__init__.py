"""Texts of any script, however hostile: cleaned, measured, and told which of them are the same.

Functions of the texts alone, with no state but what `ngrams` learns: arrays in, arrays out.
"""
