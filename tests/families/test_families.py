"""Every family of the table, against SciPy, the backend's own distributions, and mathematics."""

import itertools
import pickle
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats
from tables.families import FAMILIES, SEVERAL, each

import probnn as pn
from probnn import backend
from probnn.families._own_distribution import OwnDistribution

each_family, every_family = each(FAMILIES), each(FAMILIES + SEVERAL)
every_compiled_family = each(FAMILIES + SEVERAL, compiles=True)


def raw_of(case, params):
    return case.family.to_raw(params)


def tensor(values, dtype="float64"):
    return keras.ops.convert_to_tensor(np.asarray(values, dtype=dtype))


def numpy(values):
    return keras.ops.convert_to_numpy(values)


def test_every_registered_family_has_a_row():
    registered = {name for name, cls in pn.families.FAMILIES.items() if "probnn" in cls.__module__}
    assert registered == {case.name for case in FAMILIES + SEVERAL}


def test_the_table_of_the_docs_is_of_the_families():
    lines = (
        (Path(__file__).parents[2] / "docs" / "reference" / "families.md").read_text().splitlines()
    )
    cells = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if "| `" in line]
    table = {name.strip("`"): params for name, params in cells}
    cases = {case.name: case.family for case in FAMILIES + SEVERAL}
    assert set(table) == set(cases)
    for name, family in cases.items():
        base = getattr(family, "family", None)
        links = {
            param: link.name
            for param, link in family.links.items()
            if base is None or param not in base.params
        }
        told = re.findall(r"(\w+) \((\w+)\)", table[name])
        assert told == [*links.items()], name
        assert ("base" in table[name]) == (base is not None)


@every_family
def test_params_are_those_of_the_distribution(case):
    params = case.arrays()
    frozen = None if case.variance is None else case.family.frozen(**params)
    np.testing.assert_allclose(case.family.mean(**params), case.mean(**params), rtol=1e-14)
    if case.variance is not None:
        np.testing.assert_allclose(frozen.var(), case.variance(**params), rtol=1e-12)
        found = case.family.variance(**params)
        np.testing.assert_allclose(found, case.variance(**params), rtol=1e-12)


@pytest.mark.backend
@every_family
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_log_prob_equals_scipy(case, dtype, rtol):
    params, y = case.grid()
    with backend.float64():
        raw, y = raw_of(case, params).astype(dtype), y.astype(dtype)
        # SciPy is asked at the raw values as rounded, so that only the arithmetic is compared.
        params = case.family.to_params(raw.astype("float64"))
        expected = case.log_prob(y.astype("float64"), **params)
        found = case.family.log_prob(tensor(y, dtype), tensor(raw, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        np.testing.assert_allclose(numpy(found), expected, rtol=rtol, atol=rtol * 0.1)


@every_family
def test_host_log_prob_equals_scipy(case):
    params, y = case.grid()
    found = case.family.log_prob(y, raw_of(case, params))
    np.testing.assert_allclose(found, case.log_prob(y, **params), rtol=1e-10, atol=1e-13)


@pytest.mark.backend
@each_family
@pytest.mark.usefixtures("distributions")
def test_backend_distribution_agrees(case):
    params, y = case.grid()
    with backend.float64():
        distribution = case.family.distribution(**{k: tensor(v) for k, v in params.items()})
        found = numpy(distribution.log_prob(tensor(y)))
        # Both libraries are right to about nine digits: Bernoulli by way of log-odds, gamma and
        # negative binomial by differences of log-gamma.
        np.testing.assert_allclose(found, case.log_prob(y, **params), rtol=1e-8, atol=1e-9)
        if case.name == "categorical":  # neither library gives codes a mean
            return
        for name, expected in (("mean", case.mean), ("variance", case.variance)):
            if name == "variance" and isinstance(distribution, OwnDistribution):
                continue
            moment = getattr(distribution, name)  # a method of TFP, a property of torch
            moment = numpy(moment() if callable(moment) else moment)
            np.testing.assert_allclose(moment, expected(**params), rtol=1e-8)


@pytest.mark.backend
@each_family
@pytest.mark.usefixtures("distributions")
def test_default_log_prob_is_that_of_the_distribution(case):
    params, y = case.grid()
    with backend.float64():
        linked = case.family.linked(tensor(raw_of(case, params)))
        found = numpy(pn.families.Family._log_prob(case.family, tensor(y), **linked))
        np.testing.assert_allclose(found, case.log_prob(y, **params), rtol=1e-7, atol=1e-8)


@pytest.mark.backend
@every_family
def test_raw_and_params_are_inverse(case):
    params = case.arrays()
    raw = raw_of(case, params)
    assert raw.shape == (len(raw), case.family.size)
    with backend.float64():
        on_device = case.family.to_params(tensor(raw))
        on_host = case.family.to_params(raw)
        for name, values in params.items():
            np.testing.assert_allclose(on_host[name], values, rtol=1e-12)
            np.testing.assert_allclose(numpy(on_device[name]), values, rtol=1e-12)


@pytest.mark.backend
@every_family
def test_gradient_equals_finite_differences(case):
    params, y = case.grid()
    raw = raw_of(case, params)
    with backend.float64():
        y_tensor = tensor(y)

        def total(raw):
            return keras.ops.sum(case.family.log_prob(y_tensor, raw))

        _, gradient = backend.value_and_grad(total)(tensor(raw))
        gradient = numpy(gradient)
    for column in range(case.family.size):
        step = 1e-5
        shift = np.zeros(case.family.size)
        shift[column] = step
        # Five points: the error is of order step^4.
        at = [case.family.log_prob(y, raw + k * shift) for k in (-2, -1, 1, 2)]
        expected = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)
        # log_prob has 1e-16 relative error, so the difference has 1e-16 |log_prob| / step.
        noise = 2e-15 * np.abs(at[0]) / step
        wrong = np.abs(gradient[:, column] - expected) - noise
        np.testing.assert_array_less(wrong, 1e-7 * (1 + np.abs(expected)))


def differences(function, x, step=1e-4):
    """Return the derivatives of a function of rows in each column of x, with an error of step^4."""
    columns = []
    for column in range(x.shape[1]):
        shift = np.zeros(x.shape[1])
        shift[column] = step
        at = [function(x + k * shift) for k in (-2, -1, 1, 2)]
        columns.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step))
    return np.stack(columns, axis=-1)


