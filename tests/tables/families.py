"""The tables that the tests read. A new family needs one row in FAMILIES, and gets every test."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import mpmath
import numpy as np
import pytest
import scoringrules as sr
from scipy import special, stats

import probnn as pn
from tables.references import (
    Transformed,
    angle_variance,
    bernstein,
    beta_binomial_crps,
    beta_binomial_log_prob,
    bivariate_log_prob,
    categorical_log_prob,
    censored_log_prob,
    circular_crps,
    hurdle_log_prob,
    hurdle_moments,
    inflated_log_prob,
    integrated_crps,
    ordinal_complements,
    ordinal_probs,
    poisson_mixture_crps,
    rational,
    rounded_log_prob,
    rounded_moments,
    summed_crps,
    truncated_moments,
    tweedie_crps,
    tweedie_log_prob,
)


@dataclass(frozen=True)
class FamilyCase:
    """What is known about a family from elsewhere.

    Parameters
    ----------
    name
        The name in `probnn.families.FAMILIES`.
    family
        The family, made as a user would.
    params
        Name -> values, one for each of a few rows.
    y
        Responses to score against every row.
    outside
        Values that are no possible response.
    mean, variance
        Textbook formulas of the parameters.
    log_prob
        SciPy's log-density in its own parametrisation, from y and the parameters.
    crps
        scoringrules' closed form, or another way to it, from y and the parameters; of families of
        several columns None.
    """

    name: str
    family: pn.families.Family
    params: dict
    y: list
    outside: list
    mean: Callable
    variance: Callable | None
    log_prob: Callable
    crps: Callable | None = None

    def arrays(self):
        """Return the parameters as float64 arrays, a row each."""
        return {k: np.asarray(v, dtype="float64") for k, v in self.params.items()}

    def grid(self):
        """Return parameters and y with every row against every y."""
        y = np.asarray(self.y, dtype="float64")
        n = len(next(iter(self.params.values())))
        params = {k: np.repeat(v, len(y), axis=0) for k, v in self.arrays().items()}
        return params, np.concatenate([y] * n)


COLR = Transformed(stats.logistic, bernstein(-1.0, 4.0))
NSF = Transformed(stats.norm, rational(3.0))
COXPH = Transformed(stats.gumbel_l, bernstein(0.0, 10.0))

FAMILIES = [
    FamilyCase(
        name="normal",
        family=pn.families.Normal(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: scale**2,
        log_prob=lambda y, loc, scale: stats.norm.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: sr.crps_normal(y, loc, scale),
    ),
    FamilyCase(
        name="bernoulli",
        family=pn.families.Bernoulli(),
        params={"probs": [0.5, 1e-9, 0.999, 0.3]},
        y=[0.0, 1.0],
        outside=[2.0, -1.0, 0.5, np.nan],
        mean=lambda probs: probs,
        variance=lambda probs: probs * (1 - probs),
        log_prob=lambda y, probs: stats.bernoulli.logpmf(y, probs),
        crps=lambda y, probs: sr.brier_score(y, probs),
    ),
    FamilyCase(
        name="categorical",
        family=pn.families.Categorical(classes=3),
        params={"probs": [[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [1e-7, 0.5, 0.4999999]]},
        y=[0.0, 1.0, 2.0],
        outside=[3.0, -1.0, 0.5, np.nan],
        mean=lambda probs: probs,
        variance=lambda probs: probs * (1 - probs),
        log_prob=categorical_log_prob,
        crps=lambda y, probs: sr.rps_score(y.astype(int) + 1, probs),
    ),
    FamilyCase(
        name="poisson",
        family=pn.families.Poisson(),
        params={"rate": [1.0, 0.01, 7.3, 150.0]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate: rate,
        variance=lambda rate: rate,
        log_prob=lambda y, rate: stats.poisson.logpmf(y, rate),
        crps=lambda y, rate: sr.crps_poisson(y, rate),
    ),
    FamilyCase(
        name="negative_binomial",
        family=pn.families.NegativeBinomial(),
        params={"mean": [1.0, 0.1, 7.3, 150.0, 20.0], "dispersion": [0.5, 3.0, 0.01, 0.2, 0.125]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda mean, dispersion: mean,
        variance=lambda mean, dispersion: mean + dispersion * mean**2,
        log_prob=lambda y, mean, dispersion: stats.nbinom.logpmf(
            y, 1 / dispersion, 1 / (1 + dispersion * mean)
        ),
        crps=lambda y, mean, dispersion: sr.crps_negbinom(
            y, 1 / dispersion, 1 / (1 + dispersion * mean)
        ),
    ),
    FamilyCase(
        name="gamma",
        family=pn.families.Gamma(),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.4, 30.0, 4.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean, shape: mean,
        variance=lambda mean, shape: mean**2 / shape,
        log_prob=lambda y, mean, shape: stats.gamma.logpdf(y, shape, scale=mean / shape),
        crps=lambda y, mean, shape: sr.crps_gamma(y, shape, shape / mean),
    ),
    FamilyCase(
        name="mixture",
        family=pn.families.Mixture("normal", components=3),
        params={
            "loc": [[-2.0, 0.0, 3.0], [100.0, 0.0, 0.5], [1.0, 1.0, 1.0]],
            "scale": [[0.5, 1.0, 0.2], [30.0, 1.0, 0.01], [1.0, 3.0, 0.3]],
            "weights": [[0.2, 0.3, 0.5], [0.3, 0.699, 0.001], [1 / 3, 1 / 3, 1 / 3]],
        },
        y=[0.0, -2.1, 2.9, 70.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale, weights: (weights * loc).sum(axis=-1),
        variance=lambda loc, scale, weights: (
            (weights * (loc**2 + scale**2)).sum(axis=-1) - (weights * loc).sum(axis=-1) ** 2
        ),
        log_prob=lambda y, loc, scale, weights: special.logsumexp(
            stats.norm.logpdf(y[:, None], loc, scale), axis=-1, b=weights
        ),
        crps=lambda y, loc, scale, weights: sr.crps_mixnorm(y, loc, scale, weights),
    ),
    FamilyCase(
        name="mixture",
        family=pn.families.Mixture("poisson", components=2),
        params={
            "rate": [[1.0, 6.0], [0.01, 150.0], [4.0, 4.0]],
            "weights": [[0.4, 0.6], [0.9, 0.1], [0.5, 0.5]],
        },
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate, weights: (weights * rate).sum(axis=-1),
        variance=lambda rate, weights: (
            (weights * (rate + rate**2)).sum(axis=-1) - (weights * rate).sum(axis=-1) ** 2
        ),
        log_prob=lambda y, rate, weights: special.logsumexp(
            stats.poisson.logpmf(y[:, None], rate), axis=-1, b=weights
        ),
        crps=poisson_mixture_crps,
    ),
    FamilyCase(
        name="logistic",
        family=pn.families.Logistic(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: (np.pi * scale) ** 2 / 3,
        log_prob=lambda y, loc, scale: stats.logistic.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: sr.crps_logistic(y, loc, scale),
    ),
    FamilyCase(
        name="weibull",
        family=pn.families.Weibull(),
        params={"scale": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.7, 3.0, 5.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda scale, shape: scale * special.gamma(1 + 1 / shape),
        variance=lambda scale, shape: (
            scale**2 * (special.gamma(1 + 2 / shape) - special.gamma(1 + 1 / shape) ** 2)
        ),
        log_prob=lambda y, scale, shape: stats.weibull_min.logpdf(y, shape, scale=scale),
        crps=lambda y, scale, shape: integrated_crps(stats.weibull_min(shape, scale=scale), y),
    ),
    FamilyCase(
        name="zero_inflated",
        family=pn.families.ZeroInflated("poisson"),
        params={"rate": [1.0, 0.01, 7.3, 150.0], "inflation": [0.2, 0.9, 1e-7, 0.5]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate, inflation: (1 - inflation) * rate,
        variance=lambda rate, inflation: (1 - inflation) * rate * (1 + inflation * rate),
        log_prob=inflated_log_prob,
        crps=lambda y, rate, inflation: summed_crps(
            lambda k: inflation + (1 - inflation) * stats.poisson.cdf(k, rate), y
        ),
    ),
    FamilyCase(
        name="hurdle",
        family=pn.families.Hurdle("negative_binomial"),
        params={
            "mean": [2.0, 0.1, 7.3, 50.0],
            "dispersion": [0.5, 3.0, 0.01, 0.2],
            "zero_probs": [0.3, 0.99, 1e-7, 0.5],
        },
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda **params: hurdle_moments(**params)[0],
        variance=lambda **params: hurdle_moments(**params)[1],
        log_prob=hurdle_log_prob,
        crps=lambda y, **params: summed_crps(
            lambda k: np.cumsum(np.exp(hurdle_log_prob(k, **params)), axis=0), y
        ),
    ),
    FamilyCase(
        name="discretized",
        family=pn.families.Discretized("logistic", low=0, high=255),
        params={"loc": [100.0, 3.0, 260.0, 128.0], "scale": [10.0, 0.5, 4.0, 500.0]},
        y=[100.0, 0.0, 3.0, 255.0],
        outside=[-1.0, 256.0, 1.5, np.nan],
        mean=lambda loc, scale: rounded_moments(loc, scale)[0],
        variance=lambda loc, scale: rounded_moments(loc, scale)[1],
        log_prob=rounded_log_prob,
        crps=lambda y, loc, scale: summed_crps(
            lambda k: np.where(k < 255, stats.logistic.cdf(k + 0.5, loc, scale), 1.0), y, high=255
        ),
    ),
    FamilyCase(
        name="von_mises",
        family=pn.families.VonMises(),
        params={"loc": [0.0, 0.5, -0.4, 1.0], "concentration": [1.0, 0.05, 30.5, 400.0]},
        y=[0.0, -1.2, 0.45, 2.5],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, concentration: loc,
        variance=angle_variance,
        log_prob=lambda y, loc, concentration: stats.vonmises.logpdf(y, concentration, loc),
        crps=circular_crps,
    ),
    FamilyCase(
        name="laplace",
        family=pn.families.Laplace(),
        params={"loc": [0.1, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: 2 * scale**2,
        log_prob=lambda y, loc, scale: -abs(y - loc) / scale - np.log(2 * scale),
        crps=lambda y, loc, scale: sr.crps_laplace(y, loc, scale),
    ),
    FamilyCase(
        name="gumbel",
        family=pn.families.Gumbel(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc + np.euler_gamma * scale,
        variance=lambda loc, scale: (np.pi * scale) ** 2 / 6,
        log_prob=lambda y, loc, scale: stats.gumbel_r.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: integrated_crps(pn.families.Gumbel().frozen(loc, scale), y),
    ),
    FamilyCase(
        name="log_normal",
        family=pn.families.LogNormal(),
        params={"loc": [0.0, -3.0, 5.0, 0.7], "scale": [1.0, 0.3, 0.05, 1.7]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda loc, scale: np.exp(loc + scale**2 / 2),
        variance=lambda loc, scale: np.expm1(scale**2) * np.exp(2 * loc + scale**2),
        log_prob=lambda y, loc, scale: stats.lognorm.logpdf(y, scale, scale=np.exp(loc)),
        crps=lambda y, loc, scale: sr.crps_lognormal(y, loc, scale),
    ),
    FamilyCase(
        name="log_logistic",
        family=pn.families.LogLogistic(),
        params={"scale": [1.0, 0.05, 300.0, 2.0], "shape": [2.5, 3.7, 30.0, 5.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda scale, shape: scale * (np.pi / shape) / np.sin(np.pi / shape),
        variance=lambda scale, shape: (
            scale**2
            * (
                (2 * np.pi / shape) / np.sin(2 * np.pi / shape)
                - (np.pi / shape) ** 2 / np.sin(np.pi / shape) ** 2
            )
        ),
        log_prob=lambda y, scale, shape: (
            stats.logistic.logpdf(np.log(y), np.log(scale), 1 / shape) - np.log(y)
        ),
        crps=lambda y, scale, shape: sr.crps_loglogistic(y, np.log(scale), 1 / shape),
    ),
    FamilyCase(
        name="exponential",
        family=pn.families.Exponential(),
        params={"mean": [1.0, 0.05, 300.0, 2.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean: mean,
        variance=lambda mean: mean**2,
        log_prob=lambda y, mean: stats.expon.logpdf(y, scale=mean),
        crps=lambda y, mean: sr.crps_exponential(y, 1 / mean),
    ),
    FamilyCase(
        name="student_t",
        family=pn.families.StudentT(),
        params={
            "loc": [0.0, -3.0, 1e3, 0.2, 1.5],
            "scale": [1.0, 0.01, 250.0, 40.0, 2.0],
            "df": [5.0, 3.0, 2.5, 1e5, 17.0],
        },
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale, df: loc,
        variance=lambda loc, scale, df: np.where(
            df > 2, scale**2 * df / np.where(df > 2, df - 2, 1), np.inf
        ),
        log_prob=lambda y, loc, scale, df: stats.t.logpdf(y, df, loc, scale),
        crps=lambda y, loc, scale, df: sr.crps_t(y, df, loc, scale),
    ),
    FamilyCase(
        name="beta",
        family=pn.families.Beta(),
        params={"mean": [0.5, 0.25, 0.97, 0.3], "precision": [2.0, 2.0, 40.0, 400.0]},
        y=[0.3, 1e-3, 0.71, 0.9995],
        outside=[0.0, 1.0, -0.1, np.nan],
        mean=lambda mean, precision: mean,
        variance=lambda mean, precision: mean * (1 - mean) / (1 + precision),
        log_prob=lambda y, mean, precision: stats.beta.logpdf(
            y, mean * precision, (1 - mean) * precision
        ),
        crps=lambda y, mean, precision: sr.crps_beta(y, mean * precision, (1 - mean) * precision),
    ),
    FamilyCase(
        name="inverse_gaussian",
        family=pn.families.InverseGaussian(),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.4, 30.0, 400.0]},
        y=[1e-2, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean, shape: mean,
        variance=lambda mean, shape: mean**3 / shape,
        log_prob=lambda y, mean, shape: stats.invgauss.logpdf(y, mean / shape, scale=shape),
        crps=lambda y, mean, shape: integrated_crps(stats.invgauss(mean / shape, scale=shape), y),
    ),
    FamilyCase(
        name="geometric",
        family=pn.families.Geometric(),
        params={"mean": [1.0, 1e-3, 7.3, 150.0]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda mean: mean,
        variance=lambda mean: mean + mean**2,
        log_prob=lambda y, mean: stats.geom.logpmf(y, 1 / (1 + mean), loc=-1),
        crps=lambda y, mean: sr.crps_negbinom(y, 1.0, 1 / (1 + mean)),
    ),
    FamilyCase(
        name="ordinal",
        family=pn.families.Ordinal(classes=4),
        params={
            "loc": [0.0, 1.5, -20.0, 0.3],
            "cutpoints": [[-1.0, 0.0, 2.0], [-3.0, -2.9, 9.0], [-5.0, 0.1, 0.2], [0.0, 1e-3, 50.0]],
        },
        y=[0.0, 1.0, 2.0, 3.0],
        outside=[4.0, -1.0, 0.5, np.nan],
        mean=ordinal_probs,
        variance=lambda loc, cutpoints: (
            ordinal_probs(loc, cutpoints) * ordinal_complements(loc, cutpoints)
        ),
        log_prob=lambda y, loc, cutpoints: categorical_log_prob(y, ordinal_probs(loc, cutpoints)),
        crps=lambda y, loc, cutpoints: sr.rps_score(
            y.astype(int) + 1, ordinal_probs(loc, cutpoints)
        ),
    ),
    FamilyCase(
        name="binomial",
        family=pn.families.Binomial(trials=20),
        params={"probs": [0.5, 1e-3, 0.97, 0.3]},
        y=[0.0, 1.0, 7.0, 20.0],
        outside=[21.0, -1.0, 1.5, np.nan],
        mean=lambda probs: 20 * probs,
        variance=lambda probs: 20 * probs * (1 - probs),
        log_prob=lambda y, probs: stats.binom.logpmf(y, 20, probs),
        crps=lambda y, probs: sr.crps_binomial(y, 20, probs),
    ),
    FamilyCase(
        name="beta_binomial",
        family=pn.families.BetaBinomial(trials=20),
        params={"probs": [0.5, 0.01, 0.97, 0.3], "precision": [2.0, 0.5, 40.0, 3e4]},
        y=[0.0, 1.0, 7.0, 20.0],
        outside=[21.0, -1.0, 1.5, np.nan],
        mean=lambda probs, precision: 20 * probs,
        variance=lambda probs, precision: (
            20 * probs * (1 - probs) * (20 + precision) / (1 + precision)
        ),
        log_prob=beta_binomial_log_prob,
        crps=beta_binomial_crps,
    ),
    FamilyCase(
        name="truncated_normal",
        family=pn.families.TruncatedNormal(low=0.0),
        params={"loc": [0.5, -3.0, 1.0, 100.0], "scale": [1.0, 1.5, 0.1, 40.0]},
        y=[0.0, 0.7, 1.5, 80.0],
        outside=[-0.1, -np.inf, np.nan, np.inf],
        mean=lambda loc, scale: truncated_moments(loc, scale, 0, mpmath.inf)[0],
        variance=lambda loc, scale: truncated_moments(loc, scale, 0, mpmath.inf)[1],
        log_prob=lambda y, loc, scale: stats.truncnorm.logpdf(y, -loc / scale, np.inf, loc, scale),
        crps=lambda y, loc, scale: sr.crps_tnormal(y, loc, scale, 0.0, np.inf),
    ),
    FamilyCase(
        name="truncated_normal",
        family=pn.families.TruncatedNormal(low=-1.0, high=10.0),
        params={"loc": [0.5, -3.0, 12.0, 4.0, 9.0], "scale": [1.0, 1.5, 3.0, 60.0, 0.5]},
        y=[-1.0, 0.7, 1.5, 10.0],
        outside=[-1.1, 10.1, np.nan, np.inf],
        mean=lambda loc, scale: truncated_moments(loc, scale, -1, 10)[0],
        variance=lambda loc, scale: truncated_moments(loc, scale, -1, 10)[1],
        log_prob=lambda y, loc, scale: stats.truncnorm.logpdf(
            y, (-1 - loc) / scale, (10 - loc) / scale, loc, scale
        ),
        crps=lambda y, loc, scale: sr.crps_tnormal(y, loc, scale, -1.0, 10.0),
    ),
    FamilyCase(
        name="tweedie",
        family=pn.families.Tweedie(power=1.5),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "dispersion": [1.0, 0.4, 30.0, 0.05]},
        y=[0.0, 1e-3, 2.2, 310.0],
        outside=[-1.0, np.nan, np.inf],
        mean=lambda mean, dispersion: mean,
        variance=lambda mean, dispersion: dispersion * mean**1.5,
        log_prob=tweedie_log_prob,
        crps=tweedie_crps,
    ),
    FamilyCase(
        name="spline_flow",
        family=pn.families.SplineFlow(bins=3),
        params={
            "loc": [1.0, 0.7, -2.0],
            "scale": [1.0, 0.5, 3.0],
            "widths": [[0.3, 0.4, 0.3], [0.4, 0.4, 0.2], [0.25, 0.35, 0.4]],
            "heights": [[0.3, 0.5, 0.2], [0.3, 0.3, 0.4], [0.5, 0.3, 0.2]],
            "slopes": [[1.0, 1.5], [0.7, 0.8], [0.8, 1.2]],
        },
        y=[0.0, -2.97, 1.5, 4.7],
        outside=[np.nan, np.inf, -np.inf],
        mean=NSF.mean,
        variance=NSF.variance,
        log_prob=NSF.log_prob,
        crps=NSF.crps,
    ),
    FamilyCase(
        name="transformation",
        family=pn.families.Transformation(low=-1.0, high=4.0, degree=4),
        params={
            "loc": [3.0, 0.7, -2.0],
            "increments": [[2.0, 1.0, 0.5, 3.0], [0.5, 2.0, 0.1, 3.0], [0.9, 4.0, 4.0, 0.2]],
        },
        y=[0.0, -2.97, 1.5, 4.7],
        outside=[np.nan, np.inf, -np.inf],
        mean=COLR.mean,
        variance=COLR.variance,
        log_prob=COLR.log_prob,
        crps=COLR.crps,
    ),
    FamilyCase(
        name="transformation",
        family=pn.families.Transformation(0.0, 10.0, 2, base="minimum_extreme_value"),
        params={"loc": [2.0, 4.0, 0.5], "increments": [[1.0, 4.0], [5.0, 1.5], [3.0, 3.0]]},
        y=[0.5, 3.0, 9.0, 11.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=COXPH.mean,
        variance=COXPH.variance,
        log_prob=COXPH.log_prob,
        crps=COXPH.crps,
    ),
]

# What is the same for all families, as heads and losses, is tried with all of them on the default
# backend, and with one of each kind on the others.
_KINDS = (
    "normal",
    "bernoulli",
    "categorical",
    "negative_binomial",
    "weibull",
    "zero_inflated",
    "ordinal",
    "mixture",
)
_IS_DEFAULT = keras.backend.backend() == "tensorflow"
WIRED = [case for case in FAMILIES if _IS_DEFAULT or case.name in _KINDS]

# Families whose y has several columns.
SEVERAL = [
    FamilyCase(
        name="censored",
        family=pn.families.Censored("weibull"),
        params={"scale": [1.0, 0.5, 30.0, 2.0], "shape": [1.0, 0.7, 3.0, 5.0]},
        y=[[0.7, 0.7], [0.3, np.inf], [0.0, 2.0], [0.5, 0.6], [1.0, 1.0 + 1e-6], [0.2, 3.0]],
        outside=[[2.0, 1.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0], [np.inf, np.inf]],
        mean=lambda scale, shape: scale * special.gamma(1 + 1 / shape),
        variance=lambda scale, shape: (
            scale**2 * (special.gamma(1 + 2 / shape) - special.gamma(1 + 1 / shape) ** 2)
        ),
        log_prob=censored_log_prob,
    ),
    FamilyCase(
        name="binomial",
        family=pn.families.Binomial(),
        params={"probs": [0.5, 1e-6, 0.999, 0.3]},
        y=[[3.0, 10.0], [0.0, 1.0], [200.0, 1000.0], [7.0, 7.0]],
        outside=[[2.0, 1.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0], [0.5, 3.0]],
        mean=lambda probs: probs,
        variance=None,
        log_prob=lambda y, probs: stats.binom.logpmf(y[:, 0], y[:, 1], probs),
    ),
    FamilyCase(
        name="multivariate_normal",
        family=pn.families.MultivariateNormal(units=2),
        params={
            "loc": [[0.0, 1.0], [-3.0, 100.0], [0.2, 0.1]],
            "scale_tril": [[1.0, 0.5, 2.0], [0.01, -3.0, 40.0], [3.0, 0.0, 0.2]],
        },
        y=[[0.0, 1.5], [-3.01, 90.0], [1.0, -0.3]],
        outside=[[np.nan, 1.0], [np.inf, 0.0], [-np.inf, 1.0]],
        mean=lambda loc, scale_tril: loc,
        variance=lambda loc, scale_tril: np.stack(
            [scale_tril[:, 0] ** 2, (scale_tril[:, 1:] ** 2).sum(axis=1)], axis=1
        ),
        log_prob=bivariate_log_prob,
    ),
    FamilyCase(
        name="dirichlet",
        family=pn.families.Dirichlet(units=3),
        params={
            "mean": [[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [0.1, 0.6, 0.3]],
            "precision": [3.0, 0.5, 200.0],
        },
        y=[[0.25, 0.25, 0.5], [0.125, 0.5, 0.375], [0.875, 0.0625, 0.0625]],
        outside=[[0.5, 0.5, 0.5], [0.0, 0.5, 0.5], [np.nan, 0.5, 0.5], [-0.5, 1.0, 0.5]],
        mean=lambda mean, precision: mean,
        variance=lambda mean, precision: mean * (1 - mean) / (1 + precision[:, None]),
        log_prob=lambda y, mean, precision: np.array(
            [
                stats.dirichlet.logpdf(each, m * n)
                for each, m, n in zip(y, mean, precision, strict=True)
            ]
        ),
    ),
]

# Where every family compiles programs of its own, those of the others are slow tests.
_USUAL = ("normal", "bernoulli", "categorical", "poisson")


def each(cases, compiles=False):
    """Return the decorator of a test of each case."""
    slow = {case.name for case in cases if compiles} - {*_USUAL}
    params = [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] * (case.name in slow))
        for case in cases
    ]
    return pytest.mark.parametrize("case", params)
