"""A distribution of tensors, for families that the backend's library lacks."""

import numpy as np


class OwnDistribution:
    """What a distribution of TFP or torch does first of all: densities, means and draws.

    Parameters
    ----------
    family : Family
        The family.
    params : dict
        Name -> tensor.
    """

    def __init__(self, family, params):
        self.family, self.params = family, params

    def log_prob(self, y):
        """Return the log-density, or log-mass, of y: a tensor, through which gradients flow."""
        return self.family._log_prob(y, **self.family.linked_to(self.params))

    def mean(self):
        """Return the mean, a tensor."""
        return self.family.mean(**self.params)

    def sample(self, size=(), seed=None):
        """Return draws, a tensor of shape (*size, ...), made on the host and without gradient."""
        import keras

        params = {
            k: keras.ops.convert_to_numpy(v).astype("float64") for k, v in self.params.items()
        }
        size = (size,) if np.ndim(size) == 0 else tuple(size)
        frozen = self.family.frozen(**params)
        shape = np.broadcast_shapes(
            *(v.shape[: v.ndim - len(self.family.params[k].shape)] for k, v in params.items())
        )
        draws = frozen.rvs(size=(*size, *shape), random_state=np.random.default_rng(seed))
        first = next(iter(self.params.values()))
        return keras.ops.convert_to_tensor(draws, dtype=first.dtype)

    def __repr__(self):
        return f"<distribution of {self.family!r}>"
