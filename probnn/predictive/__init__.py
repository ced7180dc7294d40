"""Predictive distributions: of rows, of mixtures, and recalibrated ones."""

from probnn.predictive.parameters import ParameterDomainError, numbers
from probnn.predictive.pooled import PooledPredictive
from probnn.predictive.predictive import Predictive, check_predictive, check_same_responses

__all__ = [
    "ParameterDomainError",
    "PooledPredictive",
    "Predictive",
    "check_predictive",
    "check_same_responses",
    "numbers",
]