@every_family
@pytest.mark.parametrize("known", [True, False], ids=["closed form", "automatic"])
def test_row_derivatives_equal_differences(case, known, monkeypatch):
    if not known:
        monkeypatch.setattr(type(case.family), "_derivatives", lambda self, y, raw: None)
    params, y = case.grid()
    raw = raw_of(case, params)
    value, gradient, hessian = case.family.derivatives(y, raw)
    _, slope, bend = case.family.derivatives(y, raw, columns=[0])
    for found, want in ((slope[:, 0], gradient[:, 0]), (bend[:, 0, 0], hessian[:, 0, 0])):
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-14 * np.abs(want).max())
    moved = raw + 0.3
    change = case.family.derivatives(y, moved)[0] - value
    want = case.family.log_prob(y, raw) - case.family.log_prob(y, moved)
    np.testing.assert_allclose(change, want, rtol=1e-11, atol=1e-11 * np.abs(value).max())
    slope = differences(lambda raw: -case.family.log_prob(y, raw), raw)
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-9 * np.abs(slope).max())
    curve = differences(lambda raw: case.family.derivatives(y, raw, second=False)[1], raw)
    np.testing.assert_allclose(hessian, curve, rtol=1e-6, atol=1e-9 * np.abs(curve).max())


@each([c for c in FAMILIES if c.name not in ("categorical", "ordinal")])
def test_mean_derivatives_equal_differences(case):
    raw = raw_of(case, case.arrays())

    def mean(raw):
        return case.family.mean(**case.family.to_params(raw))

    value, slope, curve = case.family.mean_derivatives(raw)
    np.testing.assert_allclose(value, mean(raw), rtol=1e-12)
    size = np.abs(value).max()
    np.testing.assert_allclose(slope, differences(mean, raw), rtol=1e-7, atol=1e-9 * size)
    want = differences(lambda raw: case.family.mean_derivatives(raw, second=False)[1], raw)
    np.testing.assert_allclose(curve, want, rtol=1e-6, atol=1e-9 * size)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_bernoulli_takes_proportions(link):
    family = pn.families.Bernoulli(link=link)
    raw = np.linspace(-1.5, 1.5, 7)[:, None]
    ones, zeros = np.ones(7), np.zeros(7)
    found = family.derivatives(0.3 * ones, raw)
    for mixed, one, zero in zip(
        found, family.derivatives(ones, raw), family.derivatives(zeros, raw), strict=True
    ):
        np.testing.assert_allclose(mixed, 0.3 * one + 0.7 * zero, rtol=1e-12)
    np.testing.assert_allclose(family.log_prob(0.3 * ones, raw), -found[0], rtol=1e-12)


