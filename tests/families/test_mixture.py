"""Mixtures: what the tables do not cover, against SciPy, scoringrules, scikit-learn and sums."""

import itertools
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import scoringrules as sr
from scipy import integrate, special, stats

import probnn as pn
from probnn import backend
from probnn.families import Mixture

LEVELS = [1e-12, 1e-9, 1e-5, 0.01, 0.2, 0.5, 0.7, 0.95, 1 - 1e-5, 1 - 1e-9]

# Base family -> parameters of a few mixtures of three, and SciPy's distribution of a component.
BASES = {
    "normal": (
        {
            "loc": [[-2.0, 0.0, 3.0], [40.0, 0.0, 0.5], [1.0, 1.0, 1.0]],
            "scale": [[0.5, 1.0, 0.2], [9.0, 1.0, 0.01], [2.0, 2.0, 2.0]],
        },
        stats.norm,
    ),
    "gamma": (
        {
            "mean": [[1.0, 5.0, 0.2], [90.0, 0.1, 3.0], [2.0, 2.0, 2.0]],
            "shape": [[0.4, 30.0, 2.0], [800.0, 5.0, 0.7], [3.0, 3.0, 3.0]],
        },
        lambda mean, shape: stats.gamma(shape, scale=mean / shape),
    ),
    "poisson": (
        {"rate": [[0.1, 4.0, 30.0], [1e-3, 900.0, 2.0], [5.0, 5.0, 5.0]]},
        lambda rate: stats.poisson(rate),
    ),
    "negative_binomial": (
        {
            "mean": [[0.1, 4.0, 30.0], [1e-3, 200.0, 2.0], [5.0, 5.0, 5.0]],
            "dispersion": [[2.0, 0.3, 0.1], [0.1, 0.01, 0.5], [0.2, 0.2, 0.2]],
        },
        lambda mean, dispersion: stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean)),
    ),
}
WEIGHTS = np.array([[0.2, 0.3, 0.5], [0.3, 0.65, 0.05], [1 / 3, 1 / 3, 1 / 3]])

each_base = pytest.mark.parametrize("base", BASES)


def mixture(base, weights=WEIGHTS):
    """Return the predictive distributions of a base, and SciPy's of their components."""
    params, component = BASES[base]
    params = {name: np.array(values) for name, values in params.items()}
    family = Mixture(base, components=3)
    return pn.Predictive(family, {**params, "weights": weights}), component(**params)


def tensor(values, dtype="float64"):
    return keras.ops.convert_to_tensor(np.asarray(values, dtype=dtype))


def numpy(values):
    return keras.ops.convert_to_numpy(values)


# ---- densities ------------------------------------------------------------------------------


@pytest.mark.backend
@each_base
@pytest.mark.usefixtures("distributions")
def test_log_prob_is_the_logarithm_of_the_weighted_sum(base):
    d, components = mixture(base)
    for y in (1.0, 4.0, 60.0):
        y = np.full(3, y)
        logs = (components.logpmf if d.family.discrete else components.logpdf)(y[:, None])
        expected = special.logsumexp(logs, b=WEIGHTS, axis=-1)
        raw = d.family.to_raw(d.params)
        np.testing.assert_allclose(d.family.log_prob(y, raw), expected, rtol=1e-9)
        np.testing.assert_allclose(d.log_prob(y), expected, rtol=1e-12)
        with backend.float64():
            found = d.family.log_prob(tensor(y), tensor(raw))
            np.testing.assert_allclose(numpy(found), expected, rtol=1e-9)
            own = d.family.distribution(**{k: tensor(v) for k, v in d.params.items()})
            np.testing.assert_allclose(numpy(own.log_prob(tensor(y))), expected, rtol=1e-7)


