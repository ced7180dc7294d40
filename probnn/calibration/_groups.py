"""Groups of rows with like forecasts."""

import numpy as np


def grouped(forecast, count):
    """Return the group (n,), of at most `count` of about one size, of each row.

    Rows of one forecast are in one group, that of the middle of them, so that their order does not
    matter; where there are no more forecasts than groups, each is one.
    """
    order = np.argsort(forecast)
    ordered = forecast[order]
    # Equal forecasts may differ in their last digits: they are sums in another order.
    new = np.diff(ordered) > 1e-12 * np.abs(ordered[1:])
    value = np.empty(len(order), dtype=int)
    value[order] = np.concatenate([[0], np.cumsum(new)])
    rows = np.bincount(value)
    if len(rows) <= count:
        return value
    middle = np.cumsum(rows) - rows / 2
    return np.unique((count * middle / len(order)).astype(int), return_inverse=True)[1][value]
