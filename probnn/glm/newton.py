"""Newton's method for a likelihood: the one solver of every model and every head."""

import time
from dataclasses import dataclass, field

import numpy as np

_ARMIJO = 1e-4
_MEMORY = 10  # pairs of steps that correct a borrowed Hessian


@dataclass
class Optimum:
    """Where Newton's method stopped.

    Attributes
    ----------
    coef : numpy.ndarray, shape (p,)
        The coefficients.
    value : float
        The negative log-likelihood there.
    gradient : numpy.ndarray, shape (p,)
        Its gradient.
    hessian : numpy.ndarray, shape (p, p)
        Its Hessian.
    decrement : float
        Newton's decrement sqrt(g' H^-1 g): how far the optimum is, in standard errors.
    score_norm : float
        The largest |g_j| / sqrt(H_jj).
    converged : bool
        Whether both came below the tolerance.
    history : dict
        Lists of `nll`, `decrement`, `score_norm` and `step`, an entry for each iteration.
    inverse_root : numpy.ndarray, shape (p, p), optional
        A square root R of the inverse R R' of the Hessian, where it is known to more digits.
    inverse : numpy.ndarray, shape (p, p), optional
        That inverse itself, likewise.
    ssr : float, optional
        The sum of squared residuals of a linear model, where it is known to more digits.
    """

    coef: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None
    decrement: float
    score_norm: float
    converged: bool
    history: dict = field(default_factory=dict)
    inverse_root: np.ndarray | None = None
    inverse: np.ndarray | None = None
    ssr: float | None = None

    @property
    def iterations(self):
        """The number of steps."""
        return len(self.history["nll"])


class Curvature:
    """A Hessian, scaled to a unit diagonal and, where it is not positive definite, made so.

    Damping turns the signs of negative eigenvalues, so that a step leaves a saddle as fast as a
    Newton step reaches a minimum.
    """

    def __init__(self, hessian):
        diagonal = np.abs(np.diag(hessian))
        floor = diagonal.max(initial=0.0) * 1e-30 or 1.0
        self.scale = np.sqrt(np.maximum(diagonal, floor))
        scaled = hessian / np.outer(self.scale, self.scale)
        self.damped = False
        try:
            self.factor = np.linalg.cholesky(scaled)
        except np.linalg.LinAlgError:
            if not np.isfinite(scaled).all():
                raise FloatingPointError(
                    "Expected a finite Hessian. Received: NaN or infinity. Rescale the columns, or "
                    "start elsewhere: fit(start_params=...)."
                ) from None
            values, vectors = np.linalg.eigh(scaled)
            size = np.abs(values).max(initial=0.0) or 1.0
            values = np.maximum(np.abs(values), 1e-8 * size)
            self.damped = True
            self.factor = np.linalg.cholesky((vectors * values) @ vectors.T)

    def solve(self, vector):
        """Return H^-1 times a vector."""
        from scipy.linalg import cho_solve

        return cho_solve((self.factor, True), vector / self.scale) / self.scale

    def inverse_root(self):
        """Return a matrix R with R R' = H^-1."""
        from scipy.linalg import solve_triangular

        return solve_triangular(self.factor, np.diag(1.0 / self.scale), lower=True).T


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