@pytest.mark.backend
def test_a_model_of_components_that_the_library_lacks_has_a_distribution():
    base = pn.families.TruncatedNormal(low=0.0)
    head = pn.Head("mixture", family=base, components=2)
    model = pn.Sequential([keras.Input((2,)), head])
    x, y = np.array([[0.5, -1.0], [2.0, 0.3]], "float32"), np.array([0.4, 1.7], "float32")
    params = {name: values.astype("float64") for name, values in model.predict_params(x).items()}
    loc, scale = params["loc"], params["scale"]
    parts = stats.truncnorm(-loc / scale, np.inf, loc=loc, scale=scale)
    found = model.distribution(x)
    expected = np.log((params["weights"] * parts.pdf(y[:, None])).sum(axis=1))
    np.testing.assert_allclose(numpy(found.log_prob(tensor(y, "float32"))), expected, rtol=1e-5)
    expected = (params["weights"] * parts.mean()).sum(axis=1)
    np.testing.assert_allclose(numpy(found.mean()), expected, rtol=1e-5)
    draws = numpy(found.sample(20_000, seed=0))
    assert draws.shape == (20_000, 2)
    error = draws.std(axis=0) / np.sqrt(20_000)
    assert (np.abs(draws.mean(axis=0) - expected) < 4 * error).all()


@pytest.mark.backend
@pytest.mark.parametrize("base", ["gamma", "negative_binomial"])
def test_loss_and_gradient_are_finite_at_the_extremes(base):
    family = Mixture(base)
    levels = [-80.0, -10.0, 0.0, 30.0, 80.0]
    raw = np.array([*itertools.product(levels, repeat=family.size)], "float32")
    for y in (1.0, 1e5):
        y = tensor(np.full(len(raw), y), "float32")
        value, gradient = backend.value_and_grad(
            lambda raw, y=y: keras.ops.sum(family.log_prob(y, raw) / len(y))
        )(tensor(raw, "float32"))
        assert np.isfinite(numpy(value))
        assert np.isfinite(numpy(gradient)).all()


@pytest.mark.backend
@each_base
def test_one_component_is_the_family_itself(base):
    params = {name: np.array(values)[:, :1] for name, values in BASES[base][0].items()}
    alone = pn.Predictive(base, {name: values[:, 0] for name, values in params.items()})
    family = Mixture(base, components=1)
    d = pn.Predictive(family, {**params, "weights": np.ones((3, 1))})
    raw = family.to_raw(d.params)
    assert raw.shape == (3, alone.family.size)
    with backend.float64():
        found = family.log_prob(tensor([1.0, 2.0, 3.0]), tensor(raw))
    np.testing.assert_allclose(numpy(found), alone.log_prob([1.0, 2.0, 3.0]), rtol=1e-9)
    for what in (
        lambda d: d.mean(),
        lambda d: d.variance(),
        lambda d: d.entropy(),
        lambda d: d.crps(2.0),
        lambda d: d.quantile([0.01, 0.5, 0.999]),
    ):
        np.testing.assert_allclose(what(d), what(alone), rtol=1e-9)


# ---- quantiles ------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["normal", "gamma"])
def test_quantiles_invert_the_cdf(base):
    d, components = mixture(base)
    for p in LEVELS:
        q = d.quantile(p)
        # By the sums of SciPy's own cdf, and of its survival function where that has the digits.
        below = (WEIGHTS * components.cdf(q[:, None])).sum(axis=-1)
        above = (WEIGHTS * components.sf(q[:, None])).sum(axis=-1)
        np.testing.assert_allclose(below, p, rtol=1e-12)
        np.testing.assert_allclose(above, 1 - p, rtol=1e-12)
    for q in (1e-200, 1e-30, 1e-12, 0.3, 0.8):
        above = (WEIGHTS * components.sf(d.frozen.isf(q)[:, None])).sum(axis=-1)
        np.testing.assert_allclose(above, q, rtol=1e-11)


def test_quantiles_of_random_mixtures(rng):
    n, k = 300, 4
    weights = rng.dirichlet(np.full(k, 0.3), size=n)
    loc, scale = 5.0 * rng.normal(size=(n, k)), np.exp(1.5 * rng.normal(size=(n, k)))
    d = pn.Predictive(Mixture("normal", k), {"loc": loc, "scale": scale, "weights": weights})
    for p in LEVELS:
        np.testing.assert_allclose(d.cdf(d.quantile(p)), p, rtol=1e-11)


