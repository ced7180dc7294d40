"""Generalized linear models: a statistician's answer from a neuron."""

from probnn.fitting.optimum import ConvergenceWarning
from probnn.fitting.separation import PerfectSeparationError
from probnn.glm.decision import decision_line
from probnn.glm.formula import glm, logit, ols
from probnn.glm.linear import OLS, Logit
from probnn.glm.model import GLM
from probnn.glm.results import Results, load

__all__ = [
    "GLM",
    "OLS",
    "ConvergenceWarning",
    "Logit",
    "PerfectSeparationError",
    "Results",
    "decision_line",
    "glm",
    "load",
    "logit",
    "ols",
]
