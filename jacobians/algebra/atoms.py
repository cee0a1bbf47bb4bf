"""What a product is made of: arrays, and functions of expressions; each known by its key.

Two atoms with one key are one: keys are made of names and structure, never of identities, so that
order and equality are the same in every run.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from typing import Any, NamedTuple

Letters = tuple[int | None, ...]
"""A letter for each axis; None on an axis of size 1, which has none."""
Number = Fraction | float
ACTIVE = "!"
"""Stands in the keys of what depends on the array that is differentiated by."""
_LONG = 160  # of a key that is written out


def short(text: str) -> str:
    """A key that is no longer than that: the end of a long one by its digest."""
    if len(text) <= _LONG:
        return text
    active = ACTIVE if ACTIVE in text[40:] else ""
    return f"{text[:40]}{active}~{blake2b(text.encode(), digest_size=12).hexdigest()}"


class AtomAt(NamedTuple):
    """An atom read at letters."""

    atom: "Atom"
    letters: Letters


class Monomial(NamedTuple):
    """``coefficient · Π factor^exponent``, placed by a letter for each axis; other letters are summed.

    Two axes with one letter are a Kronecker delta. ``sizes`` has the size of each letter.
    """

    coefficient: Number
    slots: Letters
    sizes: tuple[int, ...]
    factors: tuple[tuple[AtomAt, Fraction], ...]

    @property
    def key(self) -> str:
        """All but the coefficient."""
        return f"{self.slots}{self.sizes}" + "".join(
            f"·{f.atom.key}{f.letters}^{e}" for f, e in self.factors
        )


class Expr:
    """A sum of monomials of one shape, merged: equal sums have equal keys."""

    __slots__ = ("key", "shape", "terms")

    def __init__(self, shape: tuple[int, ...], terms: tuple[Monomial, ...]) -> None:
        self.shape, self.terms = shape, terms
        self.key = short(f"{shape}" + "+".join(sorted(f"{t.coefficient}{t.key}" for t in terms)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def is_zero(self) -> bool:
        """Whether it has no terms."""
        return not self.terms


@dataclass(frozen=True, eq=False)
class Atom:
    """What has a key."""

    key: str = field(init=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def _keyed(self, *parts: object) -> None:
        object.__setattr__(
            self, "key", short(f"{type(self).__name__}({', '.join(map(str, parts))})")
        )

    @property
    def inner(self) -> tuple[Expr, ...]:
        """The expressions that it is a function of."""
        return ()

    def with_inner(self, inner: tuple[Expr, ...]) -> "Atom":
        """The same of other expressions."""
        assert not inner
        return self

    @property
    def is_positive(self) -> bool:
        """Whether it is certainly positive where it is defined and not 0."""
        return False


@dataclass(frozen=True, eq=False)
class Leaf(Atom):
    """An array with a name. A ``symmetric`` one is its own transpose; ``code`` is what NumPy makes it by."""

    name: str
    shape: tuple[int, ...]
    symmetric: bool = False
    positive: bool = False
    active: bool = False
    code: str = ""

    def __post_init__(self) -> None:
        self._keyed((ACTIVE if self.active else "") + self.name, self.shape)


@dataclass(frozen=True, eq=False)
class Unary(Atom):
    """What is of one expression."""

    of: Expr

    def __post_init__(self) -> None:
        self._keyed(self.of.key)

    @property
    def inner(self) -> tuple[Expr, ...]:
        """The expression."""
        return (self.of,)

    def with_inner(self, inner: tuple[Expr, ...]) -> "Unary":
        """The same of another expression."""
        return type(self)(*inner)


@dataclass(frozen=True, eq=False)
class Group(Unary):
    """A sum in parentheses, or a number that is a sum over letters."""


@dataclass(frozen=True, eq=False)
class Inverse(Group):
    """The inverse of a square matrix."""


@dataclass(frozen=True, eq=False)
class Det(Group):
    """The determinant of a square matrix."""


@dataclass(frozen=True, eq=False)
class Function(Atom):
    """A function of numbers, entry by entry. ``operation`` has its notation."""

    operation: Any
    arguments: tuple[Expr, ...]
    parameters: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        self._keyed(self.operation.key, self.parameters, *(e.key for e in self.arguments))

    @property
    def inner(self) -> tuple[Expr, ...]:
        """The arguments, each of the function's own shape."""
        return self.arguments

    def with_inner(self, inner: tuple[Expr, ...]) -> "Function":
        """The same of other expressions."""
        return Function(self.operation, inner, self.parameters)


@dataclass(frozen=True, eq=False)
class Power(Atom):
    """A power whose exponent is an expression, entry by entry."""

    base: Expr
    exponent: Expr

    def __post_init__(self) -> None:
        self._keyed(self.base.key, self.exponent.key)

    @property
    def inner(self) -> tuple[Expr, ...]:
        """Base and exponent, each of the power's own shape."""
        return (self.base, self.exponent)

    def with_inner(self, inner: tuple[Expr, ...]) -> "Power":
        """The same of other expressions."""
        return Power(*inner)


@dataclass(frozen=True, eq=False)
class Whole(Atom):
    """An operation on whole arrays that nothing more is known of."""

    operation: Any
    arguments: tuple[Expr, ...]
    parameters: tuple[tuple[str, Any], ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        self._keyed(self.operation.key, self.parameters, *(e.key for e in self.arguments))

    @property
    def inner(self) -> tuple[Expr, ...]:
        """The arguments."""
        return self.arguments

    def with_inner(self, inner: tuple[Expr, ...]) -> "Whole":
        """The same of other expressions."""
        return Whole(self.operation, inner, self.parameters, self.shape)
