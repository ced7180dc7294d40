"""Seconds and memory of GLM fits, beside statsmodels, scikit-learn and glum at equal accuracy.

    python tests/benchmarks/glm.py [--quick] [--cases NAME ...] [--peers NAME ...] [--repeats N]
        [--record]

A fit counts where every coefficient is within 1e-6 * max(1, |b|) of the optimum b, which a careful
Newton's method finds here. Each solver has the loosest tolerance of a ladder that meets this; one
that never does is not among the fastest. The runs alternate in one process, on the same row-major
float64 arrays, with the threads each library takes by default; a solver that needs over 10 seconds
runs twice. Times include standard errors where the table shows their error. The last table says how
much of the rate of `syrk`, the product X'X by BLAS, one Hessian reaches, how much of the memory's
rate one gradient does, and how many products of a matrix with as many columns as coefficients would
take the time of our whole fit.
"""

import ctypes
import gc
import importlib
import os
import statistics
import subprocess
import sys
import time
import warnings
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from _glm_cases import CASES, make, optimum
from _record import options, record

ACCURACY = 1e-6
SLOW = 10.0  # seconds: a solver slower than this runs twice, and its tolerance is not tightened
LADDER = tuple(10.0**-k for k in range(4, 13))


def ours(x, y, family, tol):
    """Return our coefficients and standard errors."""
    from probnn.glm import GLM

    fit = GLM(y, x, family=known(family, y)).fit()
    return np.asarray(fit.params), np.asarray(fit.bse)


def known(family, y):
    """Return our family of a case."""
    from probnn import families

    classes = {"classes": int(y.max()) + 1} if family == "categorical" else {}
    return families.get(family, **classes)


def statsmodels(x, y, family, tol, newton):
    """Return the answers of its models by Newton's method, or of `GLM`, or `OLS`, by its own."""
    import statsmodels.api as sm

    if newton:
        models = {"bernoulli": sm.Logit, "poisson": sm.Poisson, "categorical": sm.MNLogit}
        fit = models[family](y, x).fit(method="newton", tol=tol, maxiter=100, disp=0)
    elif family == "normal":
        fit = sm.OLS(y, x).fit()
    else:
        kind = {"bernoulli": sm.families.Binomial, "poisson": sm.families.Poisson}[family]
        fit = sm.GLM(y, x, family=kind()).fit(tol=tol)
    return fit.params, fit.bse


def sklearn(x, y, family, tol, solver):
    """Return scikit-learn's coefficients; it gives no standard errors."""
    from sklearn.linear_model import LogisticRegression, PoissonRegressor

    options = dict(fit_intercept=False, solver=solver, tol=tol, max_iter=1000)
    if family == "poisson":
        fit = PoissonRegressor(alpha=0, **options)
    else:
        fit = {"bernoulli": LogisticRegression, "categorical": LogisticRegression}[family](
            C=np.inf, **options
        )
    b = fit.fit(x, y).coef_
    return (b[1:] - b[0]).T if family == "categorical" else np.ravel(b), None


def glum(x, y, family, tol, errors):
    """Return glum's coefficients, and standard errors where asked."""
    from glum import GeneralizedLinearRegressor

    options = dict(family="binomial" if family == "bernoulli" else family, gradient_tol=tol)
    fit = GeneralizedLinearRegressor(alpha=0, fit_intercept=False, **options).fit(x, y)
    how = dict(dispersion=1, robust=False, expected_information=True)
    return fit.coef_, fit.std_errors(x, y, **how) if errors else None


SOLVERS = {  # and the tolerances to try, of which None is the solver's own default
    "ours": (ours, (None,)),
    "statsmodels-glm": (partial(statsmodels, newton=False), (1e-8, 1e-12)),  # 1e-8 is its default
    "statsmodels-newton": (partial(statsmodels, newton=True), LADDER),
    "sklearn-cholesky": (partial(sklearn, solver="newton-cholesky"), LADDER),
    "sklearn-lbfgs": (partial(sklearn, solver="lbfgs"), LADDER),
    "glum": (partial(glum, errors=False), LADDER),
    "glum-errors": (partial(glum, errors=True), LADDER),
}


def run(solve, *args):
    """Return the seconds of one fit, and its answers."""
    gc.collect()
    with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        found = solve(*args)
        return time.perf_counter() - start, found


