"""What a prior says of responses, before the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.bayes.posterior import Posterior
from probnn.bayes.priors import Priors
from probnn.bayes.subjects import subject_of

if TYPE_CHECKING:
    from probnn._types import AnyModel, ArrayLike, Rows
    from probnn.predictive import PooledPredictive


def prior_predictive(
    model: AnyModel,
    x: Rows | None = None,
    y: ArrayLike | None = None,
    priors: dict | Priors | None = None,
    draws: int = 200,
    seed: int = 0,
) -> PooledPredictive:
    """Return what a model believes about its rows before it has seen their responses.

    Parameters
    ----------
    model, x, y, priors
        As for `sample`.
    draws : int
        How many coefficients are drawn from the priors.
    seed : int
        That of the draws.

    Returns
    -------
    PooledPredictive
        Of the training rows. Are its quantiles impossible, as a thousand children or a person of
        five metres, the priors are too wide.

    Raises
    ------
    ValueError
        If a prior is improper, or fits no coefficient.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> model = pn.glm.GLM([0, 0, 1, 0, 1, 1], x, family="bernoulli")
    >>> d = pn.bayes.prior_predictive(model, priors={"*": pn.bayes.priors.Normal(0.0, 1.0)})
    >>> d.mean().round(1).tolist()
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    """
    subject = subject_of(model, x, y)
    priors = Priors.of(subject.model, priors)
    coef = priors.draw(np.random.default_rng(seed), draws)
    return Posterior(subject, coef[None], priors, method="prior").predict_distribution(draws=draws)
