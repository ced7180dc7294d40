"""Predictive distributions: of rows, of mixtures, and recalibrated ones."""

from probnn.predictive.parameters import ParameterDomainError, numbers
from probnn.predictive.pooled import PooledPredictive
from probnn.predictive.predictive import Predictive, check_predictive

__all__ = ["ParameterDomainError", "PooledPredictive", "Predictive", "check_predictive", "numbers"]
