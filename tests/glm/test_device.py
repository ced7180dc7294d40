"""The passes of compiled tensor code, against those of NumPy, on every backend."""

import numpy as np
import pytest

import probnn as pn
from probnn.fitting import device
from probnn.fitting.likelihood import Likelihood

pytestmark = pytest.mark.backend


def problem(family, n=60):
    """Return a likelihood in which everything is in use that a likelihood can have."""
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    y = {
        "bernoulli": rng.integers(0, 2, n),
        "categorical": rng.integers(0, 3, n),
        "poisson": rng.poisson(2.0, n),
        "negative_binomial": rng.poisson(2.0, n),
    }.get(family.name, rng.gamma(2.0, size=n))
    designs = [x] * family.size if family.name == "categorical" else [x, z][: family.size]
    offsets, weights = {0: 0.1 * rng.normal(size=n)}, rng.uniform(0.5, 2.0, n)
    return Likelihood(
        family, y.astype("float64"), designs, np.full(family.size, np.nan), offsets, weights
    )


@pytest.mark.parametrize(
    "family",
    [
        pn.families.Bernoulli(),
        pn.families.Bernoulli(link="probit"),
        pn.families.Poisson(),
        pn.families.Normal(),
        pn.families.Gamma(),
        pytest.param(pn.families.NegativeBinomial(), marks=pytest.mark.slow),
        pn.families.Categorical(classes=3),
    ],
    ids=lambda family: f"{family.name} {next(iter(family.links.values())).name}",
)
def test_same_sums(family, monkeypatch):
    likelihood = problem(family)
    coef = 0.3 * np.random.default_rng(0).normal(size=likelihood.size)
    monkeypatch.setattr(device, "_NUMBERS", 40 * likelihood.size)  # two parts
    compiled = device.DeviceLikelihood(likelihood)
    assert len(compiled.parts) == 2
    value, gradient, hessian = likelihood(coef)
    found = compiled(coef)
    moved, start = likelihood(1.1 * coef, False)[0], compiled(1.1 * coef, False)
    np.testing.assert_allclose(start[0] - found[0], moved - value, rtol=1e-9)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-10, atol=1e-10)
    # torch computes the trigamma function of the gamma family to nine digits.
    np.testing.assert_allclose(found[2], hessian, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(start[1], likelihood(1.1 * coef)[1], rtol=1e-10, atol=1e-10)
    assert start[2] is None


def test_known_parameters():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    likelihood = Likelihood(pn.families.Normal(), y, [x, None], np.array([np.nan, 0.4]))
    for a, b in zip(
        device.DeviceLikelihood(likelihood)(np.ones(2)), likelihood(np.ones(2)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_same_fit():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    y = rng.poisson(np.exp(x @ [0.5, 0.3, -0.2]))
    model = pn.glm.GLM(y, x, "poisson")
    host, compiled = model.fit(engine="host"), model.fit(engine="device")
    np.testing.assert_allclose(compiled.params, host.params, rtol=1e-10)
    np.testing.assert_allclose(compiled.bse, host.bse, rtol=1e-10)
    with pytest.raises(ValueError, match="engine"):
        model.fit(engine="gpu")
