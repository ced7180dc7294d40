"""A posterior as draws of coefficients: what they say of the coefficients, and of new rows."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from probnn.bayes.chains import arviz, counted
from probnn.bayes.checked import check_level, check_whole
from probnn.bayes.summary import PosteriorSummary
from probnn.glm.results import rows
from probnn.predictive import PooledPredictive, Predictive

if TYPE_CHECKING:
    import os

    import pandas as pd

    from probnn._types import Floats, Rows
    from probnn.bayes.priors import Priors

_MEMBERS = 200  # draws that predictive distributions mix


class SamplingWarning(UserWarning):
    """The draws are no fair sample of the posterior."""


class Posterior:
    """Draws of a model's coefficients from their posterior distribution.

    Attributes
    ----------
    names : list of str
        Those of the coefficients.
    coef : numpy.ndarray, shape (chains, draws, p)
        The draws on the raw scale.
    draws : numpy.ndarray, shape (chains, draws, p)
        The draws; constant parameters, as a dispersion, in natural units.
    subject : object
        What it is of, with `model` and `rows(exog)`.
    priors : Priors
        What was known before.
    method : str
        "nuts" or "laplace".
    stats : dict
        Name -> array (chains, draws), of a sampler: `diverging`, `energy`, `n_steps`, `step_size`.
    """

    def __init__(
        self,
        subject: Any,
        coef: Floats,
        priors: Priors,
        *,
        method: str,
        stats: dict[str, Any] | None = None,
    ) -> None:
        self.subject, self.model, self.family = subject, subject.model, subject.model.family
        self.names = list(self.model.parameter_names)
        self.coef, self.priors, self.method = coef, priors, method
        self.stats = {} if stats is None else stats

    # ---- coefficients -----------------------------------------------------------------------

    @cached_property
    def draws(self) -> Floats:
        """The draws (chains, draws, p), constants in natural units."""
        found = self.coef.copy()
        for j, name in self.model.natural.items():
            found[..., j] = self.family.links[name].inverse(found[..., j])
        return found

    @property
    def _flat(self):
        return self.coef.reshape(-1, self.coef.shape[-1])

    @property
    def mean(self) -> Floats:
        """The posterior means, (p,)."""
        return self.draws.mean(axis=(0, 1))

    @property
    def sd(self) -> Floats:
        """The posterior standard deviations, (p,)."""
        return self.draws.std(axis=(0, 1), ddof=1)

    def covariance(self) -> Floats:
        """Return the posterior covariance, (p, p)."""
        return np.cov(self.draws.reshape(-1, len(self.names)), rowvar=False).reshape(
            len(self.names), -1
        )

    def interval(self, level: float = 0.95) -> Floats:
        """Return central intervals of the coefficients, (p, 2)."""
        check_level(level)
        ends = [0.5 - level / 2.0, 0.5 + level / 2.0]
        return np.quantile(self.draws, ends, axis=(0, 1)).T

    def summary(self, level: float = 0.95) -> PosteriorSummary:
        """Return a table of the coefficients, with the priors and whether draws can be trusted.

        Parameters
        ----------
        level : float
            Of the central intervals.

        Returns
        -------
        PosteriorSummary
            Its `table` is a frame.
        """
        check_level(level)
        return PosteriorSummary(self, level)

    def how(self) -> str:
        """Return in words how the posterior was found."""
        chains, draws, _ = self.coef.shape
        return f"{chains} chains of {draws} draws by the No-U-Turn Sampler"

    def to_frame(self) -> pd.DataFrame:
        """Return a frame, a row a draw: columns `chain`, `draw`, and one of each coefficient."""
        import pandas as pd

        chains, draws, _ = self.coef.shape
        index = pd.MultiIndex.from_product([range(chains), range(draws)], names=["chain", "draw"])
        flat = self.draws.reshape(-1, len(self.names))
        return pd.DataFrame(flat, index=index, columns=self.names).reset_index()

    # ---- rows -------------------------------------------------------------------------------

    def _raw(self, exog, count, kwargs):
        """Return raw values (m, n, size) of rows at some draws, and their labels."""
        data, labels = self.subject.rows(exog, **kwargs)
        likelihood = data.likelihood(self.family, self.model.known)
        return np.stack([likelihood.raw(coef) for coef in self._some(count)]), labels

    def _some(self, count):
        """Return so many draws (m, p), spread over all."""
        check_whole(draws=count)
        flat = self._flat
        return flat[np.unique(np.linspace(0, len(flat) - 1, min(count, len(flat))).astype(int))]

    def predict_distribution(
        self, exog: Rows | None = None, *, draws: int = _MEMBERS, **kwargs: Any
    ) -> PooledPredictive:
        """Return the posterior predictive distribution of rows.

        Parameters
        ----------
        exog : array_like or frame, optional
            New rows, as the model takes them; by default the training rows.
        draws : int
            How many draws, spread over all, are mixed.
        **kwargs
            `offset`, `exposure`, `designs`: as for the model.

        Returns
        -------
        PooledPredictive
            Its `epistemic_variance()` is what more data would take away.
        """
        raw, labels = self._raw(exog, draws, kwargs)
        members = [
            Predictive(self.family, self.family.to_params(each), classes=self.model.classes)
            for each in raw
        ]
        return PooledPredictive([member.labelled(labels) for member in members])

    def mean_interval(
        self, exog: Rows | None = None, level: float = 0.95, *, draws: int = 1000, **kwargs: Any
    ) -> tuple[Floats, Floats]:
        """Return the lower and upper ends of central intervals of the rows' means, each (n,)."""
        check_level(level)
        raw, _ = self._raw(exog, draws, kwargs)
        means = np.stack([rows.means(self.family, each) for each in raw])
        low, high = np.quantile(means, [0.5 - level / 2.0, 0.5 + level / 2.0], axis=0)
        return low, high

    def aleatoric_variance(self, exog: Rows | None = None, **kwargs: Any) -> Floats:
        """Return the variance of rows that more data would not make smaller, (n,)."""
        return self.predict_distribution(exog, **kwargs).aleatoric_variance()

    def epistemic_variance(self, exog: Rows | None = None, **kwargs: Any) -> Floats:
        """Return the variance of the rows' means under the posterior, (n,)."""
        return self.predict_distribution(exog, **kwargs).epistemic_variance()

    def log_likelihood(self) -> Floats:
        """Return the log-likelihood of each training row at each draw, (chains, draws, n)."""
        data = self._observed
        found = [rows.log_likelihood(self.family, data, raw) for raw in self._raw_at(self._flat)]
        return np.stack(found).reshape(*self.coef.shape[:2], -1)

    @property
    def _observed(self):
        """The `Observations` of the training rows."""
        return self.model.data.whole().used

    def _raw_at(self, coef):
        """Return or yield raw values (n, size) of the training rows, at each of coef (m, p)."""
        return map(self._observed.likelihood(self.family, self.model.known).raw, coef)

    # ---- convergence ------------------------------------------------------------------------

    @cached_property
    def _watched(self):
        """What chains are compared in: names, and draws (chains, draws, numbers)."""
        return self.names, self.draws

    @cached_property
    def r_hat(self) -> Floats:
        """The rank-normalised split R-hat of each coefficient, (p,): Vehtari et al. (2021)."""
        return self._by_arviz("rhat")

    @cached_property
    def ess_bulk(self) -> Floats:
        """The effective number of draws for the center of each coefficient, (p,)."""
        return self._by_arviz("ess", method="bulk")

    @cached_property
    def ess_tail(self) -> Floats:
        """The effective number of draws for the tails of each coefficient, (p,)."""
        return self._by_arviz("ess", method="tail")

    def _by_arviz(self, name, **kwargs):
        function = getattr(arviz(), name)
        each = [function(values, **kwargs) for values in np.moveaxis(self._watched[1], -1, 0)]
        return np.array(each, dtype="float64")

    def convergence(self) -> dict[str, Floats]:
        """Return `r_hat`, `ess_bulk` and `ess_tail` by name."""
        some = ("r_hat",) * (self.coef.shape[0] > 1)
        return {name: getattr(self, name) for name in (*some, "ess_bulk", "ess_tail")}

    @property
    def divergences(self) -> int:
        """How many draws followed a trajectory that diverged."""
        return int(self.stats["diverging"].sum()) if "diverging" in self.stats else 0

    def problems(self) -> list[str]:
        """Return, in words with the remedy, what is wrong with the draws; [] if nothing."""
        found, count = [], self.coef[..., 0].size
        if self.divergences > 0.01 * count:
            found.append(
                f"{self.divergences} of {count} draws diverged: parts of the posterior are not "
                "reached. Raise target_accept to 0.95, or give narrower priors."
            )
        if self.coef.shape[1] < 4:
            return found
        names = self._watched[0]
        if self.coef.shape[0] > 1:  # one chain has none to disagree with
            worst = int(np.argmax(self.r_hat))
            if self.r_hat[worst] > 1.01:
                found.append(
                    f"Chains disagree on {names[worst]!r}: R-hat {self.r_hat[worst]:.3f}, "
                    "above 1.01. Raise tune and draws, or give narrower priors."
                )
        low = int(np.argmin(self.ess_bulk))
        if self.ess_bulk[low] < 100 * self.coef.shape[0]:
            found.append(
                f"{names[low]!r} has {self.ess_bulk[low]:.0f} effective draws, below 100 a "
                "chain. Raise draws."
            )
        energy = self.stats["energy"]
        e_bfmi = np.square(np.diff(energy)).mean(axis=1) / np.var(energy, axis=1)
        if e_bfmi.min() < 0.3:
            found.append(
                f"The energy of a chain moves slowly: E-BFMI {e_bfmi.min():.2f}, below 0.3. Tails "
                "may be missed: raise tune, or give priors of lighter tails."
            )
        return found

    def warn(self) -> None:
        """Warn of what is wrong with the draws."""
        for problem in self.problems():
            warnings.warn(problem, SamplingWarning, stacklevel=3)

    # ---- other libraries --------------------------------------------------------------------

    def to_arviz(self, *, draws: int | None = None, seed: int = 0) -> Any:
        """Return ArviZ's data of the posterior, for its plots and tests.

        Parameters
        ----------
        draws : int, optional
            How many draws of each chain `posterior_predictive` has; by default all.
        seed : int
            That of the new responses.

        Returns
        -------
        arviz.InferenceData
            With the groups `posterior`, a variable for each coefficient, `log_likelihood` and
            `observed_data` of `y`, `posterior_predictive`, and `sample_stats`. A row stands there
            as often as its frequency weight says.

        Warns
        -----
        UserWarning
            If a frequency weight is no whole number: each row stands there once.
        """
        check_whole(0, seed=seed)
        if draws is not None:
            check_whole(draws=draws)
        each, often = self.log_likelihood(), self._often()
        return arviz().from_dict(
            posterior=dict(zip(self.names, np.moveaxis(self.draws, -1, 0), strict=True)),
            log_likelihood={"y": each[..., often]},
            posterior_predictive={"y": self._new_responses(draws, seed, often)},
            observed_data={"y": self._observed.y[often]},
            sample_stats=self.stats or None,
        )

    def _often(self):
        """Return an index of the training rows, each as often as it counts."""
        weights = self._observed.freq_weights
        if weights is None:
            return slice(None)
        if np.any(weights % 1):
            warnings.warn(
                "Expected freq_weights of whole numbers, for ArviZ, where rows stand as often as "
                "they count. Received fractions: each row stands there once. loo() weighs them.",
                stacklevel=3,
            )
            return slice(None)
        return np.repeat(np.arange(len(weights)), weights.astype("int64"))

    def _new_responses(self, draws, seed, often):
        """Return a response of each training row at each draw, (chains, draws, n, ...)."""
        rng, found, trials = np.random.default_rng(seed), [], self._observed.trials
        coef = self.coef if draws is None else self.coef[:, :draws]
        for raw in self._raw_at(coef.reshape(-1, coef.shape[-1])):
            d = Predictive(self.family, self.family.to_params(raw[often]))
            if trials is None:
                found.append(d.sample(1, rng)[0])
            else:  # shares of successes, as y
                found.append(rng.binomial(trials[often].astype(int), d.mean()) / trials[often])
        return np.reshape(found, (*coef.shape[:2], *found[0].shape))

    def loo(self) -> Any:
        """Return the expected log-score of new rows, by leave-one-out: ArviZ's `ELPDData`.

        Pareto-smoothed importance sampling: Vehtari, Gelman and Gabry (2017),
        doi:10.1007/s11222-016-9696-4. Where a row's `pareto_k` is above 0.7, it is too influential
        for that, and ArviZ warns.
        """
        chains = self.log_likelihood()
        az = arviz()
        posterior = dict(zip(self.names, np.moveaxis(self.draws, -1, 0), strict=True))
        data = az.from_dict(posterior=posterior, log_likelihood={"y": chains})
        found, weights = az.loo(data, pointwise=True), self._observed.freq_weights
        return found if weights is None else counted(found, chains, np.asarray(weights))

    # ---- files ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> None:
        """Save the posterior to a file, without the rows of the training data.

        Parameters
        ----------
        path : str or path-like
            Where; `probnn.bayes.load` reads it, that of a network's head with the network, which
            has a file of its own. An earlier file is replaced at the end.

        Raises
        ------
        ValueError
            Before anything is written, of all weights of a network, or as `Results.save`.
        """
        from probnn.bayes.files import save

        save(self, path)

    def state(self) -> dict[str, Any]:
        """Return name -> what more a file holds than draws and priors."""
        return {}

    @classmethod
    def restored(
        cls, subject: Any, coef: Floats, priors: Priors, state: dict[str, Any], **kwargs: Any
    ) -> Posterior:
        """Return a posterior of what a file holds; `state` is as of the method of that name."""
        del state
        return cls(subject, coef, priors, **kwargs)

    def __repr__(self):
        chains, draws, p = self.coef.shape
        return (
            f"<Posterior {self.family.label}, {self.method}: {chains} x {draws} draws of {p} "
            "coefficients>"
        )
