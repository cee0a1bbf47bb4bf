"""How the value of a node is computed: as a view, by a ufunc, by adding up, by its terms, or by a call.

Each operation says it for a node (``Operation.how``); lowering reads nothing else of an operation.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jacobians.notation.terms import Sum


class Range(NamedTuple):
    """``start : start + step·size : step`` of one axis, which may be all of it; then −1 is any size."""

    start: int
    step: int
    size: int
    is_whole: bool = False

    @property
    def slice(self) -> slice:
        """As an index of Python's."""
        if self.is_whole:
            return slice(None)
        if not self.size:
            return slice(0, 0)
        stop = self.start + self.step * (self.size - 1) + (1 if self.step > 0 else -1)
        return slice(self.start, None if stop < 0 else stop, self.step)


def range_of(start: int, step: int, size: int, axis: int) -> Range:
    """A range of an axis of this size."""
    return Range(start, step, size, start == 0 and step == 1 and size == axis)


# Each has its kind as a field: views of one number in two kinds are equal as tuples, and would be one key.


class Transpose(NamedTuple):
    """The axes in another order."""

    axes: tuple[int, ...]
    kind: str = "transpose"


class Index(NamedTuple):
    """Basic indices: a range or a number for an axis, None for a new one; later axes stay whole."""

    items: tuple[Range | int | None, ...]
    kind: str = "index"


class Reshape(NamedTuple):
    """The same entries in another shape."""

    shape: tuple[int, ...]
    kind: str = "reshape"


class Broadcast(NamedTuple):
    """Repeated along new axes and those of size 1."""

    shape: tuple[int, ...]
    kind: str = "broadcast"


class Strided(NamedTuple):
    """Entry ``n`` of the result is the one at ``starts + Σ n_k steps_k``, with a start for each axis."""

    starts: tuple[int, ...]
    shape: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]


View = Transpose | Index | Reshape | Broadcast | Strided


class ByViews(NamedTuple):
    """The only operand, seen differently."""

    views: tuple[View, ...]


class ByUfunc(NamedTuple):
    """A ufunc of NumPy's, by name, on some of the operands (all, if None)."""

    name: str
    places: tuple[int, ...] | None = None


class ByAdding(NamedTuple):
    """The only operand added up over axes."""

    axes: tuple[int, ...]


class ByCast(NamedTuple):
    """The only operand in the node's dtype."""


class ByTerms(NamedTuple):
    """A sum of terms over the positions of the operands."""

    terms: Sum


class ByCall(NamedTuple):
    """A function of the operands and of parameters; ``home`` is a module that has it, if one does.

    ``flops`` are its operations; None for one an entry.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[tuple[str, Any], ...]
    home: str
    flops: int | None = None


How = ByViews | ByUfunc | ByAdding | ByCast | ByTerms | ByCall
