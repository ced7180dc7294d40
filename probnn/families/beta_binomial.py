"""The beta-binomial distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.trials import FrozenTrials
from probnn.families._numerics import bernoulli_divergence, log_gamma_excess
from probnn.families._params import Param
from probnn.families.binomial import OfTrials, log_choices, shares
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import ArrayLike, Tensor


@register
class BetaBinomial(OfTrials):
    """The beta-binomial distribution: successes among trials whose probability varies by row.

    Parameters are `probs`, the mean probability of a success, and `precision`: the probability of a
    row is beta distributed with a = probs * precision and b = (1 - probs) * precision (SciPy's
    `betabinom`), and the variance is that of the binomial distribution times (trials + precision) /
    (1 + precision). The binomial distribution is the limit of a large precision. 1 / (1 +
    precision) is the correlation of two trials, rho of R's `VGAM`. The default links are the logit
    and the logarithm.

    Parameters
    ----------
    trials : int, optional
        The number of trials of every row: y is the successes, shape (n,). Without it, y has two
        columns, the successes and the trials of each row, and the mean is the expected proportion.
    link, links
        As for any family.

    Notes
    -----
    With N trials, n the precision, E(a) = log Gamma(a) - a log(a) + a, F(k) = k log(k) - k -
    log(k!), KL the divergence of two Bernoulli distributions, and mu = (a + k) / (n + N), log p(k)
    = E(a + k) - E(a) + E(b + N - k) - E(b) - E(n + N) + E(n) - F(N) + F(k) + F(N - k) - N KL(k / N
    || mu) - n KL(probs || mu), which has no large terms that cancel. The distribution: Skellam
    (1948), doi:10.1111/j.2517-6161.1948.tb00014.x.

    Tails, quantiles and entropy are sums over a row's table of all its counts: trials of up to 1e7.

    Examples
    --------
    >>> import probnn as pn
    >>> family = pn.families.BetaBinomial(trials=4)
    >>> float(family.frozen(probs=0.5, precision=2.0).pmf(1).round(6))
    0.2
    """

    name = "beta_binomial"
    limits: ClassVar[dict] = {"precision": (math.inf, "binomial")}
    parameters = {
        "probs": Param("logit", domains.PROBABILITY),
        "precision": Param("log", domains.NON_NEGATIVE),
    }

    def distribution(self, probs: Tensor, precision: Tensor) -> Any:
        """Return TFP's BetaBinomial, or one of our own if y has the trials; torch has none."""
        if self.trials is None or not hasattr(backend.distributions, "BetaBinomial"):
            return super().distribution(probs=probs, precision=precision)
        return backend.distributions.BetaBinomial(
            0.0 * probs + float(self.trials), probs * precision, (1.0 - probs) * precision
        )

    def frozen(self, probs: Tensor, precision: Tensor, trials: ArrayLike | None = None) -> Any:
        """Return SciPy-like functions, given the trials of each row if the family has none."""
        return FrozenBetaBinomial(self._trials(trials), probs, precision)

    def _log_prob(self, y, probs, precision):
        k, trials = self._split(y)
        return _log_mass(k, trials, probs.log, probs.log_complement, precision.log)

    def _start(self, y):
        k, trials = (np.broadcast_to(v, y.shape[:1]) for v in self._split(y))
        ones, n = float(np.sum(k)), float(np.sum(trials))
        probs = ones / n if 0 < ones < n else (ones + 0.5) / (n + 1.0)
        guess = {"probs": probs, "precision": 10.0}
        if np.ptp(k / trials) == 0.0 or not 0 < ones < n or np.all(trials == 1):
            return guess
        return self._maximised(y, guess)


def _log_mass(k, trials, log_p, log_q, log_n):
    """Return the log-mass, given the logarithms of probs, 1 - probs and the precision."""
    m = backend.math(log_p)
    share, d, other, e = shares(k, trials, log_p, log_q)
    k, trials = share * trials, trials + 0.0 * share
    log_trials = m.log(trials)
    log_s = -m.softplus(log_n - log_trials)  # the weight of the share in mu
    log_r = -m.softplus(log_trials - log_n)  # and that of probs
    found = log_choices(k, trials)
    parts = []
    for count, log_part, gap in ((k, log_p, d), (trials - k, log_q, e)):
        some = count > 0
        log_a = log_n + log_part
        log_count = m.log(m.where(some, count, 0.0 * count + 1.0))
        more = log_gamma_excess(log_a + m.softplus(log_count - log_a)) - log_gamma_excess(log_a)
        found = found + m.where(some, more, 0.0 * more)
        gap = m.where(some, gap, 0.0 * gap)
        of_probs, of_share = _log_mixed(gap, log_s, log_r)
        parts.append((m.where(some, of_probs, log_r), m.where(some, of_share, 0.0 * gap + 1.0)))
    (p_shift, k_shift), (q_shift, rest_shift) = parts
    whole = log_trials + m.softplus(log_n - log_trials)
    found = found - log_gamma_excess(whole) + log_gamma_excess(log_n)
    found = found - trials * bernoulli_divergence(share, k_shift, other, rest_shift)
    divergence = bernoulli_divergence(m.exp(log_p), p_shift, m.exp(log_q), q_shift)
    return found - m.exp(log_n) * divergence


def _log_mixed(gap, log_s, log_r):
    """Return log(r + s exp(gap)) and log(r exp(-gap) + s), where r + s = 1.

    The one that is nearer to 0, if either weight is small, has every digit.
    """
    m = backend.math(gap)
    few = log_s < log_r
    log_small, log_rest = m.where(few, log_s, log_r), m.where(few, log_r, log_s)
    toward = m.where(few, gap, -gap)
    large = log_small + toward
    added = m.where(
        toward > 1.0,
        m.exp(m.minimum(large, 3.0)) - m.exp(log_small),
        m.expm1(m.minimum(toward, 1.0)) * m.exp(log_small),
    )
    direct = large < 2.0
    log_one = m.log1p(m.where(direct, added, 0.0 * added))
    log_one = m.where(direct, log_one, log_rest + m.softplus(large - log_rest))
    return m.where(few, log_one, log_one + gap), m.where(few, log_one - gap, log_one)


class FrozenBetaBinomial(FrozenTrials):
    """Beta-binomial distributions: `scipy.stats.betabinom` loops over rows and counts.

    Parameters
    ----------
    trials, probs, precision : array_like
        The parameters, of one shape or numbers.
    """

    def __init__(self, trials, probs, precision):
        super().__init__(trials, probs=probs, precision=precision)

    def _log_mass(self, k):
        probs, precision = self.params.values()
        with np.errstate(all="ignore"):
            return _log_mass(k, self.trials, np.log(probs), np.log1p(-probs), np.log(precision))

    def _log_ratio(self, k, trials, probs, precision):
        a, b = probs * precision, (1.0 - probs) * precision
        return np.log((trials - k) / (k + 1.0) * ((a + k) / (b + trials - k - 1.0)))

    def var(self):
        """Return the variance."""
        probs, precision = self.params.values()
        over = (self.trials + precision) / (1.0 + precision)
        return self.trials * probs * (1.0 - probs) * over

    def _draw(self, rng, size):
        # Of probabilities, then of counts.
        probs, precision = self.params.values()
        each = rng.beta(probs * precision, (1.0 - probs) * precision, size)
        return rng.binomial(self.trials.astype(np.int64), np.clip(each, 0.0, 1.0), size)
