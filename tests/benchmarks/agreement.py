"""How far the answers of GLMs are from statsmodels', on statsmodels' own data sets.

    python tests/benchmarks/agreement.py [--record]

Both are fitted to their last digits. An error is relative: to the number itself; of a residual, a
covariance or an interval, to the largest of its kind; of a p-value, to what one unit of rounding of
its statistic moves it by.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
from _record import options, show

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tables.glms import GLMS, compare, data


def table():
    """Return a row for each model: its data, and the largest errors."""
    rows = []
    for case in GLMS:
        _, errors = compare(case)
        row = {
            "model": f"{case.name}, {case.data}",
            "rows": f"{len(data(case.data)[0]):,}",
            "coefficients": f"{errors['params']:.0e}",
            "standard errors": f"{errors['bse']:.0e}",
            "answers": len(errors),
            "worst": f"{max(errors.values()):.0e} ({max(errors, key=errors.get)})",
        }
        rows.append(row)
    return pd.DataFrame(rows).set_index("model")


def main():
    """Print the table."""
    arguments = options(__doc__).parse_args()
    found = table()
    caption = f"The largest relative errors of {len(found)} models against statsmodels"
    show("agreement", {caption: found}, arguments.record)


if __name__ == "__main__":
    main()