@pytest.mark.backend
@every_compiled_family
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 80.0), ("float64", 500.0)])
def test_loss_and_gradient_are_finite_at_the_extremes(case, dtype, bound, rng):
    levels = bound * np.array([-1.0, -0.5, -0.2, -0.01, 0.0, 0.01, 0.2, 0.5, 1.0])
    if case.family.size <= 4:
        combinations = np.array(list(itertools.product(levels, repeat=case.family.size)))
    else:  # a part of them
        combinations = rng.choice(levels, size=(9**4, case.family.size))
    large = 1e5 if case.family.support.high > 1e5 and case in FAMILIES else case.y[0]
    raw = np.repeat(combinations, len(case.y) + 1, axis=0)
    y = np.concatenate([[*case.y, large]] * len(combinations))
    with backend.float64():
        y_tensor = tensor(y, dtype)

        def total(raw):
            # Scaled, for the sum over rows not to overflow what each row does not.
            return keras.ops.sum(case.family.log_prob(y_tensor, raw) / len(y))

        def log_probs(raw):
            return case.family.log_prob(y_tensor, raw)

        # Compiled, as in training; JAX would compile each operation by itself, which takes longer.
        _, gradient = backend.compiled(backend.value_and_grad(total))(tensor(raw, dtype))
        log_prob = numpy(backend.compiled(log_probs)(tensor(raw, dtype)))
    assert np.isfinite(log_prob).all(), raw[~np.isfinite(log_prob)][:5]
    gradient = numpy(gradient)
    assert np.isfinite(gradient).all(), raw[~np.isfinite(gradient).all(axis=1)][:5]


# The likelihood of these has many maxima.
@each([c for c in FAMILIES if c.name not in ("mixture", "spline_flow")])
def test_start_is_the_marginal_maximum(case, rng):
    params = {k: v[:1] for k, v in case.arrays().items()}
    y = case.family.frozen(**params).rvs(size=400, random_state=rng)
    start = case.family.start(y)

    def nll(raw):
        return -np.mean(case.family.log_prob(y, np.broadcast_to(raw, (400, len(raw)))))

    found = case.family.to_raw(start)
    best = optimize.minimize(nll, found + 0.1, method="Nelder-Mead", options={"maxiter": 4000})
    assert nll(found) <= best.fun + 1e-6


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("name", ["student_t", "logistic", "gumbel"])
def test_start_does_not_depend_on_the_unit_of_y(name, unit, rng):
    y, family = 3.0 + rng.gumbel(size=200), pn.families.get(name)
    expected = {k: v * (1.0 if k == "df" else unit) for k, v in family.start(y).items()}
    np.testing.assert_allclose([*family.start(unit * y).values()], [*expected.values()], rtol=1e-5)


@each_family
def test_start_is_finite_for_a_single_value(case):
    # The sum of many 0.1 is rounded: their standard deviation is 1e-17, not 0.
    for value in [*case.y, *([] if case.family.discrete else [0.1])]:
        start = case.family.start(np.full(64, value))
        assert np.isfinite(case.family.to_raw(start)).all(), start


@every_family
def test_values_outside_the_support_are_named(case):
    for value in case.outside:
        y = np.array([case.y[0], case.y[1], value, value])
        with pytest.raises(ValueError, match=r"in row 2.* [2-6] such value") as raised:
            case.family.start(y)
        assert str(float(np.ravel(value)[0])) in str(raised.value)
        assert case.name in str(raised.value)


@every_family
def test_config_and_pickle_round_trips(case):
    config = case.family.get_config()
    assert pn.families.get(config) == case.family
    copy = pickle.loads(pickle.dumps(case.family))
    assert copy == case.family
    assert hash(copy) == hash(case.family)


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.backend
def test_bernoulli_with_other_links(link):
    family = pn.families.Bernoulli(link=link)
    eta = np.array([-6.0, -1.5, -0.2, 0.4, 2.0])
    probs = family.links["probs"].inverse(eta)
    # 1 - probs without its rounding: the mirrored link at -eta.
    mirror = {"cloglog": "loglog", "loglog": "cloglog"}.get(link, link)
    complement = pn.links.get(mirror).inverse(-eta)
    with backend.float64():
        raw = tensor(eta[:, None])
        for y, expected in ((1.0, np.log(probs)), (0.0, np.log(complement))):
            found = numpy(family.log_prob(tensor(np.full(5, y)), raw))
            # log(probs) itself is wrong by 1e-16 where probs is near 1.
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)
    with backend.float64():
        for dtype, bound in (("float32", 80.0), ("float64", 500.0)):
            raw = tensor(np.array([[-bound], [bound]]), dtype)
            for y in (0.0, 1.0):
                nll = numpy(-family.log_prob(tensor([y, y], dtype), raw))
                assert np.isfinite(nll).all(), (dtype, y, nll)


