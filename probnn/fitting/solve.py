"""The one door of every fit, which chooses the solver."""

from dataclasses import replace

from probnn import backend
from probnn.fitting.least_absolute import LeastAbsolute
from probnn.fitting.least_squares import LeastSquares
from probnn.fitting.newton import Newton
from probnn.fitting.penalties import Penalised
from probnn.fitting.proximal import ProximalNewton

_LARGE = 2_000_000  # numbers in a design from which on a GPU is worth the way to it


def solve(
    objective,
    start,
    penalty=None,
    *,
    max_iterations=100,
    tol=1e-9,
    near=None,
    engine="host",
    on_iteration=None,
):
    """Minimise an objective, with a penalty or without, by the solver that suits it.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    start : numpy.ndarray, shape (p,), or callable
        Where its value is finite; or what returns that, for solvers that need one.
    penalty : Penalty, optional
        What is added.
    max_iterations, tol, on_iteration
        As for `probnn.fitting.newton.Newton`.
    near : numpy.ndarray, shape (p, p), optional
        A Hessian like that at the optimum, where the start is near it.
    engine : {"auto", "host", "device"}
        As for `GLM.fit`.

    Returns
    -------
    Optimum
        Value, gradient and Hessian are those of the objective alone; `history` has the penalty.

    Raises
    ------
    ValueError
        If the penalty is none of such an objective.

    Notes
    -----
    A lasso takes the proximal Newton method. Linear models are solved by an orthogonal
    factorisation, and absolute deviations as a linear program. All else is Newton's method: where
    rows are many, from the optimum of a sample of them, with steps that borrow its Hessian; where
    coefficients are many, with steps that borrow that of the mean curvature at the start.
    """
    if penalty is None and not objective.smooth:
        return LeastAbsolute().solve(objective)
    if penalty is None and near is None and objective.is_quadratic and objective.in_memory:
        return LeastSquares().solve(objective)
    added = None if penalty is None else penalty.on(objective)
    start = start() if callable(start) else start
    options = {"max_iterations": max_iterations, "tol": tol, "on_iteration": on_iteration}
    if penalty is not None:
        smooth = added.lasso is None
        solver = Newton(**options) if smooth else ProximalNewton(added.lasso, **options)
        found = solver.solve(Penalised(objective, added), start)
        value, gradient, hessian = objective(found.coef)
        return replace(found, value=value, gradient=gradient, hessian=hessian, penalty=penalty)
    if near is None and objective.in_memory and _on_device(objective, engine):
        from probnn.fitting.device import DeviceLikelihood

        objective = DeviceLikelihood(objective)
    elif near is None:
        start, near = _from_sample(objective, start)
        near = objective.mean_hessian(start) if near is None else near
    elif objective.is_quadratic:
        near = None  # its own Hessian arrives in one step
    borrowed = {"near": near, "cost": objective.cost, "rough": objective.rough_hessian}
    return Newton(**borrowed, **options).solve(objective, start)


def _on_device(objective, engine):
    large = len(objective) * objective.size > _LARGE
    return engine == "device" or (engine == "auto" and large and backend.has_gpu())


def _from_sample(objective, start):
    """Return a sample's optimum, and the Hessian of more rows as a map of the way from it."""
    sample = objective.sample()
    if sample is None:
        return start, None
    try:
        first = Newton(50, 1e-4).solve(sample, start)
        hessian, rows = first.hessian, len(sample)
        more = objective.thinned(5)
        if more is not None:
            hessian, rows = hessian + more(first.coef)[2], rows + len(objective) / 5
    except FloatingPointError:
        return start, None
    return first.coef, hessian * (len(objective) / rows)