def test_quantiles_end_where_rounding_keeps_newtons_steps_apart(monkeypatch):
    params = {
        "mean": [[295.3003151840071, 4.700923499597487]],
        "shape": [[29.544069885611183, 0.8590751129406474]],
        "weights": [[0.7921838015622596, 0.20781619843774052]],
    }
    d, steps = pn.Predictive(Mixture("gamma"), params), []
    pdf = d.frozen.__class__.pdf
    monkeypatch.setattr(d.frozen.__class__, "pdf", lambda self, y: steps.append(y) or pdf(self, y))
    np.testing.assert_allclose(d.cdf(d.quantile(0.05)), 0.05, rtol=1e-15)
    assert len(steps) < 10


@pytest.mark.parametrize("base", ["poisson", "negative_binomial"])
def test_quantiles_of_counts_are_the_smallest(base):
    d, components = mixture(base)
    k = np.arange(3000.0)[:, None, None]
    cdf = (WEIGHTS * components.cdf(k)).sum(axis=-1)
    for p in LEVELS[1:-1]:
        np.testing.assert_array_equal(d.quantile(p), (cdf < p).sum(axis=0))
    tail = (WEIGHTS * components.sf(k)).sum(axis=-1)
    for q in (1e-30, 1e-18, 1e-6, 0.3, 0.8):  # SciPy's quantile of a Poisson fails at the first
        np.testing.assert_array_equal(d.frozen.isf(q), (tail > q).sum(axis=0))


def test_ends_of_the_support():
    for base, low, high in (
        ("normal", -np.inf, np.inf),
        ("gamma", 0, np.inf),
        ("poisson", 0, np.inf),
    ):
        d, _ = mixture(base)
        np.testing.assert_array_equal(d.quantile(0.0), low)
        np.testing.assert_array_equal(d.quantile(1.0), high)
        assert np.isnan(d.frozen.ppf([-0.1, np.nan, 1.1])).all()


def test_a_gap_between_components():
    d = pn.Predictive(
        Mixture("normal"), {"loc": [[-1e6, 1e6]], "scale": 1e-3, "weights": [[0.5, 0.5]]}
    )
    assert abs(d.quantile(0.5)[0]) < 1e6
    np.testing.assert_allclose(d.quantile([0.25, 0.75])[0], [-1e6, 1e6], rtol=1e-12)


# ---- moments, entropy, scores ---------------------------------------------------------------


