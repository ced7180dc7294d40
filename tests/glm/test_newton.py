import numpy as np
import pytest
from scipy import linalg
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess

import probnn as pn
from probnn.design.matrix import Dense
from probnn.fitting.likelihood import Likelihood
from probnn.fitting.newton import Newton
from probnn.fitting.objective import Objective
from probnn.fitting.products import shrunk
from probnn.glm.results.covariance import SingularInformationError, inverse_root


class Function:
    """A function with derivatives, in the form that Newton's method takes a likelihood."""

    def __init__(self, value, gradient, hessian):
        self.parts, self.calls = (value, gradient, hessian), []

    def __len__(self):
        return 1

    def __call__(self, x, second=True):
        self.calls.append(second)
        value, gradient, hessian = self.parts
        return value(x), gradient(x), hessian(x) if second else None


def test_rosenbrock_from_where_the_hessian_is_indefinite():
    start = np.array([0.0, 1.0, 0.3, 2.0])
    assert np.linalg.eigvalsh(rosen_hess(start)).min() < 0
    found = Newton().solve(Function(rosen, rosen_der, rosen_hess), start)
    np.testing.assert_allclose(found.coef, np.ones(4), atol=1e-12)
    assert found.converged
    assert np.all(np.diff(found.history["nll"]) <= 0)


def test_steps_that_leave_the_domain_are_shortened():
    function = Function(
        lambda x: float(x[0] - np.log(x[0])) if x[0] > 0 else np.nan,
        lambda x: 1.0 - 1.0 / x,
        lambda x: np.diag(1.0 / x**2),
    )
    found = Newton().solve(function, np.array([30.0]))  # a full step would go to -840
    np.testing.assert_allclose(found.coef, 1.0, rtol=1e-12)
    assert min(found.history["step"]) < 1


def test_a_start_without_a_value_is_refused():
    function = Function(lambda x: np.nan, lambda x: x, lambda x: np.eye(1))
    with pytest.raises(FloatingPointError, match="finite log-likelihood at the starting values"):
        Newton().solve(function, np.zeros(1))


def test_no_optimum_is_not_called_one():
    function = Function(lambda x: -x[0], lambda x: -np.ones(1), lambda x: np.zeros((1, 1)))
    assert not Newton(max_iterations=5).solve(function, np.zeros(1)).converged


class TestBorrowedHessian:
    def problem(self, n=40_000, p=8):
        rng = np.random.default_rng(2)
        x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
        y = (rng.random(n) < 1 / (1 + np.exp(-x @ rng.normal(size=p)))).astype(float)
        return Likelihood(pn.families.Bernoulli(), y, [x], np.array([np.nan]))

    def count(self, likelihood, start, near):
        calls = []

        class Counted:
            def __len__(self):
                return len(likelihood)

            def __call__(self, coef, second=True):
                calls.append(second)
                return likelihood(coef, second)

        return Newton(near=near).solve(Counted(), start), calls

    @pytest.mark.parametrize("factor", [1.0, 3.0, 0.05])
    def test_is_replaced_where_it_misleads(self, factor):
        likelihood = self.problem()
        few = Newton().solve(likelihood.rows(np.arange(2000)), np.zeros(8))
        want = Newton().solve(likelihood, np.zeros(8))
        found, calls = self.count(likelihood, few.coef, few.hessian * 20 * factor)
        np.testing.assert_allclose(found.coef, want.coef, rtol=1e-11)
        size = np.sqrt(np.diag(want.hessian))
        error = (found.hessian - want.hessian) / np.outer(size, size)
        np.testing.assert_allclose(error, 0.0, atol=1e-8)
        assert found.converged
        if factor == 1.0:
            assert sum(calls) <= 2 < len(calls)

    def test_of_another_problem(self):
        likelihood = self.problem()
        rng = np.random.default_rng(0)
        root = rng.normal(size=(8, 8))
        found, _ = self.count(likelihood, np.zeros(8), root @ root.T)
        want = Newton().solve(likelihood, np.zeros(8))
        np.testing.assert_allclose(found.coef, want.coef, rtol=1e-11)


