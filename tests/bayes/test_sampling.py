"""Draws by the sampler, against posteriors that are known, and references of Stan."""

import dataclasses
import json
import signal
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn
from probnn.bayes import Priors, priors, sample
from probnn.bayes.coordinates import coordinates

REFERENCES = json.loads((Path(__file__).parents[1] / "references/posteriordb.json").read_text())


LOGS = [f"log({c})" for c in ("diam1", "diam2", "canopy_height", "total_height", "density")]
FORMULAS = {
    "kidiq": "kid_score ~ mom_hs + mom_iq",
    "mesquite": f"log(weight) ~ {' + '.join(LOGS)} + group",
    "earnings": "log(earn) ~ height * male",
    "nes1980": "partyid7 ~ real_ideo + race_adj + C(age_discrete) + educ1 + gender + income",
}


def stan_model(name):
    """Return a model of posteriordb, its priors, and what Stan's draws say in our order."""
    found = REFERENCES[name]
    data = {k: v for k, v in found["data"].items() if np.size(v) > 1}
    if name == "sblrc":
        given = {"*": priors.Normal(0.0, 10.0), "scale": priors.HalfNormal(10.0)}
        return pn.glm.GLM(data["y"], np.array(data["X"])), given, found
    rows = {k: v for k, v in data.items() if len(v) == found["data"]["N"]}
    given = {"*": priors.Flat()}
    if name == "kidiq":
        given["scale"] = priors.HalfStudentT(1.0, 2.5)
    return pn.glm.glm(FORMULAS[name], pd.DataFrame(rows)), given, found


SLOW = [
    pytest.param(n, marks=pytest.mark.slow) for n in ("mesquite", "earnings", "nes1980", "sblrc")
]


@pytest.mark.parametrize("name", ["kidiq", *SLOW])
def test_draws_are_those_of_stan(name):
    model, given, stan = stan_model(name)
    posterior = sample(model, priors=given, draws=2_000, seed=1)
    assert posterior.coef.shape == (4, 2_000, len(stan["mean"]))
    assert posterior.problems() == []
    mean, sd = (np.array([*stan[what].values()]) for what in ("mean", "sd"))
    error = sd / np.sqrt(np.minimum(posterior.ess_bulk, stan["draws"])) * np.sqrt(2.0)
    assert (np.abs(posterior.mean - mean) < 4.0 * error).all()
    np.testing.assert_allclose(posterior.sd, sd, rtol=0.06)
    ends = np.array([*stan["90%"].values()])
    np.testing.assert_allclose((posterior.interval(0.9) - ends) / sd[:, None], 0.0, atol=0.15)


def test_a_conjugate_normal_model_is_the_exact_one():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    x[:, 1:] -= x[:, 1:].mean(axis=0)  # a constant's prior is then of itself
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=40)
    model = pn.glm.GLM(y, x, "normal", fixed={"scale": 1.0})
    posterior = sample(model, priors={"*": priors.Normal(0.0, 2.0)}, draws=2_000, chains=2, seed=3)
    covariance = np.linalg.inv(x.T @ x + np.eye(3) / 4.0)
    error = np.sqrt(np.diag(covariance) / posterior.ess_bulk)
    assert (np.abs(posterior.mean - covariance @ x.T @ y) < 4.0 * error).all()
    np.testing.assert_allclose(posterior.covariance(), covariance, atol=0.1 * covariance.max())
    d = posterior.predict_distribution(x[:3], draws=4_000)
    right = np.einsum("ni,ij,nj->n", x[:3], covariance, x[:3])
    np.testing.assert_allclose(d.epistemic_variance(), right, rtol=0.1)
    np.testing.assert_allclose(d.aleatoric_variance(), 1.0, rtol=1e-12)
    frame = posterior.to_frame()
    assert frame.columns.tolist() == ["chain", "draw", "const", "x1", "x2"]
    assert len(frame) == 4_000


