"""The coordinates that the sampler moves in, and the posterior density there."""

import numpy as np

from probnn._parallel import one_blas_thread
from probnn._priors import Flat, Normal
from probnn.bayes.target import Target
from probnn.fitting.curvature import Curvature


def coordinates(model, priors, start=None):
    """Return the coordinates of a model's coefficients, which suit its priors.

    `start` are coefficients (p,) near the mode, where some are known.

    They have a `size`; `log_density(z)`, which returns the value and the gradient, (size,);
    `coef(z)`, the coefficients on the raw scale; `start(seed)`, where a chain begins, or None; and
    `running()`, a context in which chains are run, one after another.
    """
    if priors.mixtures:
        return Mixed(model, priors, start)
    return Whitened(Target(model, priors, start))


def bounded(log_density):
    """Return a log-density that is -inf where arithmetic fails, as far from the mode."""

    def of(z):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, gradient = log_density(z)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return -np.inf, np.zeros(len(z))
        return value, gradient

    return of


class Whitened:
    """Coefficients = mode + R z, with R R' the inverse of the Hessian at the mode."""

    start, running = None, staticmethod(one_blas_thread)

    def __init__(self, target):
        self.target, self.size, self.root = target, target.size, target.root()
        self.log_density = bounded(self._log_density)

    def coef(self, z):
        """Return the coefficients."""
        return self.target.mode + self.root @ z

    def _log_density(self, z):
        value, gradient, _ = self.target(self.coef(z), False)
        return -value, -(self.root.T @ gradient)


class Mixed:
    """Coefficients of scale mixtures of normal priors, with the latent numbers in their scales.

    z has, of a coefficient with such a prior, its value over the scale that the latent numbers
    give; of the others what is left, given those, in the whitened coordinates of a normal prior of
    the widest scale; and then the latent numbers of each mixture. So no coordinate's width depends
    on another's, where the data say little: Betancourt and Girolami (2015), arXiv:1312.0906.
    """

    start, running = None, staticmethod(one_blas_thread)

    def __init__(self, model, priors, start=None):
        self.mixtures, names = priors.mixtures, priors.names
        self.mixed = np.concatenate([at for _, at in self.mixtures])
        wide = {names[j]: Normal(0.0, prior.widest) for prior, at in self.mixtures for j in at}
        near = Target(model, priors.replaced(wide), start)
        self.rest = np.setdiff1d(np.arange(near.size), self.mixed)
        rows = near.hessian[self.rest]
        self.root = Curvature(rows[:, self.rest]).inverse_root()
        self.slope = -self.root @ (self.root.T @ rows[:, self.mixed])
        self.mode, self.likelihood = near.mode, near.likelihood
        self.others = priors.replaced({names[j]: Flat() for j in self.mixed})
        self.size = near.size + sum(prior.latent(len(at)) for prior, at in self.mixtures)
        self.log_density = bounded(self._log_density)

    def _parts(self):
        """Yield of each mixture its prior, where its values lie in z, and its latent numbers."""
        start, stop = 0, len(self.mode)
        for prior, at in self.mixtures:
            values = slice(start, start + len(at))
            latent = slice(stop, stop + prior.latent(len(at)))
            start, stop = values.stop, latent.stop
            yield prior, values, latent

    def _coef(self, z, scale):
        m, coef = len(self.mixed), np.empty(len(self.mode))
        coef[self.mixed] = scale * z[:m]
        moved = self.slope @ (coef[self.mixed] - self.mode[self.mixed])
        coef[self.rest] = self.mode[self.rest] + moved + self.root @ z[m : len(coef)]
        return coef

    def coef(self, z):
        """Return the coefficients."""
        logs = [prior.log_scales(z[at], len(z[values]))[0] for prior, values, at in self._parts()]
        return self._coef(z, np.exp(np.concatenate(logs)))

    def _log_density(self, z):
        m, p, parts = len(self.mixed), len(self.mode), [*self._parts()]
        found = [prior.log_scales(z[at], len(z[values])) for prior, values, at in parts]
        scale = np.exp(np.concatenate([log for log, _ in found]))
        coef = self._coef(z, scale)
        value, gradient, _ = self.likelihood(coef, False)
        more, slope, _ = self.others.whole(coef, False)
        value, gradient = -(value + more), -(gradient + slope)
        by_mixed = scale * (gradient[self.mixed] + self.slope.T @ gradient[self.rest])
        total = np.empty(len(z))
        total[:m], total[m:p] = by_mixed - z[:m], self.root.T @ gradient[self.rest]
        value -= 0.5 * z[:m] @ z[:m]
        for (prior, values, at), (_, jacobian) in zip(parts, found, strict=True):
            log_prob, slope = prior.latent_log_prob(z[at])
            value += log_prob
            total[at] = slope + jacobian.T @ (by_mixed[values] * z[values])
        return value, total