@each_base
def test_moments_are_those_of_total_expectation_and_variance(base):
    d, components = mixture(base)
    mean = (WEIGHTS * components.mean()).sum(axis=-1)
    second = (WEIGHTS * (components.var() + components.mean() ** 2)).sum(axis=-1)
    np.testing.assert_allclose(d.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(d.frozen.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(d.variance(), second - mean**2, rtol=1e-10)
    np.testing.assert_allclose(d.frozen.std() ** 2, d.variance(), rtol=1e-12)


def panels(components, row):
    """Return points between which the densities of a row's components are smooth."""
    levels = [1e-14, 1e-9, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5]
    ends = [side(p)[row] for side in (components.ppf, components.isf) for p in levels]
    return np.unique(ends)


@pytest.mark.parametrize("base", ["normal", "gamma"])
def test_entropy_and_crps_equal_adaptive_quadrature(base):
    d, components = mixture(base)
    entropy, crps = d.entropy(), d.crps(1.7)
    for row in range(len(d)):
        one, edges = d[row], panels(components, row)

        def surprise(x, one=one):
            log_prob = one.log_prob(x)[0]
            return -np.exp(log_prob) * log_prob

        def square(x, one=one):
            return (one.cdf(x)[0] - (x >= 1.7)) ** 2

        def integral(function, edges):
            return sum(
                integrate.quad(function, a, b, epsabs=1e-12)[0]
                for a, b in itertools.pairwise(edges)
            )

        np.testing.assert_allclose(entropy[row], integral(surprise, edges), rtol=1e-8)
        np.testing.assert_allclose(crps[row], integral(square, np.unique([*edges, 1.7])), rtol=1e-7)


@pytest.mark.parametrize(("n", "k"), [(200, 3), (5, 60)])
def test_crps_by_integration_equals_the_closed_form(n, k, rng):
    weights = rng.dirichlet(np.full(k, 0.5), size=n)
    loc, scale = 10.0 * rng.normal(size=(n, k)), np.exp(1.5 * rng.normal(size=(n, k)))
    d = pn.Predictive(Mixture("normal", k), {"loc": loc, "scale": scale, "weights": weights})
    for y in (d.sample(seed=1)[0], np.full(n, 1e3)):
        expected = sr.crps_mixnorm(y, loc, scale, weights)
        np.testing.assert_allclose(d.crps(y), expected, rtol=1e-10)
        np.testing.assert_allclose(d.frozen.crps(y), expected, rtol=1e-10)


def test_crps_and_entropy_of_many_components(rng):
    loc, scale = rng.normal(size=60), rng.uniform(0.5, 3.0, size=60)
    components = stats.laplace(loc, scale)
    d = pn.Predictive(
        Mixture("laplace", 60), {"loc": [loc], "scale": [scale], "weights": [[1 / 60] * 60]}
    )

    def density(x):
        return components.pdf(x).mean()

    kinks = np.sort([-120.0, 0.3, 120.0, *loc])
    crps = [
        (lambda x: (components.cdf(x).mean() - (x >= 0.3)) ** 2),
        lambda x: special.entr(density(x)),
    ]
    expected = [
        sum(integrate.quad(each, *ends)[0] for ends in itertools.pairwise(kinks)) for each in crps
    ]
    np.testing.assert_allclose([d.crps(0.3)[0], d.entropy()[0]], expected, rtol=1e-10)
    rate = rng.uniform(1e4, 1.2e4, size=40)
    d = pn.Predictive(Mixture("poisson", 40), {"rate": [rate], "weights": [[1 / 40] * 40]})
    k = np.arange(13_000)
    below = np.mean([stats.poisson(each).cdf(k) for each in rate], axis=0)
    np.testing.assert_allclose(d.crps(11_000.0), ((below - (k >= 11_000)) ** 2).sum(), rtol=1e-10)


@pytest.mark.parametrize(
    ("base", "names"), [("gamma", ("mean", "shape")), ("log_normal", ("loc", "scale"))]
)
def test_crps_in_closed_form_equals_the_integral_also_with_a_far_component(base, names, rng):
    center, width = 2.0 * rng.normal(size=(50, 2)), np.exp(rng.normal(size=(50, 2)))
    weights = rng.dirichlet([1.0, 1.0], size=50)
    center[:5], width[:5, 0], weights[:5] = [0.0, 18.0], 1.0, [1.0 - 1e-10, 1e-10]
    center = np.exp(center) if base == "gamma" else center
    params = dict(zip(names, (center, width), strict=True))
    d = pn.Predictive(Mixture(base), {**params, "weights": weights})
    y = d.sample(seed=1)[0]
    np.testing.assert_allclose(d.crps(y), d.frozen.crps(y), rtol=1e-11)


@pytest.mark.parametrize("shape", [0.1, 0.7, 5.0, 1e4])
def test_crps_of_equal_gamma_components_is_that_of_one(shape, rng):
    y = rng.gamma(shape, 3.0 / shape, size=50) + 1e-12
    params = {"mean": np.full((50, 2), 3.0), "shape": np.full((50, 2), shape)}
    d = pn.Predictive(Mixture("gamma"), {**params, "weights": np.full((50, 2), 0.5)})
    np.testing.assert_allclose(d.crps(y), sr.crps_gamma(y, shape, shape / 3.0), rtol=1e-8)


def test_entropy_of_counts_is_a_sum():
    d, components = mixture("poisson")
    mass = (WEIGHTS * components.pmf(np.arange(2000.0)[:, None, None])).sum(axis=-1)
    np.testing.assert_allclose(d.entropy(), special.entr(mass).sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(d.frozen.entropy(), d.entropy(), rtol=1e-10)


@each_base
def test_a_component_of_weight_zero_is_not_there(base):
    params = {name: np.array(values)[:, :2] for name, values in BASES[base][0].items()}
    two = pn.Predictive(Mixture(base), {**params, "weights": [[0.0, 1.0]] * 3})
    one = pn.Predictive(base, {name: values[:, 1] for name, values in params.items()})
    assert (two.sample(50, seed=0) >= 0).all() or base == "normal"
    for what in (
        lambda d: d.mean(),
        lambda d: d.variance(),
        lambda d: d.entropy(),
        lambda d: d.log_prob(2.0),
        lambda d: d.crps(2.0),
        lambda d: d.quantile([1e-9, 0.3, 0.999]),
    ):
        np.testing.assert_allclose(what(two), what(one), rtol=1e-9)


@each_base
def test_draws_have_the_distribution(base):
    d, _ = mixture(base)
    draws = d.sample(2000, seed=3)
    assert draws.shape == (2000, 3)
    for row in range(3):
        one = d[np.full(2000, row)]
        assert stats.kstest(one.pit(draws[:, row], seed=0), "uniform").pvalue > 1e-3


# ---- containers -----------------------------------------------------------------------------


def test_several_responses_and_frames():
    loc = np.arange(12.0).reshape(3, 2, 2)
    d = pn.Predictive(
        Mixture("normal"), {"loc": loc, "scale": 1.0, "weights": np.full((3, 2, 2), 0.5)}
    )
    assert d.params["scale"].shape == (3, 2, 2)
    assert d.quantile([0.1, 0.5]).shape == (3, 2, 2)
    np.testing.assert_allclose(d.quantile(0.5), loc.mean(axis=-1), atol=1e-9)
    assert d.crps(d.mean()).shape == d.entropy().shape == (3, 2)
    assert d.sample(4, seed=0).shape == (4, 3, 2)
    frame = mixture("normal")[0].to_frame()
    assert [*frame][:9] == [f"{n}[{j}]" for n in ("loc", "scale", "weights") for j in range(3)]
    assert [*frame][9:] == ["mean", "stddev", "lower", "upper"]


def test_one_vector_or_number_for_all_rows():
    d = pn.Predictive(
        Mixture("normal"), {"loc": [[0.0, 1.0], [2.0, 3.0]], "scale": 2.0, "weights": [0.25, 0.75]}
    )
    np.testing.assert_array_equal(d.params["weights"], [[0.25, 0.75]] * 2)
    np.testing.assert_array_equal(d.params["scale"], np.full((2, 2), 2.0))
    np.testing.assert_allclose(d.mean(), [0.75, 2.75])
    assert len(pn.Predictive("categorical", {"probs": [0.2, 0.8]})) == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.6], "weights of the mixture.*sum to 1.*Received: 0.5, and 2 such"),
        ([-0.5, 1.5], "weights of the mixture.*Received: -0.5"),
        ([[0.2, 0.3, 0.5]], r"weights.*2 values in each row\. Received: shape \(1, 3\)"),
        ([[0.2, 0.8]] * 3, r"one shape.*loc \(2, 2\), scale \(2,\), weights \(3, 2\)"),
    ],
)
def test_bad_weights_get_a_clear_error(weights, message):
    params = {"loc": [[0.0, 1.0]] * 2, "scale": 1.0, "weights": weights}
    with pytest.raises(ValueError, match=message):
        pn.Predictive(Mixture("normal"), params)


