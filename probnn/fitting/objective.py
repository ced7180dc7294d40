"""What a fit minimises: the protocol of every negative log-likelihood."""


class Objective:
    """A function of coefficients to be minimised: a negative log-likelihood, or one with more.

    To write one, subclass and

    1. set `size`, the number of coefficients p;
    2. write `__len__`, the number of rows: tolerances are those of a mean over rows;
    3. write `__call__(coef, second=True)`, which returns the value, the gradient (p,) and the
       Hessian (p, p), or None in its place where `second` is false. Where the function has no
       value, return NaN or infinity: a solver steps back.

    What more is true, say it; `probnn.fitting.solve` chooses the solver by that.

    Attributes
    ----------
    size : int
        The number of coefficients.
    smooth : bool
        Whether second derivatives exist everywhere.
    is_quadratic : bool
        Whether it is half the sum of squared residuals of a linear model, but for a constant.
    cost : float
        How many gradients take about the time of a Hessian.
    in_memory : bool
        Whether the rows are at hand, as those of a `probnn.fitting.likelihood.Likelihood` are.
    """

    size: int
    smooth = True
    is_quadratic = False
    cost = 2.0
    in_memory = False

    def __len__(self):
        raise NotImplementedError

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        raise NotImplementedError

    def sample(self):
        """Return the objective of a random part of many rows, whose optimum is near; else None."""
        return None

    def thinned(self, every):
        """Return the objective of one part in `every`, spread over all rows; None without one."""
        return None

    def mean_hessian(self, coef):
        """Return a matrix like the Hessian, where that spares its cost; else None."""
        return None

    def rough_hessian(self, coef):
        """Return a matrix more like the Hessian, where that still spares its cost; else None."""
        return None


class Sum(Objective):
    """The sum of likelihoods of parts of the rows, which each pass visits one after the other.

    Parameters
    ----------
    parts : callable
        Returns an iterator of likelihoods of the same coefficients.
    rows : int
        The number of rows in all of them.
    sample : Likelihood
        That of rows drawn at random from all parts.
    """

    def __init__(self, parts, rows, sample):
        self._parts, self._rows, self._sample = parts, rows, sample
        self.size, self.slices, self.predicted = sample.size, sample.slices, sample.predicted
        self.family = sample.family

    def __len__(self):
        return self._rows

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        total = None
        for part in self._parts():
            found = part(coef, second)
            total = found if total is None else added(total, found)
        return total

    def sample(self):
        """Return the likelihood of the rows that were drawn."""
        return self._sample


def added(one, two):
    """Return the sums of values, gradients, and Hessians where both are there."""
    pairs = zip(one, two, strict=True)
    return tuple(None if a is None or b is None else a + b for a, b in pairs)
