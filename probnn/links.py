"""Link functions: from a parameter's natural scale to the raw scale of a network, and back.

A link g is written in the GLM literature as eta = g(mu), with mu the natural parameter and eta the
raw (linear) predictor; the network computes eta and `inverse` gives mu. Every function takes NumPy
arrays (computed by NumPy and SciPy in the array's own precision) or tensors of the Keras backend.

Notes
-----
Names and definitions follow McCullagh and Nelder, *Generalized Linear Models*, 2nd ed., 1989
(doi:10.1201/9780203753736), and `statsmodels.genmod.families.links`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from probnn import backend, domains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from probnn._types import Tensor

LINKS = {}


def same_class(one, other):
    """Return whether two classes are one, perhaps defined twice by a notebook cell."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def register(link):
    """Make a link known by its name, so that models which use it can be saved and loaded.

    Parameters
    ----------
    link : Link
        A link of your own; its `name` must not be taken.

    Returns
    -------
    Link
        The same link.

    Raises
    ------
    ValueError
        If another link has that name.

    Examples
    --------
    >>> import probnn as pn
    >>> class Odds(pn.links.Link):
    ...     name, domain = "odds", pn.domains.UNIT
    ...     def forward(self, mu):
    ...         return mu / (1.0 - mu)
    ...     def inverse(self, eta):
    ...         return eta / (1.0 + eta)
    >>> link = pn.links.register(Odds())
    >>> pn.links.get("odds").forward(0.75)
    3.0
    """
    taken = LINKS.get(link.name)
    if taken is not None and not same_class(type(taken), type(link)):
        raise ValueError(f"A link named {link.name!r} is registered already: choose another name.")
    LINKS[link.name] = link
    return link


def get(identifier: str | dict[str, Any] | Link) -> Link:
    """Return a link by its name, its configuration, or itself.

    Parameters
    ----------
    identifier : str, dict or Link
        A name from `LINKS` ("inverse-squared" is "inverse_squared"); or what `Link.get_config`
        returned; or a link.

    Returns
    -------
    Link

    Raises
    ------
    ValueError
        If no link of that name is registered.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.links.get("logit").inverse(0.0))
    0.5
    """
    if type(identifier) is str and identifier in LINKS:
        return LINKS[identifier]
    if isinstance(identifier, Link):
        return identifier
    name, config = identifier, {}
    if isinstance(identifier, dict):
        config = dict(identifier)
        name = config.pop("name")
    name = str(name).replace("-", "_")
    if name not in LINKS:
        raise ValueError(
            f"Unknown link. Expected one of {', '.join(LINKS)}, or a Link. Received: {name!r}. "
            "A link of your own is made known by `probnn.links.register(link)`, before a model "
            "that uses it is loaded."
        )
    return type(LINKS[name])(**config) if config else LINKS[name]


class Link(ABC):
    """A smooth, strictly monotone function from a parameter to the real line.

    To write one: give it a `name`, the `domain` of its parameter, `forward` and `inverse`; with
    `backend.math(x)` the same lines serve NumPy arrays and tensors. Override `log_inverse` and
    `log_complement` where the logarithm of a small probability would be lost. `register` it.

    Attributes
    ----------
    name : str
        The name by which `get` finds it.
    domain : probnn.domains.Domain
        The values that `inverse` can take.
    symmetric : bool
        Whether inverse(-eta) = 1 - inverse(eta).
    elementwise : bool
        Whether it maps number by number; if not, vectors along the last axis.
    """

    name: ClassVar[str]
    domain: ClassVar[domains.Domain]
    symmetric: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    @abstractmethod
    def forward(self, mu: Tensor) -> Tensor:
        """Return eta = g(mu), elementwise."""

    @abstractmethod
    def inverse(self, eta: Tensor) -> Tensor:
        """Return mu, the inverse of g at eta, elementwise."""

    def log_inverse(self, eta: Tensor) -> Tensor:
        """Return log(mu), without rounding mu to 0 first where a link can avoid it."""
        return backend.math(eta).log(self.inverse(eta))

    def log_complement(self, eta: Tensor) -> Tensor:
        """Return log(1 - mu), for links of probabilities."""
        if self.symmetric:
            return self.log_inverse(-eta)
        return backend.math(eta).log1p(-self.inverse(eta))

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return log(d mu / d eta), which the density of a parameter takes on to that of eta."""
        raise NotImplementedError(
            f"Expected a link with log_slope, for a prior of a parameter. Received: {self!r}. "
            "Write it, log(d mu / d eta), or give a prior of the raw value: a normal one."
        )

    def raw_label(self, param: Any, j: int, classes: Sequence[Any] | None = None) -> str:
        """Return what tells raw column j of a vector from the others: its number, or its class."""
        if param.size is None:
            return ""
        number = j + param.shape[0] - param.size
        return f" [{number if classes is None else classes[number]}]"

    def get_config(self) -> dict[str, Any]:
        """Return the name and the arguments of this link, as JSON types."""
        return {"name": self.name}

    def __eq__(self, other):
        if self is other:
            return True
        return isinstance(other, Link) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(tuple(sorted(self.get_config().items())))

    def __repr__(self):
        return f"<link {self.name}>"


class Identity(Link):
    """eta = mu."""

    name = "identity"
    domain = domains.REAL

    def forward(self, mu):
        """Return mu."""
        return mu

    def inverse(self, eta):
        """Return eta."""
        return eta

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return 0."""
        return 0.0 * eta


