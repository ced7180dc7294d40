"""Newton's method for a likelihood: the one solver of every model and every head."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probnn.fitting.curvature import Curvature
from probnn.fitting.line_search import armijo
from probnn.fitting.optimum import Optimum, no_iterations, record

_MEMORY = 10  # pairs of steps that correct a borrowed Hessian


class _Borrowed:
    """Another likelihood's Hessian, corrected by what the gradients have shown (L-BFGS)."""

    damped = False

    def __init__(self, curvature):
        self.base, self.pairs = curvature, []
        self.scale = curvature.scale

    def learn(self, step, change):
        """Take in that a step has changed the gradient so."""
        if step @ change > 0:
            self.pairs = [*self.pairs[1 - _MEMORY :], (step, change, 1.0 / (step @ change))]

    def solve(self, vector):
        """Return H^-1 times a vector: Nocedal and Wright (2006), algorithm 7.4."""
        left, alphas = vector.copy(), []
        for step, change, rho in reversed(self.pairs):
            alphas.append(rho * (step @ left))
            left = left - alphas[-1] * change
        result = self.base.solve(left)
        for (step, change, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            result = result + (alpha - rho * (change @ result)) * step
        return result


@dataclass(frozen=True)
class Newton:
    """Newton's method.

    Parameters
    ----------
    max_iterations : int
        The most steps that are made.
    tol : float
        Stop when the decrement and the score norm are below tol * sqrt(n): the mean negative
        log-likelihood is then within tol^2 / 2 of the optimum.
    near : numpy.ndarray, shape (p, p), optional
        The Hessian of a similar function. Steps are then made with it, and cost one gradient each,
        until they gain little, or the Hessian at the optimum is due: it then takes its place.
    cost : float
        How many gradients take the time of a Hessian: while fewer are left, none is formed.
    rough : callable, optional
        Takes coefficients, and returns a matrix like the Hessian there at a part of its cost, or
        None. It takes the place of `near` where that gains little.
    on_iteration : callable, optional
        Called with the history after every iteration.

    Notes
    -----
    Armijo's backtracking; a Hessian that is not positive definite is modified, after its columns
    are scaled: Nocedal and Wright, *Numerical Optimization*, 2nd ed., 2006, sections 3.1 and 3.4,
    doi:10.1007/978-0-387-40065-5.
    """

    max_iterations: int = 100
    tol: float = 1e-9
    near: np.ndarray | None = None
    cost: float = 2.0
    rough: Callable | None = None
    on_iteration: Callable | None = None

    @np.errstate(invalid="ignore", over="ignore")  # where a step goes too far
    def solve(self, objective, start):
        """Minimise an `Objective`.

        Parameters
        ----------
        objective : Objective
            What is minimised.
        start : numpy.ndarray, shape (p,)
            Where its value is finite.

        Returns
        -------
        Optimum
            Never worse than the start; `converged` says whether it is an optimum.

        Raises
        ------
        FloatingPointError
            If the value at the start is not finite, or a Hessian is not.
        """
        size = np.sqrt(max(len(objective), 1))
        coef, tol = np.array(start, dtype="float64"), self.tol * size
        far = 0.02 * size  # where a true Hessian is soon as wrong as a borrowed one
        # The true Hessian's own last step squares what is left.
        tol = tol if self.near is None else 10.0 * tol
        patience = min(self.cost + 12.0, self.max_iterations / 2)  # steps with one borrowed Hessian
        history = no_iterations()
        curvature = None if self.near is None else _Borrowed(Curvature(self.near))
        value, gradient, hessian = objective(coef, curvature is None)
        if not np.isfinite(value):
            raise FloatingPointError(
                "Expected a finite log-likelihood at the starting values. Received: "
                f"{-value}. Choose others, fit(start_params=...), or another link."
            )
        gained, rough, converged = [], self.rough, False  # decrements since the last new Hessian
        while True:
            if hessian is not None:
                curvature, rough = Curvature(hessian), None
            direction = -curvature.solve(gradient)
            slope = float(gradient @ direction)
            decrement = math.sqrt(max(-slope, 0.0))
            score_norm = float((np.abs(gradient) / curvature.scale).max())
            exact = hessian is not None
            # What a borrowed Hessian measures is right to some digit only.
            near = max(decrement, score_norm) <= (tol if exact else 0.3 * tol)
            last = gained[-1] if gained else np.inf
            left = _left([*gained, decrement], tol)
            slow = decrement > 0.9 * last if decrement > far else left + len(gained) > patience
            stalled = decrement <= 1e-5 and decrement > 0.5 * last  # all that is left is rounding
            if exact and not curvature.damped and (near or stalled):
                converged, step = True, 1.0
                coef = coef + direction  # the last step costs nothing
            elif len(history["nll"]) >= self.max_iterations:
                break
            elif rough and not near and decrement <= far and left > 6.0:
                found, rough = rough(coef), None
                if found is not None:
                    curvature, gained = _Borrowed(Curvature(found)), []
                continue
            elif not exact and (near or slow):
                value, gradient, hessian = objective(coef, True)
                gained = []
                continue
            else:
                # A borrowed Hessian gains a steady factor: the step before the last sees the true
                # one.
                rate = decrement / last if 0.0 < last < np.inf else 0.1
                want = (exact and self.near is None) or decrement * rate <= 0.3 * tol
                moved = _search(objective, coef, value, slope, direction, want)
                if moved is None and not exact:
                    value, gradient, hessian = objective(coef, True)
                    gained = []
                    continue
                if moved is None:
                    converged, step = decrement <= 1e-5 and not curvature.damped, 0.0
                else:
                    step, point, found = moved
                    if found[2] is None:
                        if exact:
                            curvature = _Borrowed(curvature)
                        curvature.learn(step * direction, found[1] - gradient)
                    coef, (value, gradient, hessian) = point, found
            record(history, value, decrement, score_norm, step)
            if self.on_iteration is not None:
                self.on_iteration(history)
            if converged or step == 0.0:
                break
            gained.append(decrement)
        if hessian is None:
            value, gradient, hessian = objective(coef, True)
        return Optimum(coef, value, gradient, hessian, decrement, score_norm, converged, history)


def _left(decrements, tol):
    """Return how many more steps reach the tolerance at the rate of the last two."""
    few = decrements[-3:]
    if len(few) == 1 or few[-1] <= tol:
        return 0.0
    rate = math.log(few[0] / few[-1]) / (len(few) - 1)
    return math.log(few[-1] / tol) / rate if rate > 0.0 else math.inf


def _search(objective, coef, value, slope, direction, second):
    """Return the step size, the point, and the objective there; None where no step is downhill."""

    def evaluate(size):
        point = coef + size * direction
        found = objective(point, second)
        return found[0], found[1] @ direction, point, found

    moved = armijo(evaluate, value, slope)
    return None if moved is None else (moved[0], *moved[1][2:])
