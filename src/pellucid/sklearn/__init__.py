"""Pellucid's networks as scikit-learn estimators."""
