"""Correct digits on NIST's linear-regression sets, beside statsmodels and NumPy.

    python tests/benchmarks/nist.py [--record]

A digit is counted by the log relative error -log10(|found - certified| / |certified|), or the log
absolute error where the certified value is 0, capped at 15; each figure is the worst over a set's
coefficients, or standard errors. The sets are read from the folder that PROBNN_DATA names.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from _record import options, show

from probnn.fitting.least_squares import lstsq

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PROBNN_DATA", ROOT.parent / "shared" / "data")) / "nist"


def read(path):
    """Return the design, the response, and the certified coefficients and standard errors."""
    data = json.loads(path.read_text())
    x, y = np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)
    if data["model"] == "polynomial":
        x = x[:, :1] ** np.arange(data["degree"] + 1)
    elif data["model"] == "linear":
        x = np.column_stack([np.ones(len(y)), x])
    return x, y, np.array(data["coef"], dtype=float), np.array(data["se"], dtype=float)


def digits(found, certified):
    """Return the fewest correct digits of any value."""
    error = np.abs(found - certified)
    error = np.where(certified != 0, error / np.where(certified != 0, np.abs(certified), 1), error)
    with np.errstate(divide="ignore"):
        return float(np.clip(-np.log10(error), 0, 15).min())


def ours(x, y):
    """Return our coefficients and standard errors."""
    fit = lstsq(x, y)
    variance = fit.ssr / (len(y) - x.shape[1])
    return fit.coef, np.sqrt(variance * np.diag(fit.normalized_cov))


def numpys(x, y):
    """Return the coefficients of `numpy.linalg.lstsq`, which gives no standard errors."""
    return np.linalg.lstsq(x, y, rcond=None)[0], None


def statsmodels(method):
    """Return a function that gives the answers of `statsmodels.OLS`."""

    def solve(x, y):
        fit = sm.OLS(y, x).fit(method=method)
        return fit.params, fit.bse

    return solve


SOLVERS = {
    "probnn": ours,
    "statsmodels pinv": statsmodels("pinv"),
    "statsmodels qr": statsmodels("qr"),
    "numpy": numpys,
}


def table():
    """Return rows of set, and for each solver its digits of coefficients and standard errors."""
    rows = []
    for path in sorted(DATA.glob("*.json")):
        x, y, coef, se = read(path)
        found = {}
        for name, solve in SOLVERS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                b, errors = solve(x, y)
            found[name] = (digits(b, coef), None if errors is None else digits(errors, se))
        rows.append((path.stem, found))
    return rows


def main():
    """Print the table."""
    arguments = options(__doc__).parse_args()
    rows = table()
    if not rows:
        sys.exit(f"no sets in {DATA}: set PROBNN_DATA to the folder that has nist/")
    cells = {
        name: [
            ", ".join(f"{part:.1f}" for part in found[name] if part is not None)
            for _, found in rows
        ]
        for name in SOLVERS
    }
    frame = pd.DataFrame(cells, index=[name for name, _ in rows])
    caption = "Correct digits: coefficients, standard errors"
    show("nist", {caption: frame}, arguments.record)


if __name__ == "__main__":
    main()
