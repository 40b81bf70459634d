"""Pellucid's networks as scikit-learn estimators, and the exact regions of any network of two inputs there."""

from ._classifier import NetClassifier
from ._display import DecisionRegionDisplay
from ._regressor import NetRegressor

__all__ = ["DecisionRegionDisplay", "NetClassifier", "NetRegressor"]
