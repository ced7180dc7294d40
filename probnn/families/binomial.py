"""The binomial distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.trials import FrozenTrials
from probnn.families._numerics import bernoulli_divergence, log_factorial_excess
from probnn.families._params import Param
from probnn.families.base import Family, from_end
from probnn.families.bernoulli import Bernoulli
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import ArrayLike, Floats, Tensor
    from probnn.links import Link


class OfTrials(Family):
    """A family of successes among trials: their number is an option, or a second column of y.

    Parameters
    ----------
    trials : int, optional
        The number of trials of every row.
    link, links
        As for any family.
    """

    discrete = True

    def __init__(
        self,
        trials: ArrayLike | None = None,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if trials is not None and (int(trials) != trials or trials < 1):
            raise ValueError(
                f"Expected `trials` to be a whole number >= 1, or None if y has a second column of "
                f"them. Received: {trials}."
            )
        self.trials = None if trials is None else int(trials)
        if self.trials is None:
            self.y_columns, self.y_meaning, self.given = 2, "successes and trials", ("trials",)
            self.support = domains.TRIALS
        else:
            self.support = domains.whole_numbers(0, self.trials)
        super().__init__(link, links)

    def _split(self, y, trials=None):
        """Return the successes, and the trials: of this family, given, or the second column."""
        trials = self.trials if self.trials is not None else trials
        return (y[..., 0], y[..., 1]) if trials is None else (y, trials)

    def observed_mean(self, y: Any) -> Any:
        """Return the successes; if y has the trials, their proportion."""
        return y if self.trials is not None else y[..., 0] / y[..., 1]

    def conditioned(self, y: Any) -> tuple[Any, dict[str, Any]]:
        """Return y as the numbers that are random, and what the rest gives."""
        return y[..., 0], {"trials": y[..., 1]}

    def check_seen(self, y: Any, trials: ArrayLike | None = None) -> None:
        """Raise ValueError if successes are impossible, among the trials that are given."""
        self.check(y if self.trials is not None else np.stack([y, self._trials(trials)], axis=-1))

    def _trials(self, trials):
        """Return how many there are in each row, or raise."""
        trials = self.trials if trials is None else trials
        if trials is None:
            raise ValueError(
                f"Expected the number of trials of each row, for the {self.name} family was made "
                "without `trials`. Received: none. Give them with the parameters: "
                "pn.Predictive(family, {**params, 'trials': ...})."
            )
        return trials

    def log_density(self, y: Any, trials: ArrayLike | None = None, **params: Any) -> Floats:
        """Return the log-mass of successes given natural parameters and trials, in NumPy."""
        found = self.frozen(trials=trials, **params).logpmf(y)
        lost = np.isnan(found) & ~np.isnan(np.asarray(y, dtype="float64"))
        if lost.any():  # 0 * infinity, where a parameter is at the end of its domain
            inner = {name: from_end(np.asarray(v), self.params[name]) for name, v in params.items()}
            found = np.where(lost, self.frozen(trials=trials, **inner).logpmf(y), found)
        return found

    def mean(self, trials: ArrayLike | None = None, **params: Any) -> Any:
        """Return the expected successes; if the trials are unknown, their expected proportion."""
        trials, probs = self.trials if trials is None else trials, params["probs"]
        return probs if trials is None else probs * trials

    def _crps(self, y, trials=None, **params):
        k, trials = self._split(y, trials)
        return self.frozen(trials=trials, **params).crps(k)

    def _support_hint(self):
        if self.trials is None:
            return "Give y two columns, the successes and the trials of each row."
        return f"Count the successes among {self.trials} trials, or change `trials`."


def shares(k, trials, log_p, log_q):
    """Return the share of successes k / trials, and its logarithm less log_p; of failures as well.

    Where the count is 0, the difference of the logarithms is -1.
    """
    m = backend.math(log_p)
    k = k + 0.0 * log_p
    rest = trials - k
    share, other = k / trials, rest / trials
    few = k < rest
    # The logarithm of the larger share by that of the smaller: near 1 it has every digit.
    small = m.where(few, share, other)
    log_small = m.log(m.where(small > 0, small, 0.0 * small + 1.0))
    log_large = m.log1p(-small)
    none = 0.0 * share - 1.0
    d = m.where(k > 0, m.where(few, log_small, log_large) - log_p, none)
    e = m.where(rest > 0, m.where(few, log_large, log_small) - log_q, none)
    return share, d, other, e


def binomial_log_mass(k, trials, log_p, log_q):
    """Return the log-mass, given the logarithms of the probabilities of success and failure."""
    share, d, other, e = shares(k, trials, log_p, log_q)
    return log_choices(k, trials) - trials * bernoulli_divergence(share, -d, other, -e)


def log_choices(k, trials):
    """Return the logarithm of the number of choices, less trials times the entropy of the share."""
    trials = trials + 0.0 * k
    return log_factorial_excess(k) + log_factorial_excess(trials - k) - log_factorial_excess(trials)


@register
class Binomial(OfTrials):
    """The binomial distribution of successes among independent trials: logistic regression.

    The parameter is `probs`, the probability of a success. The default link is the logit; probit,
    cloglog, loglog and cauchit give the other regressions. R's `glm` takes the same two columns,
    but failures instead of trials.

    Parameters
    ----------
    trials : int, optional
        The number of trials of every row: y is the successes, shape (n,). Without it, y has two
        columns, the successes and the trials of each row, and the mean is the expected proportion.
    link, links
        As for any family.

    Notes
    -----
    With N trials, KL the divergence of two Bernoulli distributions and F(k) = k log(k) - k -
    log(k!), log p(k) = -N KL(k / N || probs) - F(N) + F(k) + F(N - k), which has no large terms
    that cancel: Loader (2000), "Fast and accurate computation of binomial probabilities". CRPS:
    Jordan, Krueger and Lerch (2019), doi:10.18637/jss.v090.i12; its last term as an integral.

    Examples
    --------
    >>> import probnn as pn
    >>> round(float(pn.families.Binomial(trials=4).frozen(probs=0.5).pmf(2)), 6)
    0.375
    """

    name = "binomial"
    canonical_link = "logit"
    overdispersed = "beta_binomial"
    parameters = {"probs": Param("logit", domains.PROBABILITY)}

    def distribution(self, probs: Tensor) -> Any:
        """Return the backend's Binomial, or one of our own if y has the trials."""
        if self.trials is None:
            return super().distribution(probs=probs)
        trials = 0.0 * probs + float(self.trials)
        return backend.distributions.Binomial(trials, probs=probs)

    def frozen(self, probs: Tensor, trials: ArrayLike | None = None) -> Any:
        """Return SciPy-like functions, given the trials of each row if the family has none."""
        return FrozenBinomial(self._trials(trials), probs)

    def per_trial(self) -> Family | None:
        """Return the Bernoulli family of each trial."""
        return Bernoulli(links={"probs": self.links["probs"]})

    def _log_prob(self, y, probs):
        k, trials = self._split(y)
        return binomial_log_mass(k, trials, probs.log, probs.log_complement)

    def _start(self, y):
        k, trials = self._split(y)
        ones, n = float(np.sum(k)), float(np.sum(trials + 0.0 * k))
        # Half a success and half a failure more keep the log-odds finite when all trials agree.
        return {"probs": ones / n if 0 < ones < n else (ones + 0.5) / (n + 1.0)}


