"""User scorers, their fusion and calibration."""
