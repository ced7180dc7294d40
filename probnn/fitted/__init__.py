"""Fitted models of every kind, seen as one: `FittedModel`, and `adapt`, which makes it."""

import keras

from probnn.fitted.base import FittedModel
from probnn.fitted.dispatch import adapt
from probnn.fitted.estimators import of_contract
from probnn.fitted.fit import Fit
from probnn.fitted.networks import FittedEnsemble, FittedNetwork
from probnn.fitted.results import FittedResults
from probnn.fitted.statsmodels_results import FittedStatsmodels
from probnn.glm.results import Results
from probnn.training.ensemble import DeepEnsemble

__all__ = ["Fit", "FittedModel", "adapt"]

adapt.register(object, of_contract)
adapt.register(keras.Model, FittedNetwork)
adapt.register(DeepEnsemble, FittedEnsemble)
adapt.register(Results, FittedResults)
adapt.register("statsmodels.base.model.Results", FittedStatsmodels)
adapt.register("statsmodels.base.wrapper.ResultsWrapper", FittedStatsmodels)
