"""What must not change a fit, or a distribution."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tables.cases import cases
from tables.families import FAMILIES

import probnn as pn
from probnn.glm import GLM

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 10**6)
MODELS = st.sampled_from(["normal", "poisson", "bernoulli", "gamma", "negative_binomial"])


def drawn(family, seed, n=60):
    """Return y and X of a GLM of a family, with a slope that is not 0."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    eta = x @ [0.3, 0.4, -0.3]
    y = {
        "normal": lambda: eta + rng.normal(size=n),
        "poisson": lambda: rng.poisson(np.exp(eta)),
        "bernoulli": lambda: rng.random(n) < 1.0 / (1.0 + np.exp(-eta)),
        "gamma": lambda: rng.gamma(3.0, np.exp(eta) / 3.0),
        "negative_binomial": lambda: rng.negative_binomial(1.5, 1.5 / (1.5 + 3.0 * np.exp(eta))),
    }[family]()
    return y.astype(float), x


def fit(family, y, x, **options):
    fixed = {"dispersion": 0.5} if family == "negative_binomial" else None
    return GLM(y, x, family, "log" if family == "gamma" else None, fixed=fixed, **options).fit()


def assert_same(found, want, rtol=1e-7, attributes=("params", "bse", "llf", "deviance")):
    for name in attributes:
        np.testing.assert_allclose(
            getattr(found, name), getattr(want, name), rtol=rtol, atol=1e-9, err_msg=name
        )


@cases(250)
@given(MODELS, SEEDS)
def test_rows_in_another_order(family, seed):
    y, x = drawn(family, seed)
    order = np.random.default_rng(seed + 1).permutation(len(y))
    assert_same(fit(family, y[order], x[order]), fit(family, y, x))


@cases(250)
@given(MODELS, SEEDS, st.integers(-40, 40), st.integers(-40, 40))
def test_columns_in_another_unit(family, seed, first, second):
    y, x = drawn(family, seed)
    unit = np.ldexp(1.0, [0, first, second])
    found, want = fit(family, y, x * unit), fit(family, y, x)
    np.testing.assert_allclose(found.params * unit, want.params, rtol=1e-10)
    np.testing.assert_allclose(found.bse * unit, want.bse, rtol=1e-10)