class FrozenBinomial(FrozenTrials):
    """Binomial distributions, many of whose methods are those of `scipy.stats.binom`.

    Parameters
    ----------
    trials, probs : array_like
        The parameters, of one shape or numbers.
    """

    def __init__(self, trials, probs):
        from scipy import stats

        super().__init__(trials, probs=probs)
        self._scipy = stats.binom(self.trials, self.params["probs"])

    def _log_mass(self, k):
        probs = self.params["probs"]
        with np.errstate(all="ignore"):
            return binomial_log_mass(k, self.trials, np.log(probs), np.log1p(-probs))

    def _log_ratio(self, k, trials, probs):
        return np.log((trials - k) / (k + 1.0)) + (np.log(probs) - np.log1p(-probs))

    def _window(self):
        ends = self._scipy.ppf(1e-20), self._scipy.isf(1e-20)
        return np.maximum(ends[0], 0.0), ends[1]

    def cdf(self, k):
        """Return P(Y <= k)."""
        return self._scipy.cdf(k)

    def sf(self, k):
        """Return P(Y > k)."""
        return self._scipy.sf(k)

    def _search(self, rows, level, upper):
        scipys = self._of_rows(rows)._scipy
        return scipys.isf(level) if upper else np.maximum(scipys.ppf(level), 0.0)

    def _draw(self, rng, size):
        return rng.binomial(self.trials.astype(np.int64), self.params["probs"], size)

    def var(self):
        """Return the variance."""
        probs = self.params["probs"]
        return self.trials * probs * (1.0 - probs)

    def crps(self, y):
        """Return the CRPS: E|Y - y| less half of E|Y - Y'|."""
        n, p = self.trials, self.params["probs"]
        mean, variance = n * p, self.var()
        mad = (y - mean) * (2.0 * self.cdf(y) - 1.0) + 2.0 * p * (n - y) * self.pmf(y)
        # E|Y - Y'| by Fourier's series of |t|, integrated by parts. The trapezoidal rule is exact
        # for few trials; for many, the integrand is a bell.
        power = np.maximum(n - 1.0, 0.0)
        spread = 4.0 * p * (1.0 - p)
        width = 1.0 / np.sqrt(np.maximum(2.0 * power * spread, 1e-300))
        step = np.minimum(np.pi / 48.0, 0.7 * width)
        total = 0.5 * np.ones(self.shape)
        for j in range(1, 24):
            square = np.sin(j * step) ** 2
            total = total + (1.0 - square) * np.exp(power * np.log1p(-spread * square))
        score = mad - 4.0 * variance / np.pi * step * total
        rest = variance < 1e-3  # where both terms are nearly equal
        if np.any(rest):
            y, n, p, rest = np.broadcast_arrays(y, n, p, rest)
            score = np.array(np.broadcast_to(score, y.shape))
            score[rest] = FrozenTrials.crps(FrozenBinomial(n[rest], p[rest]), y[rest])
        return score[()]