class Log(Link):
    """eta = log(mu)."""

    name = "log"
    domain = domains.POSITIVE

    def forward(self, mu):
        """Return log(mu)."""
        return backend.math(mu).log(mu)

    def inverse(self, eta):
        """Return exp(eta)."""
        return backend.math(eta).exp(eta)

    def log_inverse(self, eta):
        """Return eta."""
        return eta

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return eta."""
        return eta


class Softplus(Link):
    """eta = log(exp(mu) - 1): near the identity for large mu, near the logarithm for small mu."""

    name = "softplus"
    domain = domains.POSITIVE

    def forward(self, mu):
        """Return mu + log(1 - exp(-mu)), which neither overflows nor cancels."""
        m = backend.math(mu)
        return mu + m.log(-m.expm1(-mu))

    def inverse(self, eta):
        """Return log(1 + exp(eta))."""
        return backend.math(eta).softplus(eta)

    def log_inverse(self, eta):
        """Return log(log(1 + exp(eta))), which is eta where exp(eta) is lost beside 1."""
        m = backend.math(eta)
        tail = -40.0  # exp(-40) / 2, the next term of the series, is below the last bit of 40
        return m.where(eta < tail, eta, m.log(m.softplus(m.maximum(eta, tail))))

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return -log(1 + exp(-eta))."""
        return -backend.math(eta).softplus(-eta)


class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    name = "logit"
    domain = domains.UNIT
    symmetric = True

    def forward(self, mu):
        """Return the log-odds of mu."""
        return backend.math(mu).logit(mu)

    def inverse(self, eta):
        """Return 1 / (1 + exp(-eta))."""
        return backend.math(eta).sigmoid(eta)

    def log_inverse(self, eta):
        """Return -log(1 + exp(-eta))."""
        return -backend.math(eta).softplus(-eta)

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return log(mu (1 - mu))."""
        return self.log_inverse(eta) + self.log_inverse(-eta)


class Probit(Link):
    """eta = Phi^-1(mu), with Phi the standard normal cdf."""

    name = "probit"
    domain = domains.UNIT
    symmetric = True

    def forward(self, mu):
        """Return the standard normal quantile of mu."""
        return backend.math(mu).ndtri(mu)

    def inverse(self, eta):
        """Return the standard normal cdf at eta."""
        return backend.math(eta).ndtr(eta)

    def log_inverse(self, eta):
        """Return log(Phi(eta))."""
        return backend.math(eta).log_ndtr(eta)

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return the logarithm of the standard normal density."""
        return -0.5 * eta * eta - 0.9189385332046727


def log1mexp(u):
    """Return log(1 - exp(-u)) for u > 0, by whichever form keeps its digits (Maechler 2012)."""
    m = backend.math(u)
    half = 0.6931471805599453
    far = m.log1p(-m.exp(-m.maximum(u, half)))
    return m.where(u > half, far, m.log(-m.expm1(-m.minimum(u, half))))


