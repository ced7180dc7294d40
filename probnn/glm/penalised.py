"""Penalised likelihoods: Firth's, which keeps estimates finite, and the elastic net."""

from dataclasses import replace
from functools import partial

import numpy as np

from probnn.glm.newton import Curvature, Optimum, newton

_EXACT = 10_000_000_000  # numbers n p^3 up to which the Hessian of Firth's penalty is computed


def firth(model, start, maxiter=100, tol=1e-9, on_iteration=None):
    """Maximise Firth's penalised likelihood of a logistic regression.

    Parameters
    ----------
    model : GLM
        Of the Bernoulli family with the logit link, its columns linearly independent.
    start, maxiter, tol, on_iteration
        As for `probnn.glm.newton.newton`.

    Returns
    -------
    Optimum
        With the negative log-likelihood, its gradient and the Fisher information at the estimates,
        all without the penalty, as are then `llf`, `aic` and `bse`. `history` has the penalty.

    Raises
    ------
    ValueError
        For another family or another link, or rows in batches.

    Notes
    -----
    Maximises l(b) + log det I(b) / 2, I = X'WX the Fisher information: Firth (1993),
    doi:10.1093/biomet/80.1.27; Heinze and Schemper (2002), doi:10.1002/sim.1047. It removes the
    bias of order 1 / n, and its maximum is finite even where the classes are separated.
    """
    known = model.family.kind == "binary" and model.family.is_canonical
    if not known or model.data is None:
        raise ValueError(
            "Expected the bernoulli family with the logit link, and rows that are not in batches, "
            f"for method='firth'. Received: {model.family!r}{', in batches' * (model.data is None)}"
            ". Choose method='newton', or penalise otherwise: fit_regularized(alpha=...)."
        )
    likelihood = model.likelihood()
    optimum = newton(_Firth(likelihood), start, maxiter, tol, on_iteration=on_iteration)
    return _without_penalty(optimum, likelihood)


