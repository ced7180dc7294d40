"""How often intervals of 95 per cent hold the truth, over many data sets that a model made.

    python tests/benchmarks/coverage.py [--repeats N] [--record]

Chance alone moves a share of 1,000 data sets by 0.7 points (one standard deviation).
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
from _record import options, show

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tables.simulated import FAMILIES, simulate


def main():
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    arguments = parser.parse_args()
    rows = {}
    for name in FAMILIES:
        found = simulate(name, repeats=arguments.repeats)
        rows[name] = {
            "share": ", ".join(f"{value:.1%}" for value in found.share),
            "error / spread": ", ".join(
                f"{e / s:.3f}" for e, s in zip(found.error, found.spread, strict=True)
            ),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    caption = (
        f"{arguments.repeats:,} data sets of 1,000 rows: the share of intervals that hold "
        "the truth, and the mean standard error over the spread of the estimates; for the constant "
        "and two slopes"
    )
    show("coverage", {caption: frame}, arguments.record)


if __name__ == "__main__":
    main()
