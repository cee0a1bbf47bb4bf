"""What a claimed derivative is held against: the traced Jacobian, a numerical one, or the user's own.

Each reference answers three questions about a result and an argument: the full tensor, what upstream
gradients are pulled back to, and what directions are pushed forward to; each with its error.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jacobians.arguments import real_array
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.display.expressions import distinct_names, label
from jacobians.library import LibraryOperation
from jacobians.notation.explicit import axis_names
from jacobians.notation.terms import Sum
from jacobians.notation.writing import write_term
from jacobians.tensor import JacobianTensor
from jacobians.transforms import jacobian
from jacobians.verification.differences import Estimate, exact
from jacobians.verification.stepping import Method, Pointwise
from jacobians.verification.subject import Subject, copied, eps_of

Array = NDArray[Any]
Terms = Callable[[], list[tuple[str, Array]]]

MOST_ENTRIES = 1 << 22  # of a tensor that is compared entry by entry
MOST_COLUMNS = 1 << 11  # of an argument that is moved entry by entry


class Reference(Protocol):
    """What is held to be right."""

    eps: float

    def by(self, output: int, which: int) -> str:
        """How it was made, in words."""

    def tensor(self, output: int, which: int) -> Estimate | None:
        """The full tensor; None where it is too large."""

    def backward(self, output: int, which: int, upstreams: Sequence[Array]) -> Estimate | None:
        """A gradient for each upstream; None where it would take too long."""

    def forward(self, output: int, which: int, directions: Sequence[Array]) -> Estimate | None:
        """A change of the result for each direction; None where it would take too much memory."""


class Traced:
    """The Jacobian that this package derives.

    Raises
    ------
    Exception
        Whatever the function raises when it is called with traced arrays.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        with np.errstate(all="ignore"):
            args, kwargs = copied(subject.args), copied(subject.kwargs)
            if isinstance(subject.f, LibraryOperation) and subject.f.arguments:
                places = [int(place) for place in subject.places]  # named as its formulas are
                self._tensors = [[subject.f.jacobian(*args, wrt=place) for place in places]]
            else:
                found = jacobian(subject.f, subject.wrt)(*args, **kwargs)
                rows = subject.matched(found, "jb.jacobian")
                self._tensors = [list(row) if subject.several else [row] for row in rows]
        shapes = [J.out_shape for J, *_ in self._tensors]
        if shapes != [y.shape for y in subject.outputs]:
            raise UnsupportedError("its results have other shapes when it is traced")
        self.eps = subject.eps

    def of(self, output: int, which: int) -> JacobianTensor:
        """The structured tensor."""
        return self._tensors[output][which]

    def by(self, output: int, which: int) -> str:
        formula = _formula(self.of(output, which))
        return "the traced Jacobian" + (f", {formula}" if formula else "")

    def tensor(self, output: int, which: int) -> Estimate | None:
        J = self.of(output, which)
        if J.size > MOST_ENTRIES:
            return None
        with np.errstate(all="ignore"):
            return exact(np.asarray(J.dense(), np.float64))

    def backward(self, output: int, which: int, upstreams: Sequence[Array]) -> Estimate | None:
        J = self.of(output, which)
        with np.errstate(all="ignore"):
            return exact(np.stack([np.asarray(J.vjp(G), np.float64) for G in upstreams]))

    def forward(self, output: int, which: int, directions: Sequence[Array]) -> Estimate | None:
        J = self.of(output, which)
        with np.errstate(all="ignore"):
            return exact(np.stack([np.asarray(J.jvp(d), np.float64) for d in directions]))


class Numerical:
    """Complex steps and differences of the function."""

    def __init__(self, subject: Subject, method: Method) -> None:
        self._subject, self._method = subject, method
        self._found: dict[int, tuple[Estimate, str]] = {}
        self.eps = subject.eps

    def _pointwise(self, which: int) -> Pointwise:
        subject = self._subject
        return Pointwise(subject.flat(which), subject.points[which], subject.value, subject.eps)

    def _all(self, which: int) -> tuple[Estimate, str] | None:
        subject = self._subject
        columns = subject.points[which].size
        if columns > MOST_COLUMNS or columns * subject.value.size > MOST_ENTRIES:
            return None
        if which not in self._found:
            measured = self._pointwise(which).measured(self._method)
            self._found[which] = measured.estimate, measured.by
        return self._found[which]

    def by(self, output: int, which: int) -> str:
        found = self._all(which)
        return found[1] if found else "Richardson-extrapolated central differences"

    def tensor(self, output: int, which: int) -> Estimate | None:
        found = self._all(which)
        if found is None:
            return None
        shape = self._subject.outputs[output].shape + self._subject.points[which].shape
        return found[0].taken(self._subject.part(output)).reshaped(shape)

    def backward(self, output: int, which: int, upstreams: Sequence[Array]) -> Estimate | None:
        """By the Jacobian of ``x ↦ Σ G f(x)`` for all upstreams at once."""
        subject = self._subject
        point = subject.points[which]
        if point.size > MOST_COLUMNS:
            return None
        rows = np.stack([G.ravel() for G in upstreams])
        function, part = subject.flat(which), subject.part(output)
        summed = Pointwise(
            lambda x: rows @ function(x)[part], point, rows @ subject.value[part], subject.eps
        )
        return summed.measured(self._method).estimate.reshaped((len(rows), *point.shape))

    def forward(self, output: int, which: int, directions: Sequence[Array]) -> Estimate | None:
        subject = self._subject
        found = self._pointwise(which).along(directions).taken((slice(None), subject.part(output)))
        return found.reshaped((len(directions), *subject.outputs[output].shape))

    def columns(self, output: int, which: int, columns: Sequence[int]) -> Estimate:
        """Some columns of the tensor as a matrix."""
        found = self._pointwise(which).measured(self._method, columns).estimate
        return found.taken(self._subject.part(output))

    @cached_property
    def rounding(self) -> float:
        """How much the function is rounded, as a share of its values."""
        value = np.abs(self._subject.value)
        largest = np.max(value, initial=0.0, where=np.isfinite(value))
        noise = [
            float(np.max(self._pointwise(n).noise, initial=0.0))
            for n in range(len(self._subject.points))
        ]
        return max(self.eps, max(noise, default=0.0) / largest if largest else 0.0)