class CLogLog(Link):
    """eta = log(-log(1 - mu)): the complementary log-log."""

    name = "cloglog"
    domain = domains.UNIT

    def forward(self, mu):
        """Return log(-log(1 - mu))."""
        m = backend.math(mu)
        return m.log(-m.log1p(-mu))

    def inverse(self, eta):
        """Return 1 - exp(-exp(eta))."""
        m = backend.math(eta)
        return -m.expm1(-m.exp(eta))

    def log_inverse(self, eta):
        """Return log(1 - exp(-exp(eta)))."""
        return log1mexp(backend.math(eta).exp(eta))

    def log_complement(self, eta):
        """Return -exp(eta)."""
        return -backend.math(eta).exp(eta)

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return eta - exp(eta)."""
        return eta - backend.math(eta).exp(eta)


class LogLog(Link):
    """eta = -log(-log(mu))."""

    name = "loglog"
    domain = domains.UNIT

    def forward(self, mu):
        """Return -log(-log(mu))."""
        m = backend.math(mu)
        return -m.log(-m.log(mu))

    def inverse(self, eta):
        """Return exp(-exp(-eta))."""
        m = backend.math(eta)
        return m.exp(-m.exp(-eta))

    def log_inverse(self, eta):
        """Return -exp(-eta)."""
        return -backend.math(eta).exp(-eta)

    def log_complement(self, eta):
        """Return log(1 - exp(-exp(-eta)))."""
        return log1mexp(backend.math(eta).exp(-eta))

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return -eta - exp(-eta)."""
        return -eta - backend.math(eta).exp(-eta)


class Cauchit(Link):
    """eta = tan(pi (mu - 1/2)): the quantile of the standard Cauchy distribution."""

    name = "cauchit"
    domain = domains.UNIT
    symmetric = True

    def forward(self, mu):
        """Return the cotangent of the nearer tail, so that no digit of a small one is lost."""
        m = backend.math(mu)
        pi = 3.141592653589793
        return m.where(mu < 0.5, -1.0 / m.tan(pi * mu), 1.0 / m.tan(pi * (1.0 - mu)))

    def inverse(self, eta):
        """Return the angle of the point (-eta, 1), over pi: exact in both tails."""
        m = backend.math(eta)
        return m.arctan2(eta * 0.0 + 1.0, -eta) / 3.141592653589793

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return -log(pi (1 + eta^2))."""
        return -backend.math(eta).log(3.141592653589793 * (1.0 + eta * eta))


class Power(Link):
    """eta = mu ** exponent.

    Parameters
    ----------
    exponent : float
        Any number but 0, whose limit is the log link.

    Examples
    --------
    >>> import probnn as pn
    >>> pn.links.Power(3.0).forward(2.0)
    8.0
    """

    name = "power"
    domain = domains.POSITIVE

    def __init__(self, exponent=1.0):
        if exponent == 0:
            raise ValueError(
                "Expected a power link's exponent to differ from 0. Received: 0. Its limit at 0 "
                "is the link 'log'."
            )
        self.exponent = float(exponent)

    def forward(self, mu):
        """Return mu ** exponent."""
        return mu**self.exponent

    def inverse(self, eta):
        """Return eta ** (1 / exponent)."""
        return eta ** (1.0 / self.exponent)

    def log_slope(self, eta: Tensor) -> Tensor:
        """Return log |d mu / d eta|."""
        power = 1.0 / self.exponent
        log = backend.math(eta).log
        return (power - 1.0) * log(eta) + log(abs(power) + 0.0 * eta)

    def get_config(self):
        """Return the name and the exponent."""
        return {"name": self.name, "exponent": self.exponent}


class _NamedPower(Power):
    """A power whose exponent its name implies."""

    exponent: ClassVar[float]

    def __init__(self):
        pass

    get_config = Link.get_config


class Inverse(_NamedPower):
    """eta = 1 / mu, the canonical link of the gamma family up to its sign."""

    name = "inverse"
    exponent = -1.0


class InverseSquared(_NamedPower):
    """eta = 1 / mu^2, the canonical link of the inverse Gaussian family up to its sign."""

    name = "inverse_squared"
    exponent = -2.0


class Sqrt(_NamedPower):
    """eta = sqrt(mu)."""

    name = "sqrt"
    exponent = 0.5


for _link in (
    Identity(),
    Log(),
    Softplus(),
    Logit(),
    Probit(),
    CLogLog(),
    LogLog(),
    Cauchit(),
    Inverse(),
    InverseSquared(),
    Sqrt(),
    Power(),
):
    register(_link)
