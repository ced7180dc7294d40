"""The proximal Newton method: for what is smooth, and a lasso."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probnn.fitting.curvature import Curvature
from probnn.fitting.line_search import armijo
from probnn.fitting.optimum import Optimum, no_iterations, record


@dataclass(frozen=True)
class ProximalNewton:
    """Newton's method for objective(b) + sum_j lasso_j |b_j|.

    Parameters
    ----------
    lasso : numpy.ndarray, shape (p,)
        The weights of the absolute values, not negative.
    max_iterations, tol, on_iteration
        As for `probnn.fitting.newton.Newton`.

    Notes
    -----
    It minimises quadratic models with the lasso exactly, so that it is Newton's method on the
    nonzero coefficients once their signs are found: Lee, Sun and Saunders (2014),
    doi:10.1137/130921428.
    """

    lasso: np.ndarray
    max_iterations: int = 100
    tol: float = 1e-9
    on_iteration: Callable | None = None

    def solve(self, objective, start):
        """Return the `Optimum` of the sum, from a start (p,) where its value is finite."""
        coef, lasso = np.array(start, dtype="float64"), self.lasso
        tol, last, history = self.tol * np.sqrt(len(objective)), np.inf, no_iterations()
        value, gradient, hessian = objective(coef)
        while True:
            total = value + lasso @ np.abs(coef)
            # A little more of the diagonal, as columns may be dependent: the optimum stays.
            curvature = Curvature(hessian + 1e-10 * np.diag(np.diag(hessian)))
            hessian = curvature.factor @ curvature.factor.T
            target = _minimise_quadratic(hessian, gradient - hessian @ coef, lasso, coef)
            slope = gradient @ (target - coef) + lasso @ (np.abs(target) - np.abs(coef))
            decrement = float(np.sqrt(max(-slope, 0.0)))
            pull = np.abs(gradient + lasso * np.sign(coef)) - lasso * (coef == 0)
            score_norm = float(np.max(np.maximum(pull, 0.0) / curvature.scale))
            stalled = decrement <= 1e-5 and decrement > 0.5 * last  # all that is left is rounding
            converged, step, found = max(decrement, score_norm) <= tol or stalled, 1.0, None
            if not converged and (more := len(history["nll"]) < self.max_iterations):
                step, found = _search(objective, lasso, coef, target, total, slope)
                converged = found is None and decrement <= 1e-5
            if converged or more:
                record(history, total, decrement, score_norm, step)
                if self.on_iteration is not None:
                    self.on_iteration(history)
            if found is None:
                coef = target if converged else coef  # the last step costs nothing
                known = (decrement, score_norm, converged, history)
                return Optimum(coef, total, gradient, None, *known)
            last, (coef, value, gradient, hessian) = decrement, found


def _search(objective, lasso, coef, target, total, slope):
    """Return the size of the step to the target, the point and what is there; or 0 and None."""
    direction = target - coef

    def evaluate(size):
        point = target if size == 1.0 else coef + size * direction
        value, gradient, hessian = objective(point)
        sign = np.where(point == 0, np.sign(coef), np.sign(point))
        with np.errstate(invalid="ignore", over="ignore"):
            along = (gradient + lasso * sign) @ direction
        return value + lasso @ np.abs(point), along, (point, value, gradient, hessian)

    moved = armijo(evaluate, total, slope)
    return (0.0, None) if moved is None else (moved[0], moved[1][2])


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
