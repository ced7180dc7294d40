"""Fitted models of every kind, seen as one: `FittedModel`, and `adapt`, which makes it."""

from probnn.fitted.base import FittedModel
from probnn.fitted.dispatch import adapt
from probnn.fitted.estimators import of_contract
from probnn.fitted.fit import Fit
from probnn.fitted.posteriors import fitted_posterior
from probnn.fitted.results import FittedResults
from probnn.fitted.statsmodels_results import FittedStatsmodels
from probnn.glm.results import Results

__all__ = ["Fit", "FittedModel", "adapt"]

adapt.register(object, of_contract)
adapt.register(Results, FittedResults)
adapt.register("probnn.bayes.posterior.Posterior", fitted_posterior)
adapt.register("statsmodels.base.model.Results", FittedStatsmodels)
adapt.register("statsmodels.base.wrapper.ResultsWrapper", FittedStatsmodels)
adapt.register_upon("keras", "probnn.fitted.networks")