def test_blocks_and_threads_change_nothing(monkeypatch):
    from probnn import _parallel as parallel
    from probnn.fitting import likelihood as module

    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(5000), rng.normal(size=(5000, 3))])
    y = rng.poisson(2.0, 5000).astype(float)
    family = pn.families.NegativeBinomial()
    designs = [x, x[:, :2]]
    coef = 0.1 * rng.normal(size=6)
    want = Likelihood(family, y, designs, np.full(2, np.nan))(coef)
    monkeypatch.setattr(module, "_NUMBERS", 3000)
    monkeypatch.setattr(parallel, "_NUMBERS", 0)
    monkeypatch.setattr(parallel, "_cores", lambda: 3)
    found = Likelihood(family, y, designs, np.full(2, np.nan))(coef)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


@pytest.mark.parametrize("classes", [3, 9])
def test_hessian_of_classes(classes, rng, monkeypatch):
    """For each row, the covariance of its classes times its columns' products."""
    from probnn.fitting import likelihood as module

    monkeypatch.setattr(module, "_NUMBERS", 900)  # some blocks
    x, y = rng.normal(size=(700, 4)), rng.integers(0, classes, 700).astype(float)
    weights, coef = rng.uniform(0.5, 2.0, 700), 0.3 * rng.normal(size=(classes - 1, 4))
    probs = np.exp(x @ np.vstack([np.zeros(4), coef]).T)
    probs = (probs / probs.sum(axis=1, keepdims=True))[:, 1:]
    inner = probs[:, :, None] * (np.eye(classes - 1) - probs[:, None, :])
    want = np.einsum("n,nab,ni,nj->aibj", weights, inner, x, x).reshape(2 * (coef.size,))
    family, known = pn.families.Categorical(classes), np.full(classes - 1, np.nan)
    likelihood = Likelihood(family, y, [x] * (classes - 1), known, weights=weights)
    np.testing.assert_allclose(likelihood(coef.ravel())[2], want, rtol=1e-11, atol=1e-11)


def test_hessian_of_the_mean_curvature_is_that_of_a_constant(rng, monkeypatch):
    from probnn.fitting import likelihood as module

    n = 2000  # the products of their columns are those of all rows
    x, y = rng.normal(size=(n, 3)), rng.negative_binomial(2, 0.6, n).astype(float)
    x[:, 0] = 1.0
    family = pn.families.NegativeBinomial()
    likelihood = Likelihood(family, y, [x, np.ones((n, 1))], np.full(2, np.nan))
    start = np.array([0.3, 0.0, 0.0, 0.5])
    assert likelihood.mean_hessian(start) is None  # its own costs little
    monkeypatch.setattr(module, "_MANY", 1)
    monkeypatch.setattr(module, "_COSTLY", 0)
    monkeypatch.setattr(module, "_SAMPLE", 100_000)
    found, want = likelihood.mean_hessian(start), likelihood(start)[2]
    np.testing.assert_allclose(found, want, rtol=0.05, atol=0.05 * want.max())
    # Steps that borrow it find the optimum that Newton's own do.
    near = Newton(near=found).solve(likelihood, start)
    np.testing.assert_allclose(near.coef, Newton().solve(likelihood, start).coef, rtol=1e-9)
    assert near.converged


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_few_rows_tell_the_products_of_columns(correlation, rng):
    """The eigenvalues of what they miss are within (1 -+ sqrt(p / m))^2, and near 1 by chance."""
    n, p = 8000, 200
    x = rng.normal(size=(n, p))
    for j in range(1, p):
        x[:, j] = correlation * x[:, j - 1] + np.sqrt(1 - correlation**2) * x[:, j]
    rows, gram = Dense(x).glimpse
    assert rows == 900
    eigenvalues = linalg.eigh(shrunk(gram, rows) / rows, x.T @ x / n, eigvals_only=True)
    least, most = (1.0 - np.sqrt(p / rows)) ** 2, (1.0 + np.sqrt(p / rows)) ** 2
    assert eigenvalues[0] > least / 1.25
    assert eigenvalues[-1] < most * 1.25
    if not correlation:
        np.testing.assert_allclose(eigenvalues, 1.0, atol=0.5)


