"""What a claimed derivative is held against: the traced Jacobian, a numerical one, or the user's own.

A reference answers one question about a result and an argument: what the derivative, a linear map, makes of
upstreams or directions, with the error of each number.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np

from jacobians.display.formulas import formula_of
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Array
from jacobians.ground.arguments import real_array
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.functional import jacobian
from jacobians.transforms.library import LibraryOperation
from jacobians.verification.case import Terms
from jacobians.verification.differences import Estimate, exact
from jacobians.verification.stepping import RICHARDSON, Method, Pointwise
from jacobians.verification.subject import Pair, Subject, copied, eps_of

Side = Literal["backward", "forward"]

MOST_ENTRIES = 1 << 22  # of a tensor that is compared entry by entry
MOST_COLUMNS = 1 << 10  # of an argument that is moved entry by entry, to explain what is wrong
_MOST_AT_FIRST = 1 << 8  # and before anything is known to be wrong
_LONGEST = 200  # characters of a formula in a report


class Reference(ABC):
    """What is held to be right. ``eps`` is the unit of rounding of its numbers."""

    eps: float

    @abstractmethod
    def by(self, pair: Pair) -> str:
        """How it was made, in words."""

    @abstractmethod
    def applied(
        self, pair: Pair, side: Side, given: Sequence[Array] | None = None
    ) -> Estimate | None:
        """The derivative applied to upstreams ("backward") or directions ("forward"), one row for each.

        To every one of a basis where none are given: the full tensor. None where it would be too large, or
        take too long.
        """


def changes(reference: Reference, pair: Pair, directions: Sequence[Array]) -> Estimate:
    """The derivative applied to directions, of which no reference has too many."""
    found = reference.applied(pair, "forward", directions)
    assert found is not None
    return found


class Known(Reference):
    """Tensors, structured or dense, by result and argument."""

    _tensors: Sequence[Sequence[JacobianTensor | Array]]

    def applied(
        self, pair: Pair, side: Side, given: Sequence[Array] | None = None
    ) -> Estimate | None:
        """By ``J.vjp`` and ``J.jvp``, or sums; a structured one is made dense unless it is large."""
        J = self._tensors[pair.output][pair.which]
        structured = isinstance(J, JacobianTensor)
        if given is None and structured and pair.size > MOST_ENTRIES:
            return None
        with np.errstate(all="ignore"):
            if given is None:
                return exact(np.asarray(J, np.float64))
            if isinstance(J, JacobianTensor):
                of = J.vjp if side == "backward" else J.jvp
                return exact(np.stack([np.asarray(of(array), np.float64) for array in given]))
            if side == "backward":
                return exact(np.stack([np.tensordot(G, J, pair.out.ndim) for G in given]))
            return exact(np.stack([np.tensordot(J, d, pair.inner.ndim) for d in given]))


class ByTracing(Known):
    """The Jacobian that this package derives.

    Raises
    ------
    Exception
        Whatever the function raises when it is called with traced arrays.
    """

    def __init__(self, subject: Subject) -> None:
        with np.errstate(all="ignore"):
            args, kwargs = copied(subject.args), copied(subject.kwargs)
            if isinstance(subject.f, LibraryOperation) and subject.f.arguments:
                places = [int(place) for place in subject.places]  # named as its formulas are
                self._tensors: list[list[Any]] = [
                    [subject.f.jacobian(*args, wrt=place) for place in places]
                ]
            else:
                found = jacobian(subject.f, subject.wrt)(*args, **kwargs)
                rows = subject.matched(found, "jb.jacobian")
                self._tensors = [list(row) if subject.several else [row] for row in rows]
        if [J.out_shape for J, *_ in self._tensors] != [y.shape for y in subject.outputs]:
            raise UnsupportedError("its results have other shapes when it is traced")
        self.eps = subject.eps

    def of(self, pair: Pair) -> JacobianTensor:
        """The structured tensor."""
        found: JacobianTensor = self._tensors[pair.output][pair.which]
        return found

    def by(self, pair: Pair) -> str:
        """With the formula, unless that is long."""
        J = self.of(pair)
        formula = J.formula() if pair.axes is not None else ""
        if len(formula) > _LONGEST:
            count = len(J.terms.terms)
            formula = f"{count} term{'s' * (count != 1)}"
        return "the traced Jacobian" + (f", {formula}" if formula else "")

    def terms(self, pair: Pair) -> Terms | None:
        """Gives the terms of the formula, each with its text and its dense array."""
        J = self.of(pair)
        told = J.size * len(J.terms.terms) <= MOST_ENTRIES and pair.axes is not None
        return partial(_terms_of, J) if told else None


def _terms_of(J: JacobianTensor) -> list[tuple[str, Array]]:
    """The terms with their texts, as dense tensors."""
    found = []
    for term in J.terms.terms:
        alone = Sum(J.shape, (term,))
        array = JacobianTensor(alone, J.out_ndim, J.operands, dtype=J.dtype).dense()
        found.append((str(formula_of(alone, J.axes, J.operands)), array))
    return found


class Numerical(Reference):
    """Complex steps and differences of the function."""

    def __init__(self, subject: Subject, method: Method) -> None:
        self._subject, self._method = subject, method
        self._found: dict[int, tuple[Estimate, str]] = {}
        self.eps = subject.eps

    def _all(self, which: int) -> tuple[Estimate, str] | None:
        """The Jacobian of all results, flat, and how it was made."""
        columns = self._subject.points[which].size
        if columns > MOST_COLUMNS or columns * self._subject.value.size > MOST_ENTRIES:
            return None
        if which not in self._found:
            self._found[which] = self._subject.pointwise(which).measured(self._method)
        return self._found[which]

    def guided(self, pair: Pair, claimed: Array) -> None:
        """Measure by groups of columns that a claim keeps apart, where that is confirmed and saves much."""
        pattern = claimed.reshape(pair.out.size, -1) != 0
        alone = len(self._subject.outputs) == 1 and pattern.size <= MOST_ENTRIES
        if alone and pair.which not in self._found and self._method == "auto":
            found = self._subject.pointwise(pair.which).by_groups(pattern)
            if found is not None:
                self._found[pair.which] = found

    def by(self, pair: Pair) -> str:
        """Complex step, differences, or both."""
        found = self._found.get(pair.which)
        return found[1] if found else RICHARDSON

    def applied(
        self, pair: Pair, side: Side, given: Sequence[Array] | None = None
    ) -> Estimate | None:
        """Entry by entry, along directions, or by the Jacobian of ``x ↦ Σ G f(x)`` for all upstreams at once."""
        if given is None:
            all_results = self._all(pair.which)
            if all_results is None:
                return None
            return all_results[0].taken(pair.part).reshaped(pair.shape)
        if side == "forward":
            found = self._subject.pointwise(pair.which).along(given)
            return found.taken((slice(None), pair.part)).reshaped((len(given), *pair.out.shape))
        known = self._found.get(pair.which)
        shape = (len(given), *pair.inner.shape)
        if known is not None:
            J = known[0].taken(pair.part).reshaped((pair.out.size, pair.inner.size))
            return J.summed(np.stack([G.ravel() for G in given])).reshaped(shape)
        if pair.inner.size > _MOST_AT_FIRST:
            return None
        return self.summed(pair, given, None).reshaped(shape)

    def summed(
        self, pair: Pair, upstreams: Sequence[Array], columns: Sequence[int] | None
    ) -> Estimate:
        """The same as a matrix, or some columns of it."""
        subject, point = self._subject, pair.inner
        rows = np.stack([G.ravel() for G in upstreams])
        function = subject.flat(pair.which)
        summed = Pointwise(
            lambda x: rows @ function(x)[pair.part],
            point,
            rows @ subject.value[pair.part],
            subject.eps,
        )
        return summed.measured(self._method, columns).estimate

    def columns(self, pair: Pair, columns: Sequence[int]) -> Estimate:
        """Some columns of the tensor as a matrix."""
        found = self._subject.pointwise(pair.which).measured(self._method, columns).estimate
        return found.taken(pair.part)

    def few_columns(self, pair: Pair, columns: Sequence[int]) -> Estimate:
        """The same by fewer evaluations: one pair of points for each."""
        return (
            self._subject.pointwise(pair.which)
            .by_single_differences(columns)
            .estimate.taken(pair.part)
        )

    @cached_property
    def rounding(self) -> float:
        """How much the function is rounded, as a share of its values."""
        subject = self._subject
        value = np.abs(subject.value)
        largest = float(np.max(value, initial=0.0, where=np.isfinite(value)))
        places = range(len(subject.points))
        noise = [float(np.max(subject.pointwise(n).noise, initial=0.0)) for n in places]
        return max(self.eps, max(noise, default=0.0) / largest if largest else 0.0)


class Given(Known):
    """What a callable of the user's returns."""

    def __init__(self, subject: Subject, against: Callable[..., Any]) -> None:
        self._name = str(getattr(against, "__name__", type(against).__name__))
        self._tensors = arranged(subject, subject.given_to("against", against), "against")
        for output, row in enumerate(self._tensors):
            for which, array in enumerate(row):
                pair = subject.pair(output, which)
                if array.shape != pair.shape:
                    raise ShapeError(
                        f"against: {self._name} gives an array of shape {array.shape} for {pair.title}, "
                        f"which has shape {pair.shape}"
                    )
        dtypes = [array.dtype for row in self._tensors for array in row]
        self.eps = max([subject.eps, *(eps_of(np.empty(0, dtype)) for dtype in dtypes)])

    def by(self, pair: Pair) -> str:  # noqa: ARG002
        """The callable's name."""
        return self._name


def arranged(subject: Subject, found: Any, what: str) -> list[list[Array | JacobianTensor]]:
    """Jacobians in the structure that ``jb.jacobian`` gives, by result and argument."""
    table = []
    for output, row in enumerate(subject.matched(found, what)):
        parts = by_argument(subject, row, f"{what}: the Jacobians")
        titles = [subject.pair(output, which).title for which in range(len(parts))]
        table.append(
            [
                part if isinstance(part, JacobianTensor) else numbers(part, f"{what}: {name}")
                for part, name in zip(parts, titles, strict=True)
            ]
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
    """A claimed array of any shape, copied."""
    array = real_array(value, what)
    return np.array(array if array.dtype.kind == "f" else array.astype(np.float64))
