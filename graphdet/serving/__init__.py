"""Scoring accounts from a warm process, without torch: arrays in, one account's score out."""
