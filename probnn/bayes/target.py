"""What is sampled: the likelihood of all coefficients and their prior, about the mode."""

from probnn._priors import Flat
from probnn.bayes.priors import Priors
from probnn.fitting.curvature import Curvature
from probnn.fitting.objective import Objective


class Target(Objective):
    """Minus the logarithm of a posterior density, but for a constant.

    Parameters
    ----------
    model : GLM
        A model, all of whose parameters are coefficients.
    priors : Priors
        Of these.
    start : numpy.ndarray, shape (p,), optional
        Coefficients near the mode.

    Attributes
    ----------
    mode : numpy.ndarray, shape (p,)
        The most probable coefficients, on the raw scale.
    hessian : numpy.ndarray, shape (p, p)
        That of the negative log-posterior there.

    Raises
    ------
    ValueError
        If there is no mode: priors are improper and the data do not suffice.
    """

    def __init__(self, model, priors, start=None):
        self.model, self.priors = model, priors
        self.likelihood = model.likelihood()
        self.size = self.likelihood.size
        if not model.family.smooth:
            raise ValueError(
                "Expected a family whose likelihood has second derivatives. Received: "
                f"{model.family!r}. A student_t one is heavy in its tails too."
            )
        if any(isinstance(prior, Flat) for prior in priors.each):
            self._check_identified()
        optimum = model.minimise(priors, start)
        if not optimum.converged:
            raise ValueError(
                "Expected a posterior with a mode. Received one where Newton's method found none: "
                "the priors are too wide for the data. Give narrower ones, priors={name: ...}, or "
                "rescale the columns."
            )
        self.mode = optimum.coef
        self.hessian = optimum.hessian + priors(self.mode)[2]

    def _check_identified(self):
        """Raise ValueError unless the data alone determine coefficients, of which some are flat."""
        try:
            self.model.check_identified()
        except ValueError as error:
            error.add_note("Or give every coefficient a proper prior: Flat() is none.")
            raise

    @classmethod
    def of(cls, model, priors=None, start=None):
        """Return the target of a model, with priors by name or a `Priors`, sought from a start."""
        return cls(model, Priors.of(model, priors), start)

    def __len__(self):
        return len(self.likelihood)

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        value, gradient, hessian = self.likelihood(coef, second)
        more, slope, curvature = self.priors.whole(coef, second)
        return value + more, gradient + slope, hessian + curvature if second else None

    def root(self):
        """Return a matrix R, R R' the covariance that the curvature at the mode implies."""
        return Curvature(self.hessian).inverse_root()
