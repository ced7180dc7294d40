"""What a parameter of a family is, and what it is while a log-density is computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probnn import domains
from probnn.links import Link

if TYPE_CHECKING:
    from probnn._types import Tensor


@dataclass(frozen=True)
class Param:
    """One parameter of a family.

    Parameters
    ----------
    link : str or Link
        Its default link.
    domain : probnn.domains.Domain
        The values it may have.
    size : int, optional
        For a parameter that is a vector, how many raw columns it takes; a number takes one.
    length : int, optional
        For a vector with more values than raw columns, how many it has.
    """

    link: str | Link
    domain: domains.Domain
    size: int | None = None
    length: int | None = None

    @property
    def columns(self) -> int:
        """How many raw columns it takes."""
        return 1 if self.size is None else self.size

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value in one row: () of a number, (length,) of a vector."""
        return () if self.size is None else (self.length or self.size,)


class Linked:
    """A parameter while a log-density is computed: its raw value, and what its link makes of it."""

    def __init__(self, raw: Tensor, link: Link) -> None:
        self.raw = raw
        self.link = link

    @cached_property
    def value(self) -> Tensor:
        """The parameter."""
        return self.link.inverse(self.raw)

    @cached_property
    def log(self) -> Tensor:
        """The logarithm of the parameter."""
        return self.link.log_inverse(self.raw)

    @cached_property
    def log_complement(self) -> Tensor:
        """The logarithm of 1 minus the parameter."""
        return self.link.log_complement(self.raw)
