"""The explanation of an entry, as fields and as text: deltas, factors, contributions and terms."""

import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

from jacobians.display.html import element, fragment
from jacobians.ground.trees import plain
from jacobians.notation.writing import write_number

_WIDTH, _LONGEST = 80, 320  # of a line, and of a formula


class Delta(NamedTuple):
    """A delta at an entry: ``δ_ik``, ``i = 1, k = 0``, 0."""

    name: str
    reason: str
    value: int

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}, so {self.value}"


class Entry(NamedTuple):
    """An entry of a factor: ``C[3, 2]``, 0.417; a mask's is True or False."""

    name: str
    value: float | bool

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return f"{self.name} is {self.value}" + (", so 0" if not self.value else "")
        return f"{self.name} = {_number(self.value)}"


class Contribution(NamedTuple):
    """One of the products that a term sums: ``r = 3``, its entries, and their product."""

    at: str
    entries: tuple[Entry, ...]
    value: float

    def __str__(self) -> str:
        names = " ".join(e.name for e in self.entries) or "1"
        numbers = " · ".join(_number(e.value) for e in self.entries)
        inside = f" = {numbers}" if len(self.entries) > 1 else ""
        return f"{self.at}: {names}{inside} = {_number(self.value)}"


@dataclass(frozen=True)
class TermAtEntry:
    """A term of the tensor at one entry.

    Attributes
    ----------
    formula : str
        The term in index notation.
    coefficient : float
        The number in front.
    deltas : tuple of Delta
        What its deltas are; where one is 0, so is the term, and the rest is left out.
    entries : tuple of Entry
        Of the factors that are read at one place.
    summed, count : str, int
        The letters that the other factors are summed over, and how many products that makes.
    contributions : tuple of Contribution
        The largest of them (without the coefficient and the entries above).
    value : float
        Of the term at the entry.
    """

    formula: str
    coefficient: float
    deltas: tuple[Delta, ...]
    entries: tuple[Entry, ...]
    summed: str
    count: int
    contributions: tuple[Contribution, ...]
    value: float

    @property
    def lines(self) -> list[str]:
        """What there is to say, one fact a line."""
        found = [*map(str, self.deltas), *map(str, self.entries)]
        if self.coefficient != 1 and all(d.value for d in self.deltas):
            sign, number = write_number(self.coefficient)
            found.append(f"times {sign}{number or 1}")
        if self.count != 1 or self.contributions:
            shown = len(self.contributions)
            which = f", the largest {shown} of {self.count:,}" if shown < self.count else ""
            found.append(
                f"summed over {self.summed}{which if shown else f': {self.count:,} products'}"
            )
            found += [f"  {c}" for c in self.contributions]
        return found


@dataclass(frozen=True, repr=False)
class Explanation:
    """Why an entry of a tensor is what it is; prints as text.

    Attributes
    ----------
    title : str
        ``∂A_ij/∂B_kl``.
    index : tuple of int
        The entry, counted from 0.
    axes : str
        A letter for each axis.
    value : float
        ``J[index]``.
    terms : tuple of TermAtEntry
        What each term is there; ``value`` is their sum.
    parts : tuple of (str, str)
        What the names of parts in the terms stand for: left and right sides.
    """

    title: str
    index: tuple[int, ...]
    axes: str
    value: float
    terms: tuple[TermAtEntry, ...]
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def heading(self) -> str:
        """``∂A_ij/∂B_kl at i = 1, j = 2, k = 1, l = 0 is 2``."""
        at = ", ".join(f"{a} = {n}" for a, n in zip(self.axes, self.index, strict=True))
        return f"{self.title}{at and ' at '}{at} is {_number(self.value)}"

    def __str__(self) -> str:
        lines = [self.heading]
        if not self.terms:
            lines.append("  it has no terms: it is 0 everywhere")
        for term in self.terms:
            lines += [_short(term.formula), *(f"  {line}" for line in term.lines)]
            if len(self.terms) > 1:
                lines.append(f"  the term is {_number(term.value)}")
        lines += [f"where {_short(part)}" for part in map(" = ".join, self.parts)]
        wrapped = (
            textwrap.wrap(line, _WIDTH, subsequent_indent="      ", break_on_hyphens=False)
            for line in lines
        )
        return "\n".join(line for found in wrapped for line in found)

    def __repr__(self) -> str:
        return str(self)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain Python values, for JSON; None for nan and infinities."""
        found: dict[str, Any] = plain(self)
        return found

    def _repr_html_(self) -> str:
        parts = [element("p", element("b", self.heading))]
        for term in self.terms:
            items = [*term.lines, f"the term is {_number(term.value)}"]
            listed = (element("li", item.strip()) for item in items)
            parts += [element("p", _short(term.formula)), element("ul", *listed)]
        parts += [element("p", f"where {_short(part)}") for part in map(" = ".join, self.parts)]
        return fragment(*parts)


def _number(value: float | bool) -> str:
    """Six digits at most, with a true minus sign."""
    return f"{value:.6g}".replace("-", "−") if not isinstance(value, bool) else str(value)


def _short(formula: str) -> str:
    return formula if len(formula) <= _LONGEST else formula[: _LONGEST - 2] + " …"
