"""The data of `glm.py`, and their optima by a Newton's method that shares no code with ours."""

from collections import namedtuple

import numpy as np
from scipy.special import expit

Case = namedtuple("Case", "family n p ill classes", defaults=[False, 2])
CASES = {
    "logistic-1e6x20": Case("bernoulli", 1_000_000, 20),
    "logistic-5e5x100": Case("bernoulli", 500_000, 100),
    "logistic-4e6x5": Case("bernoulli", 4_000_000, 5),
    "ill-scaled": Case("bernoulli", 1_000_000, 20, ill=True),
    "poisson-1e6x20": Case("poisson", 1_000_000, 20),
    "normal-1e5x20": Case("normal", 100_000, 20),
    "logistic-2e4x300": Case("bernoulli", 20_000, 300),
    "logistic-2e4x1000": Case("bernoulli", 20_000, 1_000),
    "logistic-2e4x2000": Case("bernoulli", 20_000, 2_000),
    "multinomial-10": Case("categorical", 20_000, 20, classes=10),
    "multinomial-30": Case("categorical", 20_000, 20, classes=30),
    "multinomial-60": Case("categorical", 20_000, 20, classes=60),
}


def make(case):
    """Return the design, whose first column is 1, and the response."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(case.n, case.p))
    x[:, 0] = 1
    shape = (case.p, case.classes) if case.family == "categorical" else case.p
    b = rng.normal(size=shape) / np.sqrt(case.p)
    if case.ill:
        for j in range(2, case.p):
            x[:, j] = 0.9 * x[:, j - 1] + np.sqrt(1 - 0.9**2) * x[:, j]
        scale = np.logspace(-3, 3, case.p - 1)
        x[:, 1:] *= scale
        b[1:] /= scale
    eta = x @ b
    y = {
        "bernoulli": lambda: rng.random(case.n) < expit(eta),
        "poisson": lambda: rng.poisson(np.exp(0.5 * eta)),
        "normal": lambda: rng.normal(eta),
        "categorical": lambda: (eta + rng.gumbel(size=eta.shape)).argmax(axis=1),
    }[case.family]()
    return x, y.astype(float)


def optimum(x, y, family):
    """Return the coefficients at the optimum and their standard errors, by Newton's method.

    Of classes (p, C - 1), against the first.
    """
    scale = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x))
    b = np.zeros((x.shape[1], int(y.max()) if family == "categorical" else 1))
    for _ in range(50):
        gradient, information = np.zeros_like(b), np.zeros((b.size, b.size))
        for start in range(0, len(x), 20_000):
            z, t = x[start : start + 20_000] / scale, y[start : start + 20_000, None]
            if family == "categorical":
                add_classes(gradient, information, z, t, z @ b)
                continue
            inverse = {"bernoulli": expit, "poisson": np.exp, "normal": np.positive}[family]
            mean = inverse(z @ b)
            gradient += z.T @ (t - mean)
            weight = {"bernoulli": mean * (1 - mean), "poisson": mean, "normal": 1.0}[family]
            information += z.T @ (z * weight)
        step = np.linalg.solve(information, gradient.ravel()).reshape(b.shape)
        b += step
        if np.abs(step).max() < 1e-11:  # the steps are quadratic, so the next is rounding
            break
    else:
        raise RuntimeError("the reference did not converge")
    se = np.sqrt(np.diag(np.linalg.inv(information))).reshape(b.shape)
    if family == "normal":
        residuals = y - (x / scale) @ b[:, 0]
        se *= np.sqrt(residuals @ residuals / (len(x) - len(b)))
    return np.squeeze(b / scale[:, None]), np.squeeze(se / scale[:, None])


def add_classes(gradient, information, z, t, eta):
    """Add the score and the information of rows of classes, of coefficients in the order of b."""
    top = np.maximum(eta.max(axis=1, keepdims=True), 0)
    odds = np.exp(eta - top)
    mean = odds / (np.exp(-top) + odds.sum(axis=1, keepdims=True))
    k = mean.shape[1]
    gradient += z.T @ ((t == np.arange(1, k + 1)) - mean)
    many = (z[:, :, None] * mean[:, None, :]).reshape(len(z), -1)
    information -= many.T @ many
    for c in range(k):
        information[c::k, c::k] += z.T @ (z * mean[:, [c]])
