"""What a family says of itself: its parameters and their links, and the kind of its response."""

from __future__ import annotations

import functools
import inspect
from abc import ABC
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import domains
from probnn.families._params import Linked, Param
from probnn.links import get as get_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from probnn._types import Floats, Tensor
    from probnn.families.base import Family
    from probnn.links import Link


class Facts(ABC):
    """What others ask of a family in place of its name; the parameters, their raw values and links.

    `Family` says what these are, and adds the distribution.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple] = ()  # its other names in the field; those of a parent are not its own
    parameters: ClassVar[dict[str, Param]]
    support: ClassVar[domains.Domain]
    discrete: ClassVar[bool] = False
    classes: ClassVar[int | None] = None  # how many, where y is the code of one
    closed_under_mixing: ClassVar[bool] = False  # whether its mixtures are of the family itself
    of_mean: ClassVar[bool] = False  # an exponential family whose location is its mean: a GLM's
    canonical_link: ClassVar[str | None] = None  # of the location, in the exponential family
    loss: ClassVar[str | None] = None  # what the location minimises: squared_, absolute_error
    proportions: ClassVar[bool] = False  # whether y may be the share of successes of a row
    has_tails: ClassVar[bool] = False  # whether `_log_cdf`, `_log_sf`, `_log_between` are there
    scale_parameter: ClassVar[str | None] = None  # that stretches y, or its logarithm
    components: ClassVar[int | None] = None  # of a mixture of distributions of one family
    censored: ClassVar[bool] = False  # whether y is a lower and an upper bound
    zero: ClassVar[str | None] = None  # the parameter that zeros beside those of counts have
    overdispersed: ClassVar[str | None] = None  # the family of a larger variance at the same mean
    heavier: ClassVar[tuple | None] = None  # families of heavier tails, where not those of its kind
    y_columns: ClassVar[int | None] = None  # of a response that is several numbers
    y_meaning: ClassVar[str] = ""  # of those columns
    atom: ClassVar[bool] = False  # whether the lowest value has a probability of its own
    vector: ClassVar[bool] = False  # whether the response is a random vector, of y_columns numbers
    smooth: ClassVar[bool] = True  # whether the log-density has second derivatives
    circular: ClassVar[bool] = False  # whether y is an angle
    given: ClassVar[tuple] = ()  # what a row's distribution needs besides parameters: trials
    constant_by_default: ClassVar[tuple] = ()  # parameters that a Head makes one number for all
    # Parameter -> 0 or infinity, and the simpler family that this one is there.
    limits: ClassVar[dict] = {}
    # Parameter without an intercept -> the one whose first raw value falls as it would rise.
    no_intercept: ClassVar[dict] = {}

    def __init__(
        self, link: str | Link | None = None, links: Mapping[str, str | Link] | None = None
    ) -> None:
        self.params = self._parameters()
        self.location = next(iter(self.params))
        chosen = dict(links or {})
        if link is not None:
            if self.location in chosen:
                raise ValueError(
                    f"Both `link` and `links` name a link for {self.location!r}: give it once."
                )
            chosen[self.location] = link
        self.check_names(chosen, "links")
        self.links = {
            name: get_link(chosen.get(name, param.link)) for name, param in self.params.items()
        }
        self.size = sum(param.columns for param in self.params.values())

    @classmethod
    def sizes(cls, params: dict[str, Any]) -> dict[str, int]:
        """Return the arguments that the sizes of natural parameters, arrays by name, tell."""
        return {}

    def _parameters(self):
        """Return name -> `Param`; overridden where the sizes depend on an argument."""
        return dict(self.parameters)

    # ---- the response ------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The name, and those of families that this one is made of."""
        return self.name

    @property
    def kind(self) -> str:
        """What a response is, in one word: what others ask in place of the name.

        "real", "positive", "proportion", "counts", "binary", "categorical", "ordinal", "circular",
        or "vector". A subclass states what flags and the support do not say.
        """
        if self.vector or self.circular:
            return "vector" if self.vector else "circular"
        if self.classes is not None:
            return "categorical"
        if self.support.whole:
            return "binary" if self.support == domains.BINARY else "counts"
        if self.support.low >= 0.0:
            return "proportion" if self.support.high <= 1.0 else "positive"
        return "real"

    @property
    def has_classes(self) -> bool:
        """Whether a response is the code of a class; 0 and 1 are too."""
        return self.kind in ("binary", "categorical", "ordinal")

    @property
    def is_canonical(self) -> bool:
        """Whether the location has the canonical link: observed and expected information agree."""
        return self.links[self.location].name == self.canonical_link

    @property
    def raw_columns(self) -> list[tuple[str, str]]:
        """The raw columns in order: pairs of a parameter, and what tells its columns apart."""
        return self.columns_of(())

    def columns_of(self, classes: Sequence[Any]) -> list[tuple[str, str]]:
        """Return `raw_columns`, with the labels of classes where there are any, not their codes."""
        return [
            (name, self.links[name].raw_label(param, j, *([classes] if len(classes) else [])))
            for name, param in self.params.items()
            for j in range(param.columns)
        ]

    def like(self, other: Facts) -> bool:
        """Return whether another family is this one, perhaps with other links."""
        alike = _without_links(self.get_config()) == _without_links(other.get_config())
        return type(self) is type(other) and alike

    def reduces_to(self, other: Facts) -> bool:
        """Return whether a limit of this family is another one, or what that was made of."""
        names = {getattr(cls, "name", None) for cls in type(other).__mro__}
        return any(simpler in names for _, simpler in self.limits.values())

    def per_trial(self) -> Family | None:
        """Return the family of each single trial, where y counts independent ones; else None."""
        return None

    @property
    def y_shape(self) -> tuple[int, ...]:
        """The shape of one y: () of a number, (y_columns,) of several."""
        return () if self.y_columns is None else (self.y_columns,)

    def by_response(self, raw: Tensor) -> Tensor:
        """Return raw outputs (..., d * size) of d > 1 responses as (..., d, size)."""
        units = raw.shape[-1] // self.size
        if units == 1:
            return raw
        if isinstance(raw, np.ndarray):
            return raw.reshape(*raw.shape[:-1], units, self.size)
        import keras

        return keras.ops.reshape(raw, (*keras.ops.shape(raw)[:-1], units, self.size))

    # ---- raw values and parameters ------------------------------------------------------------

    def linked(self, raw: Tensor) -> dict[str, Linked]:
        """Split raw outputs (..., size) by parameter: name -> `Linked`."""
        linked, start = {}, 0
        for name, param in self.params.items():
            index = start if param.size is None else slice(start, start + param.columns)
            linked[name] = Linked(raw[..., index], self.links[name])
            start += param.columns
        return linked

    def linked_to(self, params: dict[str, Any]) -> dict[str, Linked]:
        """Return the parameters as `Linked`: name -> value and raw value."""
        links = self.links
        return {name: Linked(links[name].forward(v), links[name]) for name, v in params.items()}

    def to_params(self, raw: Tensor) -> dict[str, Tensor]:
        """Return the parameters, by name, that raw outputs (..., size) stand for."""
        return {name: linked.value for name, linked in self.linked(raw).items()}

    def to_raw(self, params: dict[str, Any]) -> Floats:
        """Return the raw values, shape (..., size), of parameters by name: NumPy arrays."""
        columns = []
        for name, param in self.params.items():
            raw = np.asarray(self.links[name].forward(np.asarray(params[name], dtype="float64")))
            columns.append(raw[..., None] if param.size is None else raw)
        return np.concatenate(columns, axis=-1)

    def inside(self) -> Floats:
        """Return raw parameters, shape (size,), that stand for values well inside their domains."""
        raw = []
        for name, param in self.params.items():
            if param.size is None:
                raw.append(self.links[name].forward(np.float64(param.domain.inside)))
            else:
                raw += [0.0] * param.size
        return np.array(raw)

    # ---- identity ------------------------------------------------------------------------------

    def check_names(self, names: Iterable[str], what: str) -> None:
        """Raise ValueError if any of these is not the name of a parameter."""
        unknown = [name for name in names if name not in self.params]
        if unknown:
            raise ValueError(
                f"Expected `{what}` to name parameters of the {self.name} family: "
                f"{', '.join(self.params)}. Received: {', '.join(map(repr, unknown))}."
            )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this family again, as JSON types, with its name.

        The arguments of a subclass's own `__init__` are read from attributes of the same names.
        """
        arguments = arguments_of(type(self))
        own = {name: getattr(self, name) for name in arguments if name not in ("link", "links")}
        changed = {
            name: link.get_config()
            for name, link in self.links.items()
            if link != get_link(self.params[name].link)
        }
        return {"name": self.name, **own, **({"links": changed} if changed else {})}

    def __eq__(self, other):
        if self is other:
            return True
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(repr(self.get_config()))

    def __repr__(self):
        return f"<family {self.label}: {self._shown()}>"

    def _shown(self):
        """Return the parameters with their links, and the options that are not None."""
        shown = [f"{name} ({link.name})" for name, link in self.links.items()]
        options = {
            k: v for k, v in self.get_config().items() if k not in ("name", "links", "family")
        }
        shown += [f"{name}={value}" for name, value in options.items() if value is not None]
        return ", ".join(shown)


@functools.cache
def arguments_of(cls):
    """Return the arguments that a family takes: name -> `inspect.Parameter`."""
    return inspect.signature(cls).parameters


def _without_links(config):
    """Return a configuration without links, of this family and of those that it is made of."""
    return {
        name: _without_links(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name != "links"
    }