def test_config_links_and_equality():
    family = Mixture("normal", 3, links={"scale": "softplus"})
    assert family.get_config() == {
        "name": "mixture",
        "family": {"name": "normal", "links": {"scale": {"name": "softplus"}}},
        "components": 3,
    }
    same = Mixture(pn.families.Normal(links={"scale": "softplus"}), components=np.int64(3))
    for other in (same, pn.families.get(family.get_config()), pickle.loads(pickle.dumps(family))):
        assert other == family
        assert hash(other) == hash(family)
        assert other.links == family.links
    assert family != Mixture("normal", 3)
    assert family != Mixture("normal", 2, links={"scale": "softplus"})
    assert Mixture("gamma", link="identity").links["mean"].name == "identity"
    both = Mixture(pn.families.Gamma(links={"shape": "softplus"}), link="sqrt")
    assert [link.name for link in both.links.values()] == ["sqrt", "softplus", "multinomial_logit"]
    assert list(family.params) == ["loc", "scale", "weights"]
    assert family.size == 8
    assert Mixture("poisson").discrete
    assert not family.discrete


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture("normal", components=0), "whole number >= 1. Received: 0"),
        (lambda: Mixture("normal", components=2.5), "whole number >= 1. Received: 2.5"),
        (lambda: Mixture("normal", components="3"), "whole number >= 1. Received: '3'"),
        (lambda: Mixture("bernoulli"), r'probnn\.Head\("bernoulli"\)'),
        (lambda: Mixture(pn.families.Categorical(3)), r'probnn\.Head\("categorical"\)'),
        (lambda: Mixture(Mixture("normal")), "parameters are numbers.*more components"),
        (lambda: Mixture("gausian"), "Unknown family.*'gausian'"),
        (lambda: Mixture("normal", links={"weights": "log"}), "loc, scale. Received: 'weights'"),
        (lambda: Mixture("normal", link="log", links={"loc": "log"}), "give it once"),
        (lambda: Mixture("poisson").start([1.5]), "support of the mixture family.*1.5"),
        (lambda: pn.Head("mixture", family="normal", fixed={"weights": 0.5}), "vector"),
        (lambda: pn.Head(), "Unknown family.*None"),
    ],
)
def test_bad_mixtures_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- where training starts ------------------------------------------------------------------


