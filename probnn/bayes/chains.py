"""What ArviZ says of chains."""

import warnings

import numpy as np


def counted(found, chains, counts):
    """Return ArviZ's leave-one-out of rows, each of which stands for as many as it counts."""
    flat = chains.reshape(-1, len(counts))
    each, total = found["loo_i"].to_numpy(), float(counts.sum())
    density = np.logaddexp.reduce(flat, axis=0) - np.log(len(flat))
    mean = float(counts @ each) / total
    found["elpd_loo"] = float(counts @ each)
    found["p_loo"] = float(counts @ (density - each))
    found["se"] = float(np.sqrt(total * (counts @ np.square(each - mean) / total)))
    found["n_data_points"] = int(total) if total.is_integer() else total
    return found


def arviz():
    """Return ArviZ, without its word on its next version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            import arviz
    except ImportError as error:
        raise ImportError(
            'Expected ArviZ, which compares chains: pip install "probnn[bayes]".'
        ) from error
    return arviz
