"""The distributions of all rows in NumPy keep one contract, whether SciPy's or the library's."""

import numpy as np
import pytest
from scipy import special, stats
from tables.families import FAMILIES, SEVERAL

import probnn as pn
from probnn.calibration import quantile_residuals
from probnn.families._frozen import Frozen, FrozenMixture, nearest_count, parts_of

CASES = FAMILIES + [case for case in SEVERAL if not case.family.given]
SINGLE = [case for case in CASES if not case.family.vector]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_number = pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
LEVELS = np.array([0.03, 0.3, 0.5, 0.8, 0.97])


def frozen_of(case):
    """Return the frozen distribution of a case, and the shape of its responses."""
    frozen = case.family.frozen(**case.arrays())
    return frozen, pn.Predictive(case.family, case.arrays()).sample(seed=0).shape[1:]


def levels(shape):
    return np.broadcast_to(LEVELS.reshape(-1, *[1] * len(shape)), (len(LEVELS), *shape))


@every_case
def test_methods_are_those_of_scipy(case):
    ours, discrete = case.family.frozen(**case.arrays()), case.family.discrete
    theirs = stats.poisson(1.0) if discrete else stats.norm()
    shared = ["cdf", "sf", "logcdf", "logsf", "ppf", "isf", "median", "interval"]
    shared += ["mean", "var", "std", "entropy", "support", "rvs"]
    shared += ["pmf", "logpmf"] if discrete else ["pdf", "logpdf"]
    assert not [name for name in shared if not (hasattr(ours, name) and hasattr(theirs, name))]
    public = {name for name in vars(Frozen) if not name.startswith("_")}
    either = {"pdf", "pmf", "logpdf", "logpmf"}
    own = {"parts", "knots", "energy", "discrete", "stepwise", "family", "params"}
    assert public - either - own <= set(shared)