@pytest.mark.parametrize("components", [1, 2, 5])
@each_base
def test_components_start_apart_whatever_y(base, components, rng):
    family = Mixture(base, components)
    counts = [
        np.zeros(40),
        np.full(40, 7.0),
        np.array([3.0]),
        np.r_[np.zeros(35), 1.0, 4.0, 9.0],
        rng.poisson(4.0, size=200).astype(float),
        np.array([1e6, 1e6 + 1]),
    ]
    for y in counts:
        y = y + 0.25 if base == "gamma" else y
        start = family.start(y)
        raw = family.marginal(y)
        assert raw.shape == (family.size,)
        assert np.isfinite(raw).all()
        assert (np.diff(start[family.location]) > 0).all()
        np.testing.assert_allclose(start["weights"], 1 / components)
        np.testing.assert_array_equal(raw, family.marginal(rng.permutation(y)))
    inside = family.to_params(family.inside())
    assert (np.diff(inside[family.location]) > 0).all()


@pytest.mark.parametrize("link", ["log", "identity", "sqrt", "inverse"])
def test_an_untrained_head_is_inside_the_domain(link):
    model = pn.Sequential([keras.Input((2,)), pn.Head("mixture", family="poisson", link=link)])
    rate = model.predict_params(np.zeros((1, 2)), verbose=0)["rate"]
    assert (rate > 0).all()
    assert rate[0, 0] < rate[0, 1]
    assert model.heads.is_new


def test_components_find_their_modes_in_parts_of_any_size(rng):
    y = np.r_[rng.normal(0.0, 1.0, size=900), rng.normal(50.0, 1.0, size=100)]
    found = pn.glm.GLM(y, np.ones((1000, 1)), family=Mixture("normal")).fit().params
    np.testing.assert_allclose(found, [0.0, 50.0, 1.0, 1.0, np.log(1 / 9)], atol=0.25)


