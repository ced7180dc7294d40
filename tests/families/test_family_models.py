"""A GLM of every family is the maximum of the likelihood that SciPy computes."""

import numpy as np
from tables.families import FAMILIES, SEVERAL, each

import probnn as pn

ROWS = 600


def observed(case, params, rng):
    """Return responses drawn from a case's family, as a model takes them."""
    if case.name == "binomial" and case.family.trials is None:
        trials = rng.integers(1, 30, size=ROWS).astype("float64")
        return np.column_stack([rng.binomial(trials.astype(int), params["probs"]), trials])
    shape = len(next(iter(params.values())))
    y = np.asarray(case.family.frozen(**params).rvs(size=shape, random_state=rng), dtype="float64")
    if case.name == "censored":
        limit = rng.exponential(np.mean(y) * 2, size=len(y))
        return pn.families.Censored.bounds(np.minimum(y, limit), y <= limit)
    return y


def simulated(case, rng):
    """Return y and X of a model whose location depends on a column."""
    family = case.family
    x = np.column_stack([np.ones(ROWS), rng.uniform(-1, 1, size=ROWS)])
    first = {name: values[:1] for name, values in case.arrays().items()}
    raw = np.repeat(family.to_raw(first), ROWS, axis=0)
    columns = family.params[family.location].columns
    raw[:, :columns] += 0.4 * x[:, 1:] * np.where(np.arange(columns) % 2, -1.0, 1.0)
    return observed(case, family.to_params(raw), rng), x


# The likelihoods of these have kinks, or many maxima.
@each([c for c in FAMILIES + SEVERAL if c.name not in ("laplace", "mixture", "spline_flow")])
def test_estimates_and_errors_are_those_of_the_likelihood(case, rng):
    family = case.family
    y, x = simulated(case, rng)
    if family.location in family.no_intercept:
        x = x[:, 1:]
    designs = {name: np.ones((ROWS, 1)) for name in family.with_dispersion(1.0)}
    found = pn.glm.GLM(y, x, family, designs=designs).fit(information="observed")
    model, coef = found.model, found.coef
    likelihood = model.likelihood()

    def llf(coef):
        return case.log_prob(y, **family.to_params(likelihood.raw(coef))).sum()

    root = np.linalg.cholesky(found.normalized_cov_params)
    p, step = len(coef), 1e-3

    def along(i, j, a, b):
        unit = step * (a * root[:, i] + b * root[:, j])
        return llf(coef + unit)

    # In units of standard errors: the gradient is 0, and the Hessian minus the identity.
    np.testing.assert_allclose(found.llf, llf(coef), rtol=1e-9)
    at = llf(coef)
    for i in range(p):
        up, down = along(i, i, 1, 0), along(i, i, -1, 0)
        assert abs(up - down) / (2 * step) < 1e-4, model.parameter_names[i]
        assert abs((up - 2 * at + down) / step**2 + 1) < 5e-3
        for j in range(i):
            cross = (
                along(i, j, 1, 1) - along(i, j, 1, -1) - along(i, j, -1, 1) + along(i, j, -1, -1)
            )
            assert abs(cross / (4 * step**2)) < 5e-3
