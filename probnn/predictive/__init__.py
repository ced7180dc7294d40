"""Predictive distributions: of rows, of mixtures, and recalibrated ones."""

from probnn.predictive.pooled import PooledPredictive
from probnn.predictive.predictive import ParameterDomainError, Predictive, check_predictive, numbers

__all__ = ["ParameterDomainError", "PooledPredictive", "Predictive", "check_predictive", "numbers"]