def horseshoe_model(p, n=40, **kwargs):
    """Return a normal model of known scale, of p columns."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, p))
    y = x @ np.linspace(0.4, 0.0, p) + rng.normal(size=n)
    return pn.glm.GLM(y, x, "normal", fixed={"scale": 1.0}, **kwargs), x, y


def test_the_horseshoes_density_is_that_of_its_parts():
    model, x, y = horseshoe_model(4)
    shoe, small = priors.Horseshoe(0.3, 1.5, 5.0), priors.Horseshoe(0.1)
    given = {"x1": shoe, "x2": priors.Normal(0.0, 2.0), "x3": shoe, "x4": small}
    found = coordinates(model, Priors(model, given))
    assert found.size == 4 + 4 + 3

    def density(z):  # up to a constant: that of the Jacobian of the other's coordinates
        lat = [(z[4:6], z[6], z[7], shoe), (z[8:9], z[9], z[10], small)]
        total, scales = stats.norm.logpdf(z[:3]).sum(), []
        for local, over, slab, prior in lat:
            t, c2 = prior.global_scale * np.exp(over), prior.slab_scale**2 * np.exp(slab)
            half = prior.slab_df / 2.0
            total += stats.halfcauchy.logpdf(t, scale=prior.global_scale) + over
            total += (stats.halfcauchy.logpdf(np.exp(local)) + local).sum()
            gamma = stats.invgamma(half, scale=half * prior.slab_scale**2)
            total += gamma.logpdf(c2) + slab
            square = t**2 * np.exp(2.0 * local)
            scales.append(np.sqrt(c2 * square / (c2 + square)))
        coef = found.coef(z)
        np.testing.assert_allclose(coef[[0, 2, 3]], np.concatenate(scales) * z[:3], rtol=1e-12)
        total += stats.norm.logpdf(coef[1], 0.0, 2.0)
        return total + stats.norm.logpdf(y, x @ coef).sum()

    rng = np.random.default_rng(5)
    points = rng.normal(size=(4, found.size))
    gaps = [found.log_density(z)[0] - density(z) for z in points]
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-10)
    step = 1e-5 * np.eye(found.size)
    slope = [(density(points[0] + h) - density(points[0] - h)) / 2e-5 for h in step]
    np.testing.assert_allclose(found.log_density(points[0])[1], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_a_coefficient_with_a_horseshoe_has_its_posterior():
    model, x, y = horseshoe_model(1)
    shoe = priors.Horseshoe(0.1, 1.0)
    posterior = sample(model, priors={"x1": shoe}, draws=1_000, seed=6, target_accept=0.95)
    assert posterior.problems() == []
    # The scale is that of a product of half-Cauchy numbers, (4 / pi^2) log(u) / (u^2 - 1), and of
    # the slab; given it, all is normal.
    log_u, log_c2 = np.linspace(-25.0, 25.0, 2_000) + 1e-3, np.linspace(-4.0, 12.0, 400)
    u = np.exp(log_u)
    weight = u * log_u / (u**2 - 1.0)
    square = (0.1 * u[:, None]) ** 2
    c2 = np.exp(log_c2)
    weight = weight[:, None] * stats.invgamma.pdf(c2, 2.0, scale=2.0) * c2
    square = square * c2 / (square + c2)
    precision = (x**2).sum()
    best = (x[:, 0] @ y) / precision
    weight *= stats.norm.pdf(best, 0.0, np.sqrt(square + 1.0 / precision))
    weight /= weight.sum()
    share = square * precision / (square * precision + 1.0)
    mean = (weight * share).sum() * best
    variance = (weight * (share / precision + (share * best) ** 2)).sum() - mean**2
    sd = np.sqrt(variance)
    assert abs(posterior.mean[0] - mean) < 4.0 * sd / np.sqrt(posterior.ess_bulk[0])
    np.testing.assert_allclose(posterior.sd[0], sd, rtol=0.06)


def test_a_mixture_has_no_mode_and_says_so():
    model, _, _ = horseshoe_model(2)
    with pytest.raises(ValueError, match=r"probnn\.bayes\.sample draws from its posterior"):
        pn.bayes.laplace(model, prior={"x1": priors.Horseshoe()})


@dataclasses.dataclass(frozen=True)
class Interrupting(priors.Normal):
    """A prior that stands for somebody who presses Ctrl-C after some gradients."""

    after: int = 0
    asked = 0

    def slopes(self, value):
        type(self).asked += 1
        if type(self).asked == np.max(self.after):
            signal.raise_signal(signal.SIGINT)
        return super().slopes(value)


def test_on_ctrl_c_the_draws_so_far_are_kept():
    model, _, _ = horseshoe_model(2)
    Interrupting.asked = 0
    given = {"*": Interrupting(0.0, 1.0, 3_000)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pn.bayes.SamplingWarning)  # they may be too few
        posterior = sample(model, priors=given, draws=10_000_000, tune=50, chains=20)
    chains, draws, _ = posterior.coef.shape
    assert 1 <= chains < 20
    assert 4 <= draws < 3_000
    assert np.isfinite(posterior.coef).all()
    assert posterior.stats["energy"].shape == (chains, draws)
    Interrupting.asked = 0
    with pytest.raises(KeyboardInterrupt, match="No draws yet"):
        sample(model, priors=given, draws=10, tune=10_000_000, chains=2)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"draws": True}, "draws to be a whole number from 1 on"),
        ({"seed": -1}, "seed to be a whole number from 0 on"),
        ({"target_accept": 2.0}, "target_accept between 0 and 1"),
        ({"priors": priors.Normal()}, "priors as a dict"),
        ({"priors": {1: priors.Normal()}}, "priors as a dict"),
        ({"priors": Priors(horseshoe_model(2)[0])}, "priors of the coefficients const"),
    ],
)
def test_numbers_that_say_how_to_draw_are_checked(options, wrong):
    with pytest.raises(ValueError, match=f"Expected {wrong}"):
        sample(pn.glm.GLM([1, 2, 4], np.ones((3, 1)), "poisson"), **options)
    if {*options} <= {"draws", "seed"}:
        with pytest.raises(ValueError, match=f"Expected {wrong}"):
            pn.bayes.laplace(pn.glm.GLM([1, 2, 4], np.ones((3, 1)), "poisson"), **options)