def test_negative_binomial_tends_to_poisson():
    y = np.arange(40.0)
    raw = np.log([[7.3, 1e-12]]) * np.ones((40, 1))
    found = pn.families.NegativeBinomial().log_prob(y, raw)
    expected = pn.families.Poisson().log_prob(y, raw[:, :1])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_counts_of_any_size_keep_their_digits(name, rng):
    mean = np.exp(rng.uniform(-5, 9, size=3000))
    dispersion = np.exp(rng.uniform(-9, 4, size=3000))
    family = pn.families.get(name)
    params = {"rate": mean} if name == "poisson" else {"mean": mean, "dispersion": dispersion}
    y = family.frozen(**params).rvs(random_state=rng).astype("float64")
    raw = family.to_raw(params).astype("float32")
    exact = family.frozen(**family.to_params(raw.astype("float64"))).logpmf(y)
    # SciPy's own sums of log-gamma lose up to seven digits where y is 1e7.
    np.testing.assert_allclose(family.log_prob(y, raw.astype("float64")), exact, rtol=2e-9)
    found = family.log_prob(y.astype("float32"), raw)
    assert found.dtype == "float32"
    few = y < 2**24  # what float32 can count
    np.testing.assert_allclose(found[few], exact[few], rtol=1e-5, atol=1e-6)


def test_arguments_of_a_new_family_are_saved():
    class Shifted(pn.families.Poisson):
        name = "shifted"

        def __init__(self, by=1.0, link=None, links=None):
            self.by = by
            super().__init__(link, links)

    family = Shifted(by=3.0, link="sqrt")
    assert family.get_config() == {
        "name": "shifted",
        "by": 3.0,
        "links": {"rate": {"name": "sqrt"}},
    }
    assert Shifted(by=3.0) != Shifted(by=4.0)


def test_log_prob_of_host_arrays_by_default_is_that_of_scipy():
    class Plain(pn.families.Normal):
        name = "plain"
        _log_prob = pn.families.Family._log_prob

    found = Plain().log_prob(np.array([1.0]), np.array([[0.5, 0.0]]))
    np.testing.assert_allclose(found, stats.norm.logpdf(1.0, 0.5, 1.0), rtol=1e-14)


def test_links_are_changed_by_name():
    family = pn.families.Normal(links={"scale": "softplus"})
    raw = np.array([[2.0, 0.0]])
    np.testing.assert_allclose(family.to_params(raw)["scale"], np.log(2.0))
    assert pn.families.get("normal", links={"scale": "softplus"}) == family
    assert pn.families.get(family.get_config()) == family
    assert family != pn.families.Normal()
    assert pn.families.Poisson(link="sqrt").links["rate"] == pn.links.get("sqrt")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pn.families.get("maxwell"), r"Unknown family\. Expected one of .*'maxwell'\. A f"),
        (lambda: pn.families.Normal(links={"sigma": "log"}), "loc, scale. Received: 'sigma'"),
        (lambda: pn.families.Normal(link="log", links={"loc": "log"}), "give it once"),
        (lambda: pn.families.Bernoulli(link="logistic"), r"Unknown link.*logit.*'logistic'"),
        (lambda: pn.families.Categorical(classes=1), "whole number >= 2. Received: 1"),
        (lambda: pn.families.Normal().start([]), "zero rows"),
        (lambda: pn.families.get("hurdle"), r"Expected family= .*families.Hurdle\(family=...\)"),
        (
            lambda: pn.families.get(pn.families.Tweedie(1.2), link="log"),
            r"Tweedie\(..., link='log'\)",
        ),
    ],
)
def test_bad_families_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("gausian", "normal"),
        ("Normal", "normal"),
        ("NegativeBinomial", "negative_binomial"),
        ("inverse.gaussian", "inverse_gaussian"),
        (sm.families.Gaussian(), "normal"),
        (sm.families.InverseGaussian, "inverse_gaussian"),
    ],
)
def test_the_family_that_was_meant_is_named(said, meant):
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        pn.families.get(said)


def test_other_names_of_the_field():
    assert pn.families.get("gaussian") == pn.families.Normal()
    assert pn.Head("gaussian").family == pn.families.Normal()
    with pytest.raises(ValueError, match="family='bernoulli'"):
        pn.glm.GLM([0.0, 1.0, 1.0, 0.0], np.ones((4, 1)), "binomial")


def test_a_name_that_is_taken_is_refused():
    class Other(pn.families.Normal):
        name = "normal"

    with pytest.raises(ValueError, match="registered already"):
        pn.families.register(Other)