@every_case
def test_what_derives_agrees_with_what_it_derives_from(case):
    frozen, shape = frozen_of(case)
    y = frozen.ppf(levels(shape))
    below, above = frozen.cdf(y), frozen.sf(y)
    np.testing.assert_allclose(below + above, 1.0, atol=1e-13)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(frozen.logcdf(y), np.log(below), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(frozen.logsf(y), np.log(above), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(frozen.std() ** 2, frozen.var(), rtol=1e-13)
    np.testing.assert_array_equal(frozen.median(), frozen.ppf(0.5))
    low, high = frozen.interval(0.4)
    np.testing.assert_allclose(low, frozen.ppf(0.3))
    np.testing.assert_allclose(high, frozen.ppf(0.7))
    density = "pmf" if case.family.discrete else "pdf"
    if not case.family.vector:
        logs = getattr(frozen, f"log{density}")(y)
        np.testing.assert_allclose(np.exp(logs), getattr(frozen, density)(y), rtol=1e-12)


@every_case
def test_quantiles_invert_both_tails_and_stay_in_the_support(case):
    frozen, shape = frozen_of(case)
    p = levels(shape)
    low, high = frozen.support()
    for y, q in ((frozen.ppf(p), p), (frozen.isf(1.0 - p), p)):
        assert ((y >= low) & (y <= high)).all()
        reached = frozen.cdf(y)
        assert (reached >= q - 1e-12).all()
        step = 1.0 if case.family.discrete else 1e-6 * (frozen.std() + abs(y))
        before = np.where(y - step >= low, frozen.cdf(y - step), 0.0)
        assert (before <= q).all()
    np.testing.assert_array_equal(np.isnan(frozen.ppf(np.full(shape, np.nan))), True)


@every_number
def test_cdf_is_the_integral_of_the_density_from_elsewhere(case):
    frozen, shape = frozen_of(case)
    params = case.arrays()
    if case.family.y_columns is not None:
        pytest.skip("a censored response has no density of its own")
    if case.family.discrete:
        last = frozen.ppf(np.full(shape, 0.9))
        total = np.zeros(shape)
        for k in range(int(last.max()) + 1):
            mass = np.exp(case.log_prob(np.full(shape, float(k)), **params))
            total += np.where(k <= last, mass, 0.0)
        np.testing.assert_allclose(frozen.cdf(last), total, rtol=1e-10)
        return
    low, high = frozen.ppf(np.full(shape, 0.5)), frozen.ppf(np.full(shape, 0.7))
    nodes, weights = np.polynomial.legendre.leggauss(30)
    total = np.zeros(shape)
    for node, weight in zip(0.5 + 0.5 * nodes, 0.5 * weights, strict=True):
        y = low + node * (high - low)
        total += weight * (high - low) * np.exp(case.log_prob(y, **params))
    np.testing.assert_allclose(frozen.cdf(high) - frozen.cdf(low), total, rtol=1e-9)


@every_case
def test_draws_have_a_shape_a_seed_and_the_distribution(case):
    frozen, shape = frozen_of(case)
    rows = pn.Predictive(case.family, case.arrays()).shape
    draws = frozen.rvs(size=(400, *rows), random_state=np.random.default_rng(3))
    assert draws.shape == (400, *shape)
    again = frozen.rvs(size=(400, *rows), random_state=np.random.default_rng(3))
    np.testing.assert_array_equal(draws, again)
    low, high = frozen.support()
    assert ((draws >= low) & (draws <= high)).all()
    if isinstance(frozen, Frozen):
        assert frozen.shape == rows
        alone = frozen.rvs(random_state=1)
        assert alone.shape == shape
        np.testing.assert_array_equal(alone, frozen.rvs(size=rows, random_state=1))
    # Of 400 draws, those up to a quantile are binomial.
    for p in (0.3, 0.8):
        y = frozen.ppf(np.full(shape, p))
        count = (draws <= y).sum(axis=0)
        assert (stats.binom.cdf(count, 400, frozen.cdf(y)) > 1e-6).all()
        assert (stats.binom.sf(count - 1, 400, frozen.cdf(y)) > 1e-6).all()


class Exponential(Frozen):
    """Only what the recipe asks for."""

    def __init__(self, scale):
        self.scale = np.asarray(scale, dtype="float64")
        self.shape = self.scale.shape

    def logpdf(self, y):
        return np.where(y >= 0, -y / self.scale - np.log(self.scale), -np.inf)

    def cdf(self, y):
        return -np.expm1(-np.maximum(y, 0.0) / self.scale)

    def ppf(self, p):
        return -self.scale * np.log1p(-np.asarray(p))

    def mean(self):
        return self.scale

    def var(self):
        return self.scale**2

    def support(self):
        return 0.0, np.inf


class Poisson(Frozen):
    """Only what the recipe asks for, of counts."""

    discrete = True

    def __init__(self, rate):
        self.rate = np.asarray(rate, dtype="float64")
        self.shape = self.rate.shape

    def logpmf(self, k):
        return special.xlogy(k, self.rate) - self.rate - special.gammaln(k + 1.0)

    def cdf(self, k):
        return special.pdtr(np.floor(k), self.rate)

    def ppf(self, p):
        k = np.floor(self.rate + special.ndtri(p) * np.sqrt(self.rate))
        k = np.clip(k - 20.0, 0.0, None)
        while (short := self.cdf(k) < p).any():
            k = k + short
        return k

    def mean(self):
        return self.rate

    def var(self):
        return self.rate

    def support(self):
        return 0.0, np.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        (Exponential([0.5, 3.0]), stats.expon(scale=[0.5, 3.0]), "pdf"),
        (Poisson([0.5, 7.0]), stats.poisson([0.5, 7.0]), "pmf"),
    ],
    ids=["continuous", "counts"],
)
def test_a_subclass_with_the_required_methods_has_all_others(ours, theirs, kind):
    y = np.array([[0.0], [1.0], [6.0]])
    for name in (kind, f"log{kind}", "cdf", "sf", "logcdf", "logsf"):
        expected = getattr(theirs, name)(y)
        np.testing.assert_allclose(getattr(ours, name)(y), expected, rtol=1e-9, err_msg=name)
    p = np.array([[0.1], [0.6], [0.95]])
    for name in ("ppf", "isf"):
        np.testing.assert_allclose(getattr(ours, name)(p), getattr(theirs, name)(p), rtol=1e-12)
    for name in ("mean", "var", "std", "median", "entropy"):
        np.testing.assert_allclose(
            getattr(ours, name)(), getattr(theirs, name)(), rtol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(ours.interval(0.9), theirs.interval(0.9), rtol=1e-12)
    inverted = theirs.ppf(np.random.default_rng(5).random((4, 2)))
    np.testing.assert_allclose(ours.rvs(size=(4, 2), random_state=5), inverted, rtol=1e-12)
    assert ours.rvs().shape == (2,)
    ((weight, part),) = parts_of(ours)
    assert weight == 1.0
    assert part is ours


def test_a_subclass_that_lacks_a_required_method_is_refused():
    class Half(Frozen):
        def cdf(self, y):
            return y

    with pytest.raises(TypeError, match="ppf"):
        Half()


def test_parts_of_a_mixture_make_it_again():
    params = {"loc": [[0.0, 3.0], [1.0, -1.0]], "scale": [[1.0, 0.1], [2.0, 0.5]]}
    mixture = FrozenMixture(pn.families.Normal(), [[1.0, 3.0], [2.0, 2.0]], params)
    y = np.array([0.2, 2.9])
    found = sum(weight * part.cdf(y) for weight, part in parts_of(mixture))
    expected = [
        0.25 * stats.norm.cdf(0.2) + 0.75 * stats.norm.cdf(0.2, 3.0, 0.1),
        0.5 * stats.norm.cdf(2.9, 1.0, 2.0) + 0.5 * stats.norm.cdf(2.9, -1.0, 0.5),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    normal = stats.norm(0.0, 1.0)
    assert parts_of(normal) == [(1.0, normal)]


@pytest.mark.parametrize(
    ("base", "params", "cdf"),
    [
        (
            "inverse_gaussian",
            {"mean": [[1.0, 2.0]], "shape": [[1.0, 4.0]]},
            lambda y, mean, shape: stats.invgauss.cdf(y, mean / shape, scale=shape),
        ),
        (
            "truncated_normal",
            {"loc": [[1.0, 2.0]], "scale": [[1.0, 0.5]]},
            lambda y, loc, scale: stats.truncnorm.cdf(y, -loc / scale, np.inf, loc, scale),
        ),
    ],
)
def test_mixtures_of_the_librarys_own_distributions_have_residuals(base, params, cdf):
    params["weights"] = [[0.25, 0.75]]
    d = pn.Predictive(pn.families.Mixture(base, components=2), params)
    each = {name: np.array(values) for name, values in params.items() if name != "weights"}
    u = cdf(1.3, **each) @ [0.25, 0.75]
    np.testing.assert_allclose(quantile_residuals([1.3], d), special.ndtri(u), rtol=1e-12)


def test_the_nearest_count_is_the_smallest_that_is_reached():
    exact = np.array([3.0, 3.0, 3.0, 0.0, np.inf, 9.0])
    guess = np.array([2.0, 3.0, 4.0, -1.0, np.inf, 12.0])
    found = nearest_count(guess, lambda k: k >= exact, high=9.0)
    np.testing.assert_array_equal(found[:4], exact[:4])
    assert found[5] == 9.0
    assert nearest_count(np.array([np.inf]), lambda k: k >= np.inf) == np.inf
