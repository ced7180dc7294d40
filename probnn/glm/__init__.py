"""Generalized linear models: a statistician's answer from a neuron."""

from probnn.glm.model import GLM, OLS, ConvergenceWarning, Logit

__all__ = ["GLM", "OLS", "ConvergenceWarning", "Logit"]