# ---- training -------------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("column", ["waiting", "eruptions"])
def test_a_head_without_inputs_reaches_the_maximum_likelihood(column, read_data):
    from sklearn.mixture import GaussianMixture

    y = read_data("faithful.csv")[column].to_numpy(float)
    known = GaussianMixture(2, tol=1e-12, max_iter=5000, reg_covar=0.0, random_state=0)
    best = known.fit(y[:, None]).score(y[:, None])
    model = pn.Sequential([keras.Input((1,)), pn.Head("mixture", family="normal")])
    rate = keras.optimizers.schedules.CosineDecay(0.05, 400)
    model.compile(keras.optimizers.Adam(rate))
    x = np.zeros((len(y), 1))
    model.fit(x, y, batch_size=len(y), epochs=400, verbose=0)
    d = model.predict_distribution(x[:1], verbose=0)[np.zeros(len(y), int)]
    np.testing.assert_allclose(d.log_prob(y).mean(), best, atol=1e-5)
    order = np.argsort(known.means_[:, 0])
    np.testing.assert_allclose(d.params["loc"][0], known.means_[order, 0], rtol=1e-2)
    np.testing.assert_allclose(d.params["weights"][0], known.weights_[order], atol=1e-2)
    # Newton's method, to the last digit.
    results = pn.glm.GLM(y, np.ones((len(y), 1)), family=Mixture("normal")).fit()
    np.testing.assert_allclose(results.llf, best * len(y), rtol=1e-10)
    np.testing.assert_allclose(results.params[:2], known.means_[order, 0], rtol=1e-4)
    np.testing.assert_allclose(
        results.params[2:4], np.sqrt(known.covariances_[order, 0, 0]), rtol=1e-4
    )
    np.testing.assert_allclose(
        results.params[4], special.logit(known.weights_[order[1]]), atol=1e-4
    )


@pytest.mark.backend
def test_training_does_not_depend_on_the_units_of_y(rng, rewinding):
    x = rng.normal(size=(256, 2)).astype("float32")
    sign = np.where(rng.random(256) < 0.4, -1.0, 1.0)
    z = 2.0 * sign + x @ [0.5, -0.3] + 0.2 * rng.normal(size=256)
    head = pn.Head("mixture", family="normal")
    keras.utils.set_random_seed(1)
    model = pn.Sequential([keras.Input((2,)), keras.layers.Dense(4, "tanh"), head])
    model.compile(keras.optimizers.Adam(0.02))
    rewind = rewinding(model)

    def losses(y):
        rewind()
        keras.utils.set_random_seed(1)
        return np.array(model.fit(x, y, epochs=15, verbose=0).history["loss"])

    standard = losses(z)
    assert standard[-1] < standard[0] - 0.3
    for loc, scale in ((1e4, 1.0), (-3.0, 1e7), (0.0, 1e-4)):
        np.testing.assert_allclose(losses(loc + scale * z) - np.log(scale), standard, atol=5e-3)


@pytest.mark.backend
def test_adapted_head_starts_from_its_components_and_standard_units(rng):
    y = np.r_[rng.normal(-50.0, 2.0, size=(300, 2)), rng.normal(80.0, 2.0, size=(300, 2))]
    head = pn.Head("mixture", family="normal", units=2, constant=["scale", "weights"])
    model = pn.Sequential([keras.Input((3,)), head])
    head.adapt(y)
    params = model.predict_params(rng.normal(size=(4, 3)), verbose=0)
    assert params["loc"].shape == params["weights"].shape == (4, 2, 2)
    assert head.kernel.shape == (3, 4)
    for j in range(2):
        means = y[:300, j].mean(), y[300:, j].mean()
        np.testing.assert_allclose(params["loc"][:, j], [means] * 4, rtol=1e-4)
    scale = numpy(head.raw_scale).reshape(2, 5)
    np.testing.assert_allclose(scale[:, :2], np.std(y, axis=0)[:, None] * [1, 1], rtol=1e-5)
    np.testing.assert_array_equal(scale[:, 2:], 1.0)