def newton(likelihood, start, max_iterations=100, tol=1e-9, borrowed=None, on_iteration=None):
    """Minimise a negative log-likelihood.

    Parameters
    ----------
    likelihood : callable
        `likelihood(coef, second)` returns the value, the gradient, and the Hessian if it is asked
        for; `len(likelihood)` is the number of rows.
    start : numpy.ndarray, shape (p,)
        Where the value is finite.
    max_iterations : int
        The most steps that are made.
    tol : float
        Stop when the decrement and the score norm are below tol * sqrt(n): the mean negative
        log-likelihood is then within tol^2 / 2 of the optimum.
    borrowed : numpy.ndarray, shape (p, p), optional
        The Hessian of a similar function. Steps are then made with it, and cost one gradient each,
        until the Hessian at the optimum is due, or a step fails.
    on_iteration : callable, optional
        Called with the history after every iteration.

    Returns
    -------
    Optimum
        Never worse than the start; `converged` says whether it is an optimum.

    Notes
    -----
    Armijo's backtracking; a Hessian that is not positive definite is modified, after its columns
    are scaled: Nocedal and Wright, *Numerical Optimization*, 2nd ed., 2006, sections 3.1 and 3.4,
    doi:10.1007/978-0-387-40065-5. Where a decrease drowns in the rounding of the value, a step is
    taken as long as the slope along it falls: Hager and Zhang (2005), doi:10.1137/030601880.
    """
    coef, tol = np.array(start, dtype="float64"), tol * np.sqrt(max(len(likelihood), 1))
    tol = tol if borrowed is None else 10.0 * tol  # the true Hessian's own last step squares it
    history = {"nll": [], "decrement": [], "score_norm": [], "step": []}
    curvature = None if borrowed is None else _Borrowed(Curvature(borrowed))
    value, gradient, hessian = likelihood(coef, curvature is None)
    if not np.isfinite(value):
        raise FloatingPointError(
            "Expected a finite log-likelihood at the starting values. Received: "
            f"{-value}. Choose others, fit(start_params=...), or another link."
        )
    last, converged = np.inf, False
    while True:
        if hessian is not None:
            curvature = Curvature(hessian)
        direction = -curvature.solve(gradient)
        decrement = float(np.sqrt(max(-(gradient @ direction), 0.0)))
        score_norm = float(np.max(np.abs(gradient) / curvature.scale, initial=0.0))
        near = max(decrement, score_norm) <= tol
        exact = hessian is not None
        stalled = decrement <= 1e-5 and decrement > 0.5 * last  # all that is left is rounding
        if exact and not curvature.damped and (near or stalled):
            converged, step = True, 1.0
            coef = coef + direction  # the last step costs nothing
        elif len(history["nll"]) >= max_iterations:
            break
        elif not exact and (near or decrement > 0.5 * last):
            value, gradient, hessian = likelihood(coef, True)
            last = np.inf
            continue
        else:
            # A borrowed Hessian gains a steady factor: the step before the last sees the true one.
            rate = decrement / last if 0.0 < last < np.inf else 0.1
            want = exact or decrement * rate <= tol
            moved = _search(likelihood, coef, value, gradient, direction, want)
            if moved is None and not exact:
                value, gradient, hessian = likelihood(coef, True)
                last = np.inf
                continue
            if moved is None:
                converged, step = decrement <= 1e-5 and not curvature.damped, 0.0
            else:
                step, point, found = moved
                if isinstance(curvature, _Borrowed):
                    curvature.learn(step * direction, found[1] - gradient)
                coef, (value, gradient, hessian) = point, found
        for name, entry in zip(history, (value, decrement, score_norm, step), strict=True):
            history[name].append(entry)
        if on_iteration is not None:
            on_iteration(history)
        if converged or step == 0.0:
            break
        last = decrement
    if hessian is None:
        value, gradient, hessian = likelihood(coef, True)
    return Optimum(coef, value, gradient, hessian, decrement, score_norm, converged, history)


def _search(likelihood, coef, value, gradient, direction, second):
    """Return the step size, the point, and the likelihood there; None where no step is downhill."""
    slope = float(gradient @ direction)
    rounding = 1e-12 * (abs(value) + 1.0)
    size = 1.0
    while size > 1e-12:
        point = coef + size * direction
        found = likelihood(point, second)
        if np.isfinite(found[0]) and np.isfinite(found[1]).all():
            if found[0] <= value + _ARMIJO * size * slope:
                return size, point, found
            if found[0] <= value + rounding and abs(found[1] @ direction) < 0.9 * abs(slope):
                return size, point, found
        size *= 0.5
    return None


class Progress:
    """A line of progress on a fit that takes more than a few seconds."""

    def __init__(self, verbose="auto"):
        self.verbose, self.begin, self.bar = verbose, time.monotonic(), None

    def __call__(self, history):
        """Show the last iteration."""
        if not self.verbose or (self.verbose == "auto" and time.monotonic() - self.begin < 3.0):
            return
        import keras

        if self.bar is None:
            self.bar = keras.utils.Progbar(
                None, unit_name="iteration", stateful_metrics=["nll", "decrement"]
            )
        values = [("nll", history["nll"][-1]), ("decrement", history["decrement"][-1])]
        self.bar.update(len(history["nll"]), values)

    def close(self):
        """End the line, if there is one."""
        if self.bar is not None:
            print()
