"""The model laboratory: kept models, evaluation, settings, leakage, power."""