@pytest.mark.backend
def test_a_network_learns_two_branches(rng):
    # Two values of y for every x, as in Bishop (1994): a single normal cannot say so.
    x = rng.uniform(-1, 1, size=(1000, 1))
    sign = np.where(rng.random(1000) < 0.3, -1.0, 1.0)
    y = sign * (1.5 + x[:, 0]) + 0.1 * rng.normal(size=1000)
    hidden = keras.layers.Dense(16, "tanh")
    model = pn.Sequential([keras.Input((1,)), hidden, pn.Head("mixture", family="normal")])
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(x, y, batch_size=100, epochs=40, verbose=0)
    truth = np.logaddexp(
        *(
            np.log(w) + stats.norm.logpdf(y, s * (1.5 + x[:, 0]), 0.1)
            for w, s in ((0.3, -1), (0.7, 1))
        )
    )
    assert model.evaluate(x, y, verbose=0) < -truth.mean() + 0.1
    params = model.predict_params([[0.5]], verbose=0)
    np.testing.assert_allclose(params["loc"][0], [-2.0, 2.0], atol=0.15)
    np.testing.assert_allclose(params["weights"][0], [0.3, 0.7], atol=0.1)
    assert len(model.predict_distribution(x[:5], verbose=0).to_frame()) == 5


@pytest.mark.parametrize(
    "base", ["gamma", "poisson", pytest.param("negative_binomial", marks=pytest.mark.slow)]
)
def test_heads_of_other_mixtures_train(base, rng):
    x = rng.normal(size=(200, 2))
    rate = np.exp(1.0 + 0.5 * x[:, 0]) * np.where(rng.random(200) < 0.5, 1.0, 6.0)
    y = rng.poisson(rate) + (0.5 if base == "gamma" else 0.0)
    model = pn.Sequential([keras.Input((2,)), pn.Head("mixture", family=base, components=2)])
    model.compile(keras.optimizers.Adam(0.05))
    loss = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert loss[-1] < loss[0] - 0.05


def test_a_family_may_be_given_by_its_keyword():
    assert pn.Head(family="poisson").family == pn.families.Poisson()
    head = pn.Head("mixture", family="gamma", components=3, link="identity", name="h")
    assert head.family == Mixture("gamma", 3, link="identity")
    assert pn.Head.from_config(head.get_config()).family == head.family
    loss = pn.NegativeLogLikelihood("mixture", family="gamma", components=3, link="identity")
    assert loss.family == head.family
    assert pn.NegativeLogLikelihood.from_config(loss.get_config()).family == head.family
    assert pn.NegativeLogLikelihood(family="poisson").family == pn.families.Poisson()


def test_results_name_the_components(rng):
    x = pd.DataFrame({"const": 1.0, "x": rng.normal(size=400)})
    y = 2.0 * x["x"] + np.where(rng.random(400) < 0.3, -5.0, 5.0) + rng.normal(size=400)
    results = pn.glm.GLM(y, x, family=Mixture("normal")).fit()
    names = ["const [0]", "x [0]", "const [1]", "x [1]", "scale [0]", "scale [1]", "weights [1]"]
    assert [*results.params.index] == names
    truth = [-5.0, 2.0, 5.0, 2.0, 1.0, 1.0, np.log(7 / 3)]
    assert (np.abs(results.params - truth) < 4 * results.bse).all()
    effect = results.get_margeff()
    np.testing.assert_allclose(effect.margeff, 2.0, atol=4 * np.max(effect.margeff_se))
    network = results.network
    np.testing.assert_allclose(network.predict(x, verbose=0), results.predict(), rtol=1e-4)
    polished = pn.polish(network, x, y)
    np.testing.assert_allclose(polished.llf, results.llf, rtol=1e-6)