class _Firth:
    """The penalised negative log-likelihood: called as `Likelihood` is."""

    def __init__(self, likelihood):
        self.likelihood, self.x = likelihood, likelihood.designs[0]

    def __len__(self):
        return len(self.likelihood)

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients.

        With R'R = I, z = R^-T x, leverages h = w |z|^2 and T_abc the sum over rows of
        w (1 - 2 mu) z_a z_b z_c, the Hessian of -log det I / 2 is R'(T T' - Z'diag(h (1 - 6 mu
        (1 - mu))) Z) R / 2, T seen as (p, p^2). Where that is expensive n is large, and its share
        of the whole, of order p / n, is left out.
        """
        from scipy.linalg import solve_triangular

        value, gradient, _ = self.likelihood(coef, False)
        p, r = len(coef), np.empty((0, len(coef)))
        for rows in self.likelihood.blocks():  # by QR: I has the square of the condition number
            root = np.sqrt(self._moments(coef, rows)[1])
            r = np.linalg.qr(np.concatenate([r, self.x[rows] * root[:, None]]), mode="r")
        diagonal = np.abs(np.diag(r))
        if len(r) < p or not (diagonal > 0).all():
            return np.inf, gradient, None
        exact = second and len(self) * p**3 <= _EXACT
        inner, third = np.eye(p), np.zeros((p, p, p) if exact else (p, 0))
        for rows in self.likelihood.blocks():
            x, (mu, weight) = self.x[rows], self._moments(coef, rows)
            z = solve_triangular(r, x.T, trans="T", check_finite=False).T
            leverage = weight * np.einsum("ij,ij->i", z, z)
            gradient -= (leverage * (0.5 - mu)) @ x
            if exact:
                inner -= 0.5 * (z.T * (leverage * (1.0 - 6.0 * mu * (1.0 - mu)))) @ z
                skew = z.T * (weight * (1.0 - 2.0 * mu))
                for a in range(p):
                    third[a] += (skew * z[:, a]) @ z
        third = third.reshape(p, -1)
        hessian = r.T @ (inner + 0.5 * third @ third.T) @ r if second else None
        return value - np.log(diagonal).sum(), gradient, hessian

    def _moments(self, coef, rows):
        """Return the means of rows, and their weights in the Fisher information."""
        from scipy.special import expit

        eta, weights = self.likelihood.raw(coef, rows)[:, 0], self.likelihood.weights
        return expit(eta), expit(eta) * expit(-eta) * (1.0 if weights is None else weights[rows])


def elastic_net(model, alpha, L1_wt=0.0, start_params=None, maxiter=200, tol=1e-9):
    """Minimise -llf / n + sum_j alpha_j (L1_wt |b_j| + (1 - L1_wt) b_j^2 / 2).

    Parameters
    ----------
    model : GLM
        Any; its columns may be dependent, or more than its rows.
    alpha : float or array_like, shape (p,)
        The weight of the penalty, of each coefficient. One number is for all coefficients of
        columns; constant parameters, as a dispersion, are then left free.
    L1_wt : float
        The share of the lasso, from 0 to 1.
    start_params, maxiter, tol
        As for `GLM.fit`.

    Returns
    -------
    Optimum
        With the negative log-likelihood, its gradient and its Hessian at the estimates, all
        without the penalty; `history` has the penalty, times n.

    Raises
    ------
    ValueError
        If alpha is negative, not finite or of another length, or L1_wt is outside [0, 1].

    Notes
    -----
    As in statsmodels' `GLM.fit_regularized`, llf is at dispersion 1 with all weights, and n is the
    number of rows. By Newton's method; with a lasso by the proximal one, which minimises quadratic
    models with the lasso exactly, so that it is Newton's on the nonzero coefficients once their
    signs are found: Lee, Sun and Saunders (2014), doi:10.1137/130921428.
    """
    likelihood = model.likelihood()
    total = len(likelihood) * np.asarray(alpha, dtype="float64").ravel(order="F")
    if np.ndim(alpha) == 0:
        total = np.where(np.isin(np.arange(likelihood.size), list(model.constants)), 0.0, total)
    if total.shape != (likelihood.size,) or not (np.isfinite(total) & (total >= 0.0)).all():
        raise ValueError(
            f"Expected alpha to be one number or {likelihood.size}, one for each coefficient, "
            f"finite and not negative. Received: {alpha!r}."
        )
    if not (np.ndim(L1_wt) == 0 and 0.0 <= L1_wt <= 1.0):
        raise ValueError(f"Expected L1_wt to be a number from 0 to 1. Received: {L1_wt!r}.")
    smooth, lasso = _Ridge(likelihood, total * (1.0 - L1_wt)), total * L1_wt
    minimise = partial(_proximal_newton, lasso=lasso) if lasso.any() else newton
    optimum = minimise(smooth, model._start(start_params), max_iterations=maxiter, tol=tol)
    return _without_penalty(optimum, likelihood)


def _without_penalty(optimum, likelihood):
    value, gradient, hessian = likelihood(optimum.coef)
    return replace(optimum, value=value, gradient=gradient, hessian=hessian)


class _Ridge:
    """A negative log-likelihood plus sum_j ridge_j b_j^2 / 2: called as `Likelihood` is."""

    def __init__(self, likelihood, ridge):
        self.likelihood, self.ridge = likelihood, ridge

    def __len__(self):
        return len(self.likelihood)

    def __call__(self, coef, second=True):
        value, gradient, hessian = self.likelihood(coef, second)
        value, gradient = value + 0.5 * self.ridge @ coef**2, gradient + self.ridge * coef
        return value, gradient, hessian + np.diag(self.ridge) if second else None


def _proximal_newton(smooth, coef, lasso, max_iterations, tol):
    """Minimise smooth(b) + sum_j lasso_j |b_j|, by the rules of `newton`."""
    tol, last = tol * np.sqrt(len(smooth)), np.inf
    history = {"nll": [], "decrement": [], "score_norm": [], "step": []}
    value, gradient, hessian = smooth(coef)
    while True:
        total = value + lasso @ np.abs(coef)
        # A little more of the diagonal, as columns may be dependent: the optimum stays where it is.
        curvature = Curvature(hessian + 1e-10 * np.diag(np.diag(hessian)))
        half = curvature.scale[:, None] * curvature.factor
        hessian = half @ half.T
        target = _minimise_quadratic(hessian, gradient - hessian @ coef, lasso, coef)
        slope = gradient @ (target - coef) + lasso @ (np.abs(target) - np.abs(coef))
        decrement = float(np.sqrt(max(-slope, 0.0)))
        pull = np.abs(gradient + lasso * np.sign(coef)) - lasso * (coef == 0)
        score_norm = float(np.max(np.maximum(pull, 0.0) / curvature.scale))
        stalled = decrement <= 1e-5 and decrement > 0.5 * last  # all that is left is rounding
        converged, step, found = max(decrement, score_norm) <= tol or stalled, 1.0, None
        if not converged and (more := len(history["nll"]) < max_iterations):
            step, found = _search(smooth, lasso, coef, target, total, slope)
            converged = found is None and decrement <= 1e-5
        if converged or more:
            for name, entry in zip(history, (total, decrement, score_norm, step), strict=True):
                history[name].append(entry)
        if found is None:
            coef = target if converged else coef  # the last step costs nothing
            return Optimum(coef, total, gradient, None, decrement, score_norm, converged, history)
        last, (coef, value, gradient, hessian) = decrement, found


def _search(smooth, lasso, coef, target, total, slope):
    """Return the step size towards the target and, with `smooth` there, the point; or 0, None."""
    size = 1.0
    while size > 1e-12:
        point = target if size == 1.0 else coef + size * (target - coef)
        value, gradient, hessian = smooth(point)
        change = value + lasso @ np.abs(point) - total
        rounding = 1e-12 * (abs(total) + 1.0) if size == 1.0 else 0.0
        if change <= max(1e-4 * size * slope, rounding) and np.isfinite(gradient).all():
            return size, (point, value, gradient, hessian)
        size *= 0.5
    return 0.0, None


def _minimise_quadratic(hessian, linear, lasso, point):
    """Minimise linear'z + z'hessian z / 2 + lasso'|z|, exactly.

    The active set of Lee, Battle, Raina and Ng (2006): solve for the nonzero coefficients at their
    present signs, go as far that way as is best, let one zero enter once nothing else moves.
    https://proceedings.neurips.cc/paper_files/paper/2006/hash/2d71b2ae158c7c5912cc0bbde2bb9d95-Abstract.html
    """
    point, free, sign = point.copy(), lasso == 0, np.sign(point)
    rounding = 1e-13 * (np.abs(linear) + np.abs(hessian) @ np.abs(point))
    for _ in range(20 * len(point) + 100):  # a bound that only rounding could reach
        active = np.flatnonzero((sign != 0) | free)
        z, signs, l1 = point[active], sign[active], lasso[active]
        square = hessian[np.ix_(active, active)]
        pull = linear[active] + square @ z
        move = -np.linalg.solve(square, pull + l1 * signs)
        crossing = np.flatnonzero((z != 0) & (signs * (z + move) < 0) & (l1 > 0))
        steps = np.append(-z[crossing] / move[crossing], 1.0)
        change = steps * (pull @ move) - 0.5 * steps**2 * (move @ (pull + l1 * signs))
        change += (np.abs(z + steps[:, None] * move) - np.abs(z)) @ l1
        best = np.argmin(change)
        z = z + steps[best] * move
        z[crossing[best : best + 1]] = 0.0
        point[active] = z
        sign = np.sign(point)
        if best == len(crossing) and (sign[active] == signs)[l1 > 0].all():
            slope = linear + hessian @ point
            excess = np.where((sign == 0) & ~free, np.abs(slope) - lasso - rounding, -1.0)
            enters = np.argmax(excess)
            if excess[enters] <= 0:
                break
            sign[enters] = -np.sign(slope[enters])
        elif change[best] >= 0:  # all that is left is rounding
            break
    return point