@dataclass
class Row:
    """A solver's runs on one case, and how far it is from the optimum."""

    name: str
    tol: float | None = None
    seconds: list = field(default_factory=list)
    error: float = np.inf  # the largest of |b - b*| / max(1, |b*|)
    in_se: float = np.inf  # the largest of |b - b*| / se*
    se_error: float | None = None  # the largest of |se / se* - 1|
    note: str = ""

    accurate = property(lambda self: self.error <= ACCURACY)
    median = property(lambda self: statistics.median(self.seconds))


def calibrate(name, x, y, family, best, se):
    """Return a solver's row, with one run at the loosest tolerance that is accurate."""
    solve, ladder = SOLVERS[name]
    row = Row(name)
    for row.tol in ladder:
        try:
            seconds, (b, errors) = run(solve, x, y, family, row.tol)
        except Exception as failure:
            row.note = f"failed: {type(failure).__name__}: {str(failure)[:80]}"
            continue
        row.seconds, row.note = [seconds], ""
        row.error = float(np.max(np.abs(b - best) / np.maximum(1, np.abs(best))))
        row.in_se = float(np.max(np.abs(b - best) / se))
        row.se_error = None if errors is None else float(np.max(np.abs(errors / se - 1)))
        if row.accurate:
            break
        row.note = "excluded: not accurate"
        if seconds > SLOW:
            break
    return row


def measure(case, names, repeats):
    """Return a row for each solver, after alternating runs."""
    x, y = make(case)
    reference = optimum(x, y, case.family)
    rows = {name: calibrate(name, x, y, case.family, *reference) for name in names}
    fast = {name for name, row in rows.items() if row.accurate and row.seconds[0] < SLOW}
    for name in fast:
        rows[name].seconds.clear()  # the run that found the tolerance was the warm-up
    for again in range(repeats):
        for name, row in rows.items():
            if name in fast or (row.accurate and again == 0):
                row.seconds.append(run(SOLVERS[name][0], x, y, case.family, row.tol)[0])
    return rows


def in_products(case, seconds):
    """Return the shares of the rates of BLAS and memory that sums reach, and a fit in X'X."""
    from probnn.glm import GLM

    x, y = make(case)
    model = GLM(y, x, family=known(case.family, y))
    size = len(model.parameter_names)
    likelihood, b = model.likelihood(), np.zeros(size)
    square = np.random.default_rng(0).normal(size=(4_000, 1_000))
    rate = 4e9 / statistics.median(run(lambda: square.T @ square)[0] for _ in range(5))
    product = case.n * size**2 / rate
    hessian = statistics.median(run(likelihood, b)[0] for _ in range(3))
    gradient = statistics.median(run(likelihood, b, False)[0] for _ in range(5))
    numbers = x.ravel()
    read = statistics.median(run(numbers.dot, numbers)[0] for _ in range(5))
    return {
        "coefficients": size,
        "X'X s": f"{product:.3f}",
        "Hessian s": f"{hessian:.3f}",
        "share of syrk": f"{product / hessian:.0%}",
        "fit in X'X": f"{seconds / product:.1f}",
        "X read s": f"{read:.4f}",
        "gradient s": f"{gradient:.4f}",
        "share of memory": f"{read / gradient:.0%}",
    }


def ratios(rows):
    """Return, for each solver, its median seconds over ours."""
    mine = rows["ours"].median if "ours" in rows and rows["ours"].accurate else np.nan
    return {name: row.median / mine for name, row in rows.items() if row.seconds}


def table(rows):
    """Return a case's table, a row for a solver."""
    cells = {}
    for name, row in rows.items():
        cells[name] = {"tol": "", "note": row.note}
        if row.seconds:
            cells[name] = {
                "tol": "own" if row.tol is None else f"{row.tol:.0e}",
                "runs": len(row.seconds),
                "median s": f"{row.median:.3f}",
                "min s": f"{min(row.seconds):.3f}",
                "/ ours": f"{ratios(rows)[name]:.2f}",
                "b error": f"{row.error:.1e}",
                "in se": f"{row.in_se:.1e}",
                "se error": "none" if row.se_error is None else f"{row.se_error:.1e}",
                "note": row.note,
            }
    return pd.DataFrame.from_dict(cells, orient="index").fillna("")


