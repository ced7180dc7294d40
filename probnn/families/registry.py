"""The families by their names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from probnn.families.base import Family
from probnn.families.facts import arguments_of
from probnn.links import same_class

if TYPE_CHECKING:
    from typing import Any

_Class = TypeVar("_Class", bound=type)

FAMILIES = {}
ALIASES = {}  # other names of the field -> names


def register(cls: _Class) -> _Class:
    """Make a family known by its name: a class decorator.

    Parameters
    ----------
    cls : type
        A subclass of `Family` with a `name` that is not taken.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    ValueError
        If another family has that name.

    Examples
    --------
    >>> import probnn as pn
    >>> @pn.families.register
    ... class Maxwell(pn.families.Gamma):
    ...     name = "maxwell"
    >>> pn.families.get("maxwell")
    <family maxwell: mean (log), shape (log)>
    """
    taken = FAMILIES.get(cls.name)
    if taken is not None and not same_class(taken, cls):
        raise ValueError(f"A family named {cls.name!r} is registered already: choose another name.")
    FAMILIES[cls.name] = cls
    ALIASES.update(dict.fromkeys(cls.__dict__.get("aliases", ()), cls.name))
    return cls


def get(identifier: str | dict[str, Any] | Family, **options: Any) -> Family:
    """Return a family by its name, its configuration, or itself.

    Parameters
    ----------
    identifier : str, dict or Family
        A name from `FAMILIES` ("gaussian" is "normal"); or what `Family.get_config` returned; or a
        family.
    **options
        Arguments of the family: `link`, `links`, and those of its own (`classes`).

    Returns
    -------
    Family

    Raises
    ------
    ValueError
        If no family of that name is registered, it has no such option or needs another, or options
        come with a family already made.

    Examples
    --------
    >>> import probnn as pn
    >>> pn.families.get("bernoulli", link="probit")
    <family bernoulli: probs (probit)>
    """
    if isinstance(identifier, Family):
        if options:
            shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise ValueError(
                f"Options go with a family's name. Received: {identifier!r}, which is made "
                f"already, and {options}. Give them where it is made: "
                f"{type(identifier).__name__}(..., {shown})."
            )
        return identifier
    name = identifier
    if isinstance(identifier, dict):
        options = {**identifier, **options}
        name = options.pop("name")
    name = ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(
            f"Unknown family. Expected one of {', '.join(FAMILIES)}, or a Family. "
            f"Received: {name!r}.{_nearest(name)} A family of your own is made known by the "
            "decorator `@probnn.families.register`, before a model that uses it is loaded."
        )
    cls = FAMILIES[name]
    allowed = arguments_of(cls)
    missing = [
        option
        for option, parameter in allowed.items()
        if parameter.default is parameter.empty and option not in options
    ]
    if missing:
        raise ValueError(
            f"Expected {' and '.join(f'{option}=' for option in missing)} for the {name} family. "
            f"Received none: make it as probnn.families.{cls.__name__}({missing[0]}=...)."
        )
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(
            f"Expected the options of the {name} family to be among {', '.join(allowed)}. "
            f"Received: {', '.join(map(repr, unknown))}."
        )
    return cls(**options)


def _nearest(name):
    """Say which name may be meant: by a slip, another spelling, or another library's object."""
    said = name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)

    def plain(text):
        return text.lower().translate(str.maketrans("", "", "-_. "))

    known = {plain(one): ALIASES.get(one, one) for one in (*FAMILIES, *ALIASES)}
    close = difflib.get_close_matches(plain(said), known, n=1, cutoff=0.75)
    return f" Did you mean {known[close[0]]!r}?" if close else ""


def of_params(identifier, params):
    """Return the family that has these parameters; what its name leaves open, their sizes tell.

    Parameters
    ----------
    identifier : str, dict or Family
        As for `get`.
    params : dict
        Name -> array of natural parameters.

    Returns
    -------
    Family

    Examples
    --------
    >>> from probnn.families.registry import of_params
    >>> of_params("categorical", {"probs": [[0.2, 0.5, 0.3]]})
    <family categorical: 3 classes>
    """
    name = ALIASES.get(identifier, identifier) if isinstance(identifier, str) else None
    known = FAMILIES.get(name)
    return get(identifier, **({} if known is None else known.sizes(params)))
