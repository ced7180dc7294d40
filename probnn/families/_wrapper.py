"""Families made of another family."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probnn.families.base import Family
from probnn.families.registry import get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from probnn.links import Link


class Wrapper(Family):
    """A family that has the parameters of another one, its base, and perhaps more.

    Parameters
    ----------
    family : str, dict or Family
        The base.
    link, links
        As for any family; those of the base's parameters go to the base.
    """

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        base, links = get(family), dict(links or {})
        given = {name: links.pop(name) for name in [*links] if name in base.params}
        self.family = with_links(base, link, given)
        self.discrete, self.atom = self.family.discrete, self.family.atom
        self.smooth = self.family.smooth
        self.constant_by_default = self.family.constant_by_default
        super().__init__(links=links)

    def _parameters(self):
        base = self.family
        return {name: replace(each, link=base.links[name]) for name, each in base.params.items()}

    @property
    def scale_parameter(self) -> str | None:
        """That of the base."""
        return self.family.scale_parameter

    @property
    def zero(self) -> str | None:
        """That of the base, but where zeros are this family's own."""
        return self.family.zero

    def around(self, base: Family, **options: Any) -> Self:
        """Return this family with another base, and perhaps other options."""
        own = {n: v for n, v in self.get_config().items() if n not in ("name", "links", "family")}
        return type(self)(base, **{**own, **options})

    def mean(self, **params: Any) -> Any:
        """Return the mean, from arrays or tensors of parameters."""
        return self.family.mean(**params)

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return self.family.raw_spread(y)

    def _support_hint(self):
        return self.family._support_hint()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this family again, as JSON types, with its name."""
        return {**super().get_config(), "family": self.family.get_config()}

    @property
    def label(self) -> str:
        """The name, and that of the base."""
        return f"{self.name} {self.family.label}"


def with_links(base, link=None, links=None):
    """Return a family with these links in place of its own."""
    if link is None and not links:
        return base
    config, chosen = base.get_config(), dict(links or {})
    own = {name: value for name, value in config.items() if name not in ("name", "links")}
    given = {*chosen, *([] if link is None else [base.location])}
    kept = {name: each for name, each in base.links.items() if name not in given}
    return type(base)(**own, link=link, links={**kept, **chosen})