@cases(250)
@given(MODELS, SEEDS)
def test_columns_in_another_order_and_basis(family, seed):
    y, x = drawn(family, seed)
    basis = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0], [0.0, 0.0, 2.0]])
    found, want = fit(family, y, x @ basis), fit(family, y, x)
    np.testing.assert_allclose(basis @ found.params, want.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose([found.llf, found.deviance], [want.llf, want.deviance], rtol=1e-8)


@cases(250)
@given(MODELS, SEEDS)
def test_frequencies_are_repeated_rows(family, seed):
    y, x = drawn(family, seed)
    often = np.random.default_rng(seed + 2).integers(0, 4, len(y))
    assume(often.sum() > 40)
    found = fit(family, y, x, freq_weights=often)
    want = fit(family, np.repeat(y, often), np.repeat(x, often, axis=0))
    assert_same(found, want)
    np.testing.assert_allclose(
        [found.model.nobs, found.df_resid, found.scale],
        [want.model.nobs, want.df_resid, want.scale],
        rtol=1e-7,
    )


@cases(150)
@given(MODELS, SEEDS, st.integers(7, 40))
def test_batches_are_rows(family, seed, size):
    y, x = drawn(family, seed)
    parts = [(y[i : i + size], x[i : i + size]) for i in range(0, len(y), size)]
    link = "log" if family == "gamma" else None
    fixed = {"dispersion": 0.5} if family == "negative_binomial" else None
    found = GLM.from_batches(parts, family, link, fixed=fixed).fit()
    assert_same(found, fit(family, y, x))


@cases(100)
@given(SEEDS, st.permutations(range(3)))
def test_classes_in_another_order(seed, order):
    """The fitted probabilities are of the classes, whichever is the reference."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(90), rng.normal(size=90)])
    y = rng.integers(0, 3, 90)
    family = pn.families.Categorical(classes=3)
    want = np.asarray(GLM(y, x, family).fit().mu)
    found = np.asarray(GLM(np.argsort(order)[y], x, family).fit().mu)
    np.testing.assert_allclose(found, want[:, order], rtol=1e-6, atol=1e-9)


WITH_QUANTILES = [
    case
    for case in FAMILIES
    if not (case.family.vector or case.family.censored or case.family.kind == "categorical")
]
ROWS = st.sampled_from(WITH_QUANTILES).flatmap(
    lambda case: st.tuples(st.just(case), st.integers(0, len(next(iter(case.params.values()))) - 1))
)


@cases(1500)
@given(ROWS, st.floats(1e-9, 1.0 - 1e-9))
def test_quantiles_invert_the_cdf(row, p):
    """The quantile is the smallest y with cdf(y) >= p."""
    case, i = row
    d = pn.Predictive(case.family, {name: v[[i]] for name, v in case.arrays().items()})
    q = d.quantile(p)
    below, reached = d.cdf(q - 1e-7 * np.abs(q))[0], d.cdf(q)[0]
    if case.family.discrete or case.family.atom:
        assert reached >= p * (1.0 - 1e-9)
        if case.family.discrete:
            assert q[0] == case.family.support.low or d.cdf(q - 1.0)[0] < p * (1.0 + 1e-9)
    else:
        np.testing.assert_allclose(reached, p, rtol=1e-7)
    assert below <= reached or case.family.circular  # of which numbers below the cut are above it


@cases(600)
@given(ROWS, st.floats(0.01, 0.6), st.floats(0.61, 0.99))
def test_densities_integrate_to_the_cdf(row, low, high):
    """Of counts, probabilities sum to it."""
    case, i = row
    d = pn.Predictive(case.family, {name: v[[i]] for name, v in case.arrays().items()})
    a, b = (float(d.quantile(p)[0]) for p in (low, high))
    assume(b - a < 1e4 and b > a)
    want = float(d.cdf(b)[0] - d.cdf(a)[0])
    if case.family.discrete:
        counts = np.arange(a + 1.0, b + 1.0)
        some = pn.Predictive(
            case.family,
            {name: np.repeat(v[[i]], len(counts), axis=0) for name, v in case.arrays().items()},
        )
        found = np.exp(some.log_prob(counts)).sum()
        np.testing.assert_allclose(found, want, rtol=1e-7, atol=1e-9)
        return
    nodes, weights = np.polynomial.legendre.leggauss(60)
    levels = np.linspace(low, high, 9)
    kinks = [knot[i] for knot in case.family.frozen(**case.arrays()).knots()]
    ends = np.unique([*d.quantile(levels)[0], *(knot for knot in kinks if a < knot < b)])
    total = 0.0
    for left, right in itertools.pairwise(ends):
        half = 0.5 * (right - left)
        y = 0.5 * (left + right) + half * nodes
        some = pn.Predictive(
            case.family,
            {name: np.repeat(v[[i]], len(y), axis=0) for name, v in case.arrays().items()},
        )
        total += half * (weights @ np.exp(some.log_prob(y)))
    np.testing.assert_allclose(total, want, rtol=1e-5)


@cases(400)
@given(ROWS, SEEDS)
def test_the_pit_of_draws_is_uniform_on_average(row, seed):
    """Draws of a row are in each quarter as often as they should, within 5 standard errors."""
    case, i = row
    d = pn.Predictive(case.family, {name: v[[i]] for name, v in case.arrays().items()})
    y = d.sample(400, seed=seed)[:, 0]
    many = pn.Predictive(
        case.family, {name: np.repeat(v[[i]], 400, axis=0) for name, v in case.arrays().items()}
    )
    counts = np.histogram(many.pit(y, seed=seed + 1), bins=4, range=(0.0, 1.0))[0]
    assert abs(counts / 400 - 0.25).max() < 5.0 * np.sqrt(0.25 * 0.75 / 400)
