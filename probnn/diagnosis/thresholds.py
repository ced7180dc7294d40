"""When a check speaks: one table, with the reason of each number.

A check with a test needs both, a p-value below `level` and an effect beyond its own threshold: the
first keeps right models quiet, the second keeps trifles of many rows out.
"""

from typing import NamedTuple


class Threshold(NamedTuple):
    """A number, and why it is that one."""

    value: float
    reason: str


THRESHOLDS = {
    "level": Threshold(0.001, "twelve checks of a right model raise one false alarm in 80 models"),
    "rows": Threshold(30, "fewer rows are too few for the tests' large-sample distributions"),
    "distance": Threshold(
        1.0, "standard errors: training is then as far from the optimum as that is from the truth"
    ),
    "gap": Threshold(0.02, "nats per row of a deep network's head: a scale wrong by a sixth"),
    "below marginal": Threshold(0.01, "nats per row: a model that ignores x loses none"),
    "scale": Threshold(1e-3, "of the marginal's width: x would leave a thousandth of y unknown"),
    "dispersion": Threshold(1.2, "standard errors are then too small by a factor sqrt(1.2) = 1.1"),
    "zeros": Threshold(0.01, "of the rows: fewer wrong zeros change no mean noticeably"),
    "kurtosis": Threshold(0.5, "that of Student's t with 16 degrees of freedom, nearly normal"),
    "r squared": Threshold(
        0.01, "of squared residuals, whose variance is 2: variances differ by sqrt(0.02) = 14 %"
    ),
    "sd": Threshold(100.0, "or, of most columns, 1/100: curvatures then differ 10,000-fold"),
    "offset": Threshold(10.0, "|mean| / sd: the column's cosine with the constant is 0.995"),
    "idle units": Threshold(0.2, "of a layer: a few idle units are usual, and cost no accuracy"),
    "limit": Threshold(0.99, "|tanh|, or |2 sigmoid - 1|: the slope is 2 % of the steepest"),
    "saturation": Threshold(0.99, "of the rows at that limit: the unit learns from 1 % of them"),
    "over-fitting": Threshold(0.05, "nats per row: what a scale wrong by a quarter costs"),
    "ks": Threshold(0.05, "a probability that is wrong by 5 points somewhere"),
    "groups": Threshold(0.05, "of the rows: frequencies that are off by 5 points on average"),
    "recalibration": Threshold(0.005, "nats per row, all that two better numbers would gain"),
}


def limit(name):
    """Return a threshold's value."""
    return THRESHOLDS[name].value
