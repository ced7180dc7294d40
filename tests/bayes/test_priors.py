"""Priors: their densities and derivatives, whose they are, and what is the default."""

import numpy as np
import pytest
from scipy import stats

import probnn as pn
from probnn.bayes import Priors, priors

RNG = np.random.default_rng(0)
X = np.column_stack([np.ones(80), RNG.normal(5.0, 2.0, 80), RNG.normal(0.0, 100.0, 80)])
Y = RNG.gamma(3.0, np.exp(0.2 * X[:, 1]) / 3.0)


def gamma_model(**kwargs):
    return pn.glm.GLM(Y, X, "gamma", link="log", **kwargs).with_free_dispersion()


@pytest.mark.parametrize(
    ("prior", "peer"),
    [
        (priors.Normal(1.0, 2.0), stats.norm(1.0, 2.0)),
        (priors.StudentT(3.0, 1.0, 2.0), stats.t(3.0, 1.0, 2.0)),
        (priors.Laplace(2.0), stats.laplace(0.0, 2.0)),
        (priors.HalfNormal(2.0), stats.halfnorm(0.0, 2.0)),
        (priors.HalfStudentT(1.0, 2.0), stats.halfcauchy(0.0, 2.0)),
        (priors.Exponential(0.5), stats.expon(0.0, 2.0)),
        (priors.Gamma(2.0, 0.5), stats.gamma(2.0, scale=2.0)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_priors_are_scipys_distributions(prior, peer):
    value = np.array([0.3, 1.7, 6.0])
    np.testing.assert_allclose(prior.log_prob(value), peer.logpdf(value), rtol=1e-13)
    drawn = prior.draw(np.random.default_rng(0), 2_000)
    assert stats.kstest(drawn, peer.cdf).pvalue > 0.01


@pytest.mark.parametrize("link", ["log", "softplus", "sqrt", "inverse"])
def test_a_positive_parameter_has_the_density_of_its_natural_value(link):
    model = pn.glm.GLM(Y, X, pn.families.Gamma("log", {"shape": link})).with_free_dispersion()
    made = Priors(model, {"*": priors.Flat(), "shape": priors.Gamma(2.0, 0.5)})
    link = model.family.links["shape"]
    raw = np.linspace(0.4, 2.0, 5)
    found = [made.log_prob(np.array([0.0, 0.0, 0.0, r])) for r in raw]
    step = 1e-6
    slope = np.abs(link.inverse(raw + step) - link.inverse(raw - step)) / (2.0 * step)
    right = stats.gamma.logpdf(link.inverse(raw), 2.0, scale=2.0) + np.log(slope)
    np.testing.assert_allclose(found, right, rtol=1e-8)


def test_derivatives_are_those_of_the_density():
    made = Priors(gamma_model(), {"x1": priors.StudentT(3.0), "x2": priors.Laplace(0.1)})
    coef, steps = np.array([1.0, 0.2, -0.003, 0.7]), 1e-6 * np.eye(4)
    _, gradient, hessian = made.whole(coef)
    ends = [(made.whole(coef + step), made.whole(coef - step)) for step in steps]
    slope = [(up[0] - down[0]) / 2e-6 for up, down in ends]
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-9)
    curvature = [(up[1] - down[1]) / 2e-6 for up, down in ends]
    np.testing.assert_allclose(hessian, curvature, rtol=1e-6, atol=1e-8)
    _, smooth, _ = made(coef)
    assert (gradient - smooth).tolist() == [0.0, 0.0, -10.0, 0.0]


def test_defaults_are_scaled_by_the_data():
    made = Priors(gamma_model())
    assert made.each[0] == priors.Normal(np.log(Y.mean()), 2.5)
    np.testing.assert_allclose(made.each[1].scale, 2.5 / X[:, 1].std(), rtol=1e-12)
    shape = pn.families.Gamma().start(Y)["shape"]
    np.testing.assert_allclose(made.each[3].rate, 1.0 / shape, rtol=1e-6)
    heavy = Priors(pn.glm.GLM(Y, X, "student_t"))
    assert heavy.each[-1] == priors.Gamma(2.0, 0.1)
    # rstanarm's: of a mean with units, in those; of sigma, by the spread of y.
    made = Priors(pn.glm.GLM(Y, X).with_free_dispersion())
    np.testing.assert_allclose(made.each[2].scale, 2.5 * Y.std() / X[:, 2].std(), rtol=1e-12)
    np.testing.assert_allclose(made.each[3].rate, 1.0 / Y.std(), rtol=1e-6)


@pytest.mark.parametrize("family", ["normal", "gamma", "negative_binomial", "bernoulli"])
def test_defaults_count_rows_as_often_as_their_frequency_weights_say(family):
    counts = np.random.default_rng(1).integers(0, 4, len(Y))  # those of weight 0 are absent
    y = {"bernoulli": (Y > 3) * 1.0, "negative_binomial": np.round(Y)}.get(family, Y)
    x = np.where((counts == 0)[:, None] & [False, True, True], 1e3, X)
    pairs = np.column_stack([y, 2.0 - y]) if family == "bernoulli" else y
    rows = np.repeat(np.arange(len(Y)), counts)
    for responses in (y, pairs):
        few, whole = (
            Priors(pn.glm.GLM(responses[at], x[at], family, **more).with_free_dispersion())
            for at, more in (
                (slice(None), {"freq_weights": counts, "offset": 0.1 * x[:, 1]}),
                (rows, {"offset": 0.1 * x[rows, 1]}),
            )
        )
        np.testing.assert_allclose(few.center, whole.center, rtol=1e-10)
        for one, other in zip(few.each, whole.each, strict=True):
            assert type(one) is type(other)
            np.testing.assert_allclose([*vars(one).values()], [*vars(other).values()], rtol=1e-10)


def test_a_constants_prior_is_of_the_predictor_at_the_columns_means():
    given = {"*": priors.Normal(0.0, 0.7), "const": priors.Normal(0.3, 2.0), "shape": priors.Flat()}
    coef = np.array([1.0, 0.2, -0.003, 0.7])
    right = stats.norm.logpdf(X.mean(axis=0) @ coef[:3], 0.3, 2.0)
    right += stats.norm.logpdf(coef[1:3], 0.0, 0.7).sum() + 0.7  # that of sigma, and of its log
    np.testing.assert_allclose(Priors(gamma_model(), given).log_prob(coef), right, rtol=1e-12)


def test_names_come_before_patterns_and_patterns_in_their_order():
    given = {"x*": priors.Normal(0.0, 3.0), "*": priors.Laplace(1.0), "x2": priors.StudentT()}
    model = pn.glm.GLM((Y > 3) * 1.0, X[:, 1:], "bernoulli")
    assert list(map(str, Priors(model, given).each)) == ["Normal(0, 3)", "StudentT(4, 0, 1)"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x9": priors.Normal()}, "coefficients: const, x1, x2, shape"),
        ({"shape": priors.Normal()}, "a positive number"),
        ({"x1": priors.Exponential()}, "any number"),
        ({"x1": 2.0}, "a prior of probnn.bayes.priors for 'x1'"),
        ({"const": priors.Laplace()}, "a smooth prior of the constant"),
        ({"const": priors.Horseshoe()}, "a smooth prior of the constant"),
    ],
)
def test_a_prior_of_no_coefficient_or_of_another_kind_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Priors(gamma_model(), given)


@pytest.mark.parametrize(
    "make",
    [lambda: priors.Normal(0.0, 0.0), lambda: priors.Gamma(-1.0), lambda: priors.Horseshoe("a")],
)
def test_parameters_of_priors_are_checked(make):
    with pytest.raises(ValueError, match="above 0"):
        make()