def test_many_classes_take_one_whole_hessian(rng):
    x, classes = np.column_stack([np.ones(5000), rng.normal(size=(5000, 9))]), 12
    raw = x @ rng.normal(size=(10, classes)) / 3.0
    y = (raw + rng.gumbel(size=raw.shape)).argmax(axis=1).astype(float)
    likelihood = Likelihood(
        pn.families.Categorical(classes), y, [x] * (classes - 1), np.full(classes - 1, np.nan)
    )
    start, calls = np.zeros(likelihood.size), []
    near, rough = np.kron(np.eye(11) / 12 - 1 / 144, x.T @ x), likelihood.rough_hessian(start)
    want = likelihood(start)[2]
    np.testing.assert_allclose(near, want, rtol=1e-9, atol=1e-9 * want.max())
    size = np.sqrt(want.diagonal())
    assert 0.0 < np.abs(rough - want).max() / size.max() ** 2 < 0.2

    class Counted(Objective):
        def __len__(self):
            return len(likelihood)

        def __call__(self, coef, second=True):
            calls.append(second)
            return likelihood(coef, second)

    found = Newton(near=near, cost=8.0, rough=likelihood.rough_hessian).solve(Counted(), start)
    assert found.converged
    assert sum(calls) == 1
    best = Newton().solve(likelihood, start)
    np.testing.assert_allclose(found.coef, best.coef, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.hessian, best.hessian, atol=1e-7 * best.hessian.max())


def test_likelihood_is_the_sum_of_its_parts():
    """Gradient and Hessian of two linear predictors, against differences of the value."""
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    y, weights = rng.gamma(2.0, size=50), rng.uniform(0.5, 2.0, 50)
    family = pn.families.Gamma()
    function = Likelihood(family, y, [x, z], np.full(2, np.nan), {0: 0.1 * y}, weights)
    coef = 0.3 * rng.normal(size=5)
    value, gradient, hessian = function(coef)
    raw = np.column_stack([x @ coef[:3] + 0.1 * y, z @ coef[3:]])
    np.testing.assert_allclose(value, -weights @ family.log_prob(y, raw), rtol=1e-12)
    steps = 1e-5 * np.eye(5)
    slope = [(function(coef + s, False)[0] - function(coef - s, False)[0]) / 2e-5 for s in steps]
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)
    curve = [(function(coef + s, False)[1] - function(coef - s, False)[1]) / 2e-5 for s in steps]
    np.testing.assert_allclose(hessian, curve, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(function.scores(coef).sum(axis=0), -gradient, rtol=1e-12)


def test_same_optimum_as_scipy():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    y = rng.negative_binomial(2.0, 0.3, 200).astype(float)
    function = Likelihood(
        pn.families.NegativeBinomial(), y, [x, np.ones((200, 1))], np.full(2, np.nan)
    )
    found = Newton().solve(function, np.array([1.0, 0, 0, 0]))
    want = minimize(
        lambda b: function(b, False)[0],
        found.coef + 0.1,
        jac=lambda b: function(b, False)[1],
        method="BFGS",
        options={"gtol": 1e-7},
    )
    np.testing.assert_allclose(found.coef, want.x, atol=1e-7)


def test_an_information_that_is_not_positive_definite_has_no_inverse():
    elsewhere = Objective()  # whose rows are not in memory
    root = inverse_root(np.diag([4.0, 9.0]), elsewhere, np.zeros(2))
    np.testing.assert_allclose(root @ root.T, np.diag([1 / 4, 1 / 9]), rtol=1e-14, atol=1e-16)
    with pytest.raises(SingularInformationError, match="not near a maximum"):
        inverse_root(np.diag([4.0, -9.0]), elsewhere, np.zeros(2))
