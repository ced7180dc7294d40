"""Predictive distributions of rows, from their parameters."""

import numpy as np

import probnn as pn


def normal(loc, scale=1.0):
    return pn.Predictive("normal", {"loc": np.asarray(loc, dtype=float), "scale": scale})


def bernoulli(probs):
    return pn.Predictive("bernoulli", {"probs": probs})


def categorical(probs):
    return pn.Predictive(pn.families.Categorical(len(probs[0])), {"probs": probs})