def summary(tables):
    """Return how many times as long as ours the peers take, a row for a case."""
    cells = {}
    for title, rows in tables.items():
        peers = [row for name, row in rows.items() if row.accurate and name != "ours"]
        groups = {
            "fastest peer": peers,
            "fastest with standard errors": [row for row in peers if row.se_error is not None],
            "statsmodels GLM": [row for row in peers if row.name == "statsmodels-glm"],
        }
        cells[title] = {"ours": f"{rows['ours'].median:.3f}" if "ours" in rows else "-"}
        for head, group in groups.items():
            row = min(group, key=lambda row: row.median, default=None)
            found = f"{row.name} {row.median:.3f}, {ratios(rows)[row.name]:.2f}" if row else "-"
            cells[title][head] = found
    return pd.DataFrame.from_dict(cells, orient="index")


def status(key):
    """Return bytes from this process's status, such as its resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def memory(case, name):
    """Print bytes: of the data, and resident before the data, with the data and at the peak."""
    solve, ladder = SOLVERS[name]
    rest = (case.family, ladder[len(ladder) // 2])
    few = min(case.n, 10 * case.p + 2_000)  # of more rows than columns, else classes are separated
    run(solve, *make(case._replace(n=few)), *rest)  # imports and thread pools are not counted
    without = status("VmRSS")
    x, y = make(case)
    ctypes.CDLL(None).malloc_trim(0)  # memory freed but still resident would hide the fit's own
    held = status("VmRSS")
    with suppress(OSError):  # where this is not allowed, the peak is of the whole process
        Path("/proc/self/clear_refs").write_text("5")
    run(solve, x, y, *rest)
    print(x.nbytes + y.nbytes, without, held, status("VmHWM"))


def memories(names, solver, quick):
    """Return the peak memory of a solver, in a fresh process for each case."""
    cells = {}
    for name in names:
        command = [sys.executable, __file__, "--memory-of", solver, "--cases", name]
        done = subprocess.run(command + ["--quick"] * quick, stdout=subprocess.PIPE, check=True)
        data, without, held, peak = map(int, done.stdout.splitlines()[-1].split())
        cells[name] = {
            "data MB": f"{data / 1e6:.0f}",
            "peak / before fit": f"{peak / held:.2f}",
            "(peak - base) / data": f"{(peak - without) / data:.2f}",
        }
    return pd.DataFrame.from_dict(cells, orient="index")


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--peers", nargs="*", choices=list(SOLVERS)[1:], default=list(SOLVERS)[1:])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the rows")
    parser.add_argument(
        "--memory-of", choices=SOLVERS, help="print only a solver's memory, in bytes"
    )
    args = parser.parse_args()
    cases = {k: CASES[k]._replace(n=CASES[k].n // (20 if args.quick else 1)) for k in args.cases}
    if args.memory_of:
        return memory(cases[args.cases[0]], args.memory_of)
    names = ["ours", *args.peers]
    if not hasattr(importlib.import_module("probnn.glm"), "GLM"):
        print("ours is skipped: probnn.glm has no GLM")
        names.remove("ours")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; over {SLOW:.0f} s runs twice")
    tables, found = {}, {}

    def show(caption, frame):
        found[caption] = frame
        print(f"\n{caption}\n{frame.to_string()}", flush=True)

    for title, case in cases.items():
        tables[title] = measure(case, names, args.repeats)
        classes = f", {case.classes} classes" if case.family == "categorical" else ""
        caption = f"{title}: {case.family}, n {case.n:,}, p {case.p}{classes}"
        show(caption, table(tables[title]))
    show("A peer's median seconds, and that over ours: above 1 ours is faster", summary(tables))
    if "ours" in names:
        products = {name: in_products(cases[name], tables[name]["ours"].median) for name in cases}
        frame = pd.DataFrame.from_dict(products, orient="index")
        show("One Hessian, one gradient and our whole fit, beside BLAS's X'X and memory", frame)
        show(
            "Peak memory in its own process; data is x and y, base is before the data",
            memories(args.cases, "ours", args.quick),
        )
    if args.record:
        record("glm", found)
    if "ours" in names and not all(rows["ours"].accurate for rows in tables.values()):
        sys.exit("ours is not accurate on every case")


if __name__ == "__main__":
    main()