class Given:
    """What a callable of the user's returns."""

    def __init__(self, subject: Subject, against: Callable[..., Any]) -> None:
        self._subject = subject
        self._name = str(getattr(against, "__name__", type(against).__name__))
        found = subject.given_to("against", against)
        self._tensors = arranged(subject, found, "against")
        for output, row in enumerate(self._tensors):
            for which, array in enumerate(row):
                expected = subject.outputs[output].shape + subject.points[which].shape
                if array.shape != expected:
                    raise ShapeError(
                        f"against: {self._name} gives an array of shape {array.shape} for "
                        f"{title(subject, output, which)}, which has shape {expected}"
                    )
        self.eps = max([subject.eps, *(eps_of(a) for row in self._tensors for a in row)])

    def by(self, output: int, which: int) -> str:
        return self._name

    def tensor(self, output: int, which: int) -> Estimate | None:
        return exact(np.asarray(self._tensors[output][which], np.float64))

    def backward(self, output: int, which: int, upstreams: Sequence[Array]) -> Estimate | None:
        found, axes = self._tensors[output][which], self._subject.outputs[output].ndim
        return exact(np.stack([np.tensordot(G, found, axes) for G in upstreams]))

    def forward(self, output: int, which: int, directions: Sequence[Array]) -> Estimate | None:
        found, axes = self._tensors[output][which], self._subject.points[which].ndim
        return exact(np.stack([np.tensordot(found, d, axes) for d in directions]))


def arranged(subject: Subject, found: Any, what: str) -> list[list[Array]]:
    """Jacobians in the structure that ``jb.jacobian`` gives, as arrays by result and argument."""
    table = []
    for output, row in enumerate(subject.matched(found, what)):
        parts = by_argument(subject, row, f"{what}: the Jacobians")
        table.append(
            [numbers(a, f"{what}: {title(subject, output, n)}") for n, a in enumerate(parts)]
        )
    return table


def by_argument(subject: Subject, found: Any, what: str) -> list[Any]:
    """One for each argument: the thing itself, unless ``wrt`` names several.

    Raises
    ------
    ShapeError
        Where there are more or fewer.
    """
    if not subject.several:
        return [found]
    count = len(subject.points)
    if not isinstance(found, tuple | list) or len(found) != count:
        many = f"{len(found)} of them" if isinstance(found, tuple | list) else type(found).__name__
        raise ShapeError(
            f"{what} must be a tuple of {count}, by {', '.join(subject.names)}, not {many}"
        )
    return list(found)


def numbers(value: Any, what: str) -> Array:
    """A claimed array of any shape, copied; a JacobianTensor is made dense."""
    if isinstance(value, JacobianTensor):
        return value.dense()
    array = real_array(value, what)
    return np.array(array if array.dtype.kind == "f" else array.astype(np.float64))


def letters(subject: Subject, output: int, which: int) -> str:
    """The names of the axes; empty where there are more axes than letters."""
    try:
        return axis_names(subject.outputs[output].ndim, subject.points[which].ndim)
    except UnsupportedError:
        return ""


def title(subject: Subject, output: int, which: int) -> str:
    """``∂f[0]_ij/∂X_kl``."""
    axes, out = letters(subject, output, which), subject.outputs[output].ndim
    above, below = (f"_{part}" if part else "" for part in (axes[:out], axes[out:]))
    return f"∂{subject.name}{subject.paths[output]}{above}/∂{subject.names[which]}{below}"


def _formula(J: JacobianTensor) -> str:
    try:
        formula = J.formula()
    except UnsupportedError:  # more axes than letters
        return ""
    return formula if len(formula) <= 200 else f"{len(J.terms.terms)} terms"


def terms_of(J: JacobianTensor) -> Terms | None:
    """The terms of a formula, each with its text and its dense array."""
    if J.size * len(J.terms.terms) > MOST_ENTRIES:
        return None

    def terms() -> list[tuple[str, Array]]:
        found = []
        for term in J.terms.terms:
            with distinct_names(J._values):
                text = write_term(term, J.shape, J.axes, label, "text").text
            alone = JacobianTensor(Sum(J.shape, (term,)), J.out_ndim, J._values, dtype=J.dtype)
            found.append((text, alone.dense()))
        return found

    return terms


def size_of(subject: Subject, output: int, which: int) -> int:
    """How many entries the full tensor has."""
    return prod(subject.outputs[output].shape) * prod(subject.points[which].shape)
