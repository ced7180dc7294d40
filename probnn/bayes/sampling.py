"""Draws of a posterior by the No-U-Turn Sampler."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from probnn.bayes.checked import check_whole
from probnn.bayes.coordinates import coordinates
from probnn.bayes.network_posterior import NetworkPosterior, OfWeights, weight_priors
from probnn.bayes.posterior import Posterior
from probnn.bayes.priors import Priors
from probnn.bayes.subjects import subject_of
from probnn.bayes.weights import NetworkWeights
from probnn.fitting.progress import Progress

if TYPE_CHECKING:
    from probnn._types import AnyModel, ArrayLike, Rows
    from probnn.bayes.weight_priors import WeightPriors


def sample(
    model: AnyModel,
    x: Rows | None = None,
    y: ArrayLike | None = None,
    priors: dict | Priors | WeightPriors | None = None,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    seed: int = 0,
    *,
    sample_weight: ArrayLike | None = None,
    scope: Literal["last", "all"] = "last",
    target_accept: float = 0.8,
    verbose: bool | str = "auto",
) -> Posterior | NetworkPosterior:
    """Draw coefficients from their posterior by the No-U-Turn Sampler.

    Parameters
    ----------
    model : GLM, Results, or keras.Model
        A model of columns, whose every parameter is sampled; or a network that ends in a `Head`
        with units=1.
    x, y, sample_weight : array_like, optional
        The rows, for a network, and what the log-likelihood of each is multiplied by, as in `fit`.
    priors : dict or Priors, optional
        Name or pattern of coefficients -> prior: see `Priors`, which has the defaults. Of all
        weights, of their arrays ("dense*") -> precision or normal prior about 0; by default each
        has a standard normal one, as it is trained: standardise the inputs. Or the priors that
        `laplace(..., scope="all")` found, its `priors`.
    draws, tune, chains : int
        How many draws each chain keeps, how many it learns its steps by, and how many chains.
    seed : int
        That of all chains.
    scope : "last" or "all"
        Of a network, what is drawn: the coefficients of its head, given the layers before it; or
        all trainable weights, up to 5,000, from where it was trained to.
    target_accept : float
        The share of steps that is accepted; more, up to 1, makes smaller steps.
    verbose : bool or "auto"
        Whether to show how many draws are made, those of `tune` too: "auto" after three seconds, if
        somebody watches.

    Returns
    -------
    Posterior or NetworkPosterior
        The second of all weights. Of the draws; on Ctrl-C of those that are there, as many of as
        many chains as make the most.

    Raises
    ------
    ImportError
        Without nutpie: pip install "probnn[bayes]".
    ValueError
        If a prior fits no coefficient, or there is no posterior mode.

    Warns
    -----
    SamplingWarning
        If more than 1 % of the draws diverged, or chains disagree.

    Notes
    -----
    The sampler is that of Hoffman and Gelman (2014), arXiv:1111.4246, in nutpie: Seyboldt et al.,
    https://github.com/pymc-devs/nutpie. It moves in z, coefficients = mode + R z, with R R' the
    inverse of the Hessian at the mode: where the posterior is near to normal, z has independent
    standard normal components, and a draw takes three gradients or so. Of coefficients with a
    `Horseshoe` prior z is the value over the scale, and the scales are drawn with them.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> model = pn.glm.GLM([1, 2, 3, 2, 4, 6], x, family="poisson")
    >>> posterior = pn.bayes.sample(model, draws=500, chains=2)
    >>> posterior.names, posterior.draws.shape
    (['const', 'x1'], (2, 500, 2))
    """
    check_whole(draws=draws, tune=tune, chains=chains)
    check_whole(0, seed=seed)
    if not (np.ndim(target_accept) == 0 and 0.0 < target_accept < 1.0):
        raise ValueError(
            f"Expected target_accept between 0 and 1, as 0.8. Received: {target_accept!r}."
        )
    if scope not in ("last", "all"):
        raise ValueError(f"Expected scope 'last' or 'all'. Received: {scope!r}.")
    nutpie = _nutpie()
    if scope == "all":
        subject = NetworkWeights(model, x, y, sample_weight)
        priors = weight_priors(subject, priors)
        moved, kind = OfWeights(subject, priors), NetworkPosterior
    else:
        subject = subject_of(model, x, y, sample_weight)
        priors = Priors.of(subject.model, priors)
        moved, kind = coordinates(subject.model, priors, subject.start), Posterior
    total, done = int(chains * (tune + draws)), itertools.count(1)
    progress = Progress(verbose, "draw", total)

    def drawn(z):
        if (count := next(done)) % max(1, total // 100) == 0 or count == total:
            progress(count)
        return {"coef": moved.coef(z)}

    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        moved.size,
        lambda: moved.log_density,
        lambda *seeds: drawn,
        [np.dtype("float64")],
        [(len(subject.model.parameter_names),)],
        ["coef"],
        make_initial_point_fn=moved.start,
    )
    with warnings.catch_warnings(), moved.running():
        warnings.filterwarnings("ignore", "More chains")  # ArviZ's word on few draws
        trace = nutpie.sample(
            compiled,
            draws=int(draws),
            tune=int(tune),
            chains=int(chains),
            cores=1,  # gradients in Python would wait for each other's turns
            seed=seed,
            save_warmup=False,
            progress_bar=False,
            target_accept=target_accept,
        )
    coef, stats = _read(trace)
    found = kind(subject, coef, priors, method="nuts", stats=stats)
    found.warn()
    return found


def _read(trace):
    """Return the draws (chains, draws, p) of a trace, and its statistics by name.

    Chains that were cut short end at different draws, and later ones may not have begun: kept are
    as many draws of as many chains as make the most.
    """
    coef = trace.posterior["coef"].to_numpy()
    lengths = np.isfinite(coef).all(axis=2).sum(axis=1)
    shortest = max(lengths, key=lambda length: length * (lengths >= length).sum())
    if shortest == 0:
        raise KeyboardInterrupt("No draws yet: the chains were learning their steps.")
    kept = np.ix_(lengths >= shortest, np.arange(shortest))
    return coef[kept], {name: trace.sample_stats[name].to_numpy()[kept] for name in _STATS}


_STATS = ("diverging", "energy", "n_steps", "step_size")


def _nutpie():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # ArviZ's word on its next version
            import nutpie
            import nutpie.compiled_pyfunc
    except ImportError as error:
        raise ImportError(
            'Expected nutpie, which draws from posteriors: pip install "probnn[bayes]".'
        ) from error
    return nutpie
