"""Posteriors: what data and a prior say together of a model's coefficients."""

from probnn.bayes import priors
from probnn.bayes.before import prior_predictive
from probnn.bayes.files import load
from probnn.bayes.laplace import LaplacePosterior, laplace
from probnn.bayes.network_laplace import NetworkLaplacePosterior
from probnn.bayes.network_posterior import NetworkPosterior
from probnn.bayes.passes import RandomPasses, mc_dropout, variational
from probnn.bayes.posterior import Posterior, SamplingWarning
from probnn.bayes.priors import Priors
from probnn.bayes.sampling import sample
from probnn.bayes.swag import SWAGPosterior, swag

__all__ = [
    "LaplacePosterior",
    "NetworkLaplacePosterior",
    "NetworkPosterior",
    "Posterior",
    "Priors",
    "RandomPasses",
    "SWAGPosterior",
    "SamplingWarning",
    "laplace",
    "load",
    "mc_dropout",
    "prior_predictive",
    "priors",
    "sample",
    "swag",
    "variational",
]
