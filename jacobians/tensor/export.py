"""A Jacobian tensor in the forms that linear algebra knows: sparse, operator, Kronecker products."""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import label, shape_of
from jacobians.display.formulas import Formula, Pairs, settled
from jacobians.display.html import element
from jacobians.display.matrix_forms import matrix_form, product_form
from jacobians.display.naming import names
from jacobians.display.shown import Shown
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.execution.interpret import contract
from jacobians.ground.memory import check_size
from jacobians.notation.explicit import letter_names
from jacobians.notation.slots import Slot, Table, letter_slot, positions
from jacobians.notation.terms import Sum, Term, full_letter, letter_count, normal, numbered, total
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    Written,
    exact_number,
    join_terms,
    write,
    write_number,
)
from jacobians.tensor.storage import check_entries, check_storable, matrix_slots, strides_of

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Array = NDArray[Any]


def check_order(title: str, order: str) -> None:
    """Raise unless the order of ``vec`` is "C" or "F"."""
    if order not in ("C", "F"):
        raise ShapeError(
            f"{title}: order must be 'C' (row-major vec) or 'F' (column-major vec), not {order!r}"
        )


def sparse(J: Shown, form: Any, order: str, max_bytes: float | None = None) -> Any:
    """The matrix of structural nonzeros; entries that several terms write are added."""
    import scipy.sparse as sp

    check_order(J.title, order)
    check_storable(J.title, form, J.dtype)
    check_entries(J.title, J.terms, J.dtype.itemsize, max_bytes)
    shape = (prod(J.out_shape), prod(J.in_shape))
    rows: list[Array] = []
    columns: list[Array] = []
    data: list[Array] = []
    terms = numbered(J.terms, J.operands).terms
    for term in terms:
        row, column = matrix_slots(J.terms, term, J.out_ndim, order)
        if len(terms) == 1 and form != "coo":
            letters = _by_row(row, column, term.sizes)
            if letters is not None:
                return sp.csr_array(_compressed(J, term, row, column, letters), shape).asformat(
                    form
                )
        letters = sorted(term.kept)
        sizes = [term.sizes[a] for a in letters]
        for slot, found in ((row, rows), (column, columns)):
            found.append(np.broadcast_to(positions(slot, term.sizes, letters), sizes).ravel())
        data.append(_numbers(J, term, letters))
    if not data:
        return sp.coo_array(shape, dtype=J.dtype).asformat(form)
    place = (np.concatenate(rows), np.concatenate(columns))
    made = sp.coo_array((np.concatenate(data), place), shape=shape)
    if form == "coo":
        made.sum_duplicates()
    return made.asformat(form)


def _numbers(J: Shown, term: Term, letters: Sequence[int]) -> Array:
    """The term's numbers, the last letter running fastest."""
    sizes = [term.sizes[a] for a in letters]
    values = list(J.operands.values())
    whole = total(
        sizes,
        [normal(term.coefficient, term.sizes, term.factors, [letter_slot(a) for a in letters])],
    )
    return contract(whole, values, J.dtype).ravel()


def _by_row(row: Slot, column: Slot, sizes: Sequence[int]) -> list[int] | None:
    """The letters in an order in which the term runs through the matrix row by row; None if none."""
    first = _descending(row.parts, sizes)
    own = {a for a, _ in row.parts}
    rest = _descending([part for part in column.parts if part[0] not in own], sizes)
    return None if first is None or rest is None else first + rest


def _descending(parts: Iterable[tuple[int, int | Table]], sizes: Sequence[int]) -> list[int] | None:
    """The letters of a positional number system, the largest digit first; None if it is none."""
    reach = 0
    letters: list[int] = []
    for letter, stride in sorted(parts, key=lambda p: 0 if isinstance(p[1], Table) else p[1]):
        if isinstance(stride, Table) or stride <= reach:
            return None
        reach += stride * (sizes[letter] - 1)
        letters.insert(0, letter)
    return letters


def _compressed(
    J: Shown, term: Term, row: Slot, column: Slot, letters: list[int]
) -> tuple[Array, Array, Array]:
    """Data, indices and pointers of the compressed rows: no sorting, and SciPy need not look."""
    own = [a for a, _ in row.parts]
    sizes = [term.sizes[a] for a in letters]
    entries = prod(sizes)
    kind = np.int32 if max(entries, prod(J.in_shape)) < 2**31 else np.int64
    there = positions(row, term.sizes, letters[: len(own)]).ravel()
    pointers = np.zeros(prod(J.out_shape) + 1, kind)
    pointers[there + 1] = letter_count(term.sizes, letters[len(own) :])
    places = positions(column, term.sizes, letters).astype(kind)
    indices = np.array(np.broadcast_to(places, sizes)).reshape(-1)
    return _numbers(J, term, letters), indices, np.cumsum(pointers, dtype=kind)


def operator(J: Shown, order: str) -> "LinearOperator":
    """Products with the matrix by jvp and with its transpose by vjp."""
    from scipy.sparse.linalg import LinearOperator

    check_order(J.title, order)
    letter: Any = order

    def matvec(x: Array) -> Array:
        return J.jvp(np.reshape(x, J.in_shape, order=letter)).ravel(order=letter)

    def rmatvec(y: Array) -> Array:
        return J.vjp(np.reshape(y, J.out_shape, order=letter)).ravel(order=letter)

    shape = (prod(J.out_shape), prod(J.in_shape))
    return LinearOperator(shape, matvec=matvec, rmatvec=rmatvec, dtype=J.dtype)


class KroneckerTerm(NamedTuple):
    """``coefficient · (F₁ ⊗ F₂ ⊗ …) K``.

    Attributes
    ----------
    coefficient : float
        The term's number, that of ``scalars`` included.
    names : tuple of str
        How each factor is written.
    makers : tuple of callable
        Each gives its factor as a matrix; see ``factors``.
    order : tuple of (tuple of int)
        Where the product's columns stand in the matrix, as the input axes' sizes and steps; empty
        where they stand in order. Else there is a commutation matrix K, which a transpose needs.
    number : float
        What is left of the coefficient without the scalars.
    scalars : tuple of str
        How factors that are one number are written.
    """

    coefficient: float
    names: tuple[str, ...]
    makers: tuple[Callable[[], Array], ...]
    order: tuple[tuple[int, int], ...] = ()
    number: float = 1
    scalars: tuple[str, ...] = ()

    @property
    def factors(self) -> tuple[Array, ...]:
        """The factors, dense matrices."""
        return tuple(make() for make in self.makers)

    @property
    def permutation(self) -> Array | None:
        """For each column of the product, its place in the matrix; None where they are in order."""
        if not self.order:
            return None
        sizes = [size for size, _ in self.order]
        slot = Slot(0, tuple((n, step) for n, (_, step) in enumerate(self.order)))
        return positions(slot, sizes, range(len(sizes))).ravel()

    def matrix(self) -> Array:
        """The term as a dense matrix."""
        factors = self.factors
        shape = [prod(f.shape[n] for f in factors) for n in (0, 1)]
        item = max(f.dtype.itemsize for f in factors)
        check_size(f"the Kronecker product {self}", shape, item, None)
        result = np.full((1, 1), self.coefficient, np.result_type(*factors))
        for factor in factors:
            result = np.kron(result, factor)
        permutation = self.permutation
        if permutation is not None:
            turned = np.empty_like(result)
            turned[:, permutation] = result
            return turned
        return result

    def __str__(self) -> str:
        sign, number = write_number(self.number)
        before = "".join(f"{part} " for part in (number, *self.scalars) if part)
        product = " ⊗ ".join(self.names)
        if len(self.names) > 1 and (self.order or before):
            product = f"({product})"
        return sign + before + product + (" K" if self.order else "")


class KroneckerForm(NamedTuple):
    """A matrix as a sum of Kronecker products; prints as ``I_2 ⊗ Cᵀ``.

    Attributes
    ----------
    terms : tuple of KroneckerTerm
        The products.
    shape : (int, int)
        Of the matrix.
    order : {"C", "F"}
        The order of ``vec``.
    parts : tuple of (str, str)
        What the names of factors stand for that are no arrays of the function: ``M_ij`` and ``…``.
    """

    terms: tuple[KroneckerTerm, ...]
    shape: tuple[int, int]
    order: str
    parts: Pairs = ()

    @property
    def factors(self) -> tuple[Array, ...]:
        """The factors of the only term.

        Raises
        ------
        UnsupportedError
            Where there are several terms.
        """
        if len(self.terms) != 1:
            raise UnsupportedError(
                f"{self}: a sum of {len(self.terms)} Kronecker products; take .terms[n].factors"
            )
        return self.terms[0].factors

    def matrix(self) -> Array:
        """The sum as a dense matrix, equal to ``J.matrix(order)``."""
        first, *rest = (
            (term.matrix() for term in self.terms) if self.terms else [np.zeros(self.shape)]
        )
        return sum(rest, first)

    def __repr__(self) -> str:
        return (
            f"<{self}, of shape {self.shape}, vec {'row' if self.order == 'C' else 'column'}-major>"
        )

    def _repr_html_(self) -> str:
        return element("code", repr(self))

    def __str__(self) -> str:
        written = [Written(str(term)) for term in self.terms]
        return str(Formula(join_terms(written, "text").text if written else "0", self.parts))


class _Block(NamedTuple):
    """Axes and factors of a term that no letter connects to the others: one Kronecker factor."""

    out: tuple[int, ...]
    inner: tuple[int, ...]
    letters: frozenset[int]


def kronecker(J: Shown, order: str) -> KroneckerForm:
    """Split each term into factors that share no letter, and put them in vec's order."""
    check_order(J.title, order)
    terms, parts = settled(
        lambda: tuple(_kronecker_term(J, term, order) for term in J.terms.terms), J.operands
    )
    return KroneckerForm(terms, (prod(J.out_shape), prod(J.in_shape)), order, parts)


def _blocks(J: Shown, term: Term) -> list[_Block]:
    groups: list[set[int]] = []
    for letters in [set(s.letters) for s in term.slots] + [set(f.letters) for f in term.factors]:
        if letters:
            touching = [g for g in groups if g & letters]
            groups = [g for g in groups if not g & letters] + [letters.union(*touching)]
    blocks = []
    for group in groups:
        axes = [n for n, slot in enumerate(term.slots) if group & set(slot.letters)]
        out = tuple(n for n in axes if n < J.out_ndim)
        blocks.append(_Block(out, tuple(n for n in axes if n >= J.out_ndim), frozenset(group)))
    # A constant slot on a longer axis is a factor of its own: a unit vector.
    for axis, slot in enumerate(term.slots):
        if not slot.parts and J.shape[axis] != 1:
            out, inner = ((axis,), ()) if axis < J.out_ndim else ((), (axis,))
            blocks.append(_Block(out, inner, frozenset()))
    return blocks


def _kronecker_term(J: Shown, term: Term, order: str) -> KroneckerTerm:
    found = _blocks(J, term)
    blocks = [b for b in found if b.out or b.inner]
    for block in blocks:
        if len(block.out) + len(block.inner) > 2 or len(block.out) > 1 or len(block.inner) > 1:
            names = letter_names(term, J.shape, J.axes)[0]
            coupled = ", ".join(sorted(names[a] for a in block.letters))
            axes = ", ".join(J.axes[n] for n in (*block.out, *block.inner))
            raise UnsupportedError(
                f"{J.title} is not a Kronecker product: axes {axes} are coupled through {coupled} in "
                f"{J.formula()}; use J.matrix(), J.sparse() or J.operator()"
            )
    sign = 1 if order == "C" else -1
    blocks = _in_order(blocks, sign)
    inner = [axis for block in blocks for axis in block.inner]
    order_of_columns: tuple[tuple[int, int], ...] = ()
    if inner != sorted(inner, reverse=sign < 0):
        steps = dict(zip(range(J.out_ndim, J.ndim), strides_of(J.in_shape, order), strict=True))
        order_of_columns = tuple((J.shape[axis], steps[axis]) for axis in inner)
    coefficient, number, scalars = float(term.coefficient), term.coefficient, []
    if exact_number(abs(number)) is None:
        scalars.append(label(abs(number), [], "text").text)
        number = -1 if number < 0 else 1
    for factor in (f for f in term.factors if not f.letters):
        coefficient *= float(J.operands[factor.operand][tuple(s.constant for s in factor.slots)])
        at = [str(slot.constant) for slot in factor.slots]
        scalars.append(label(factor.operand, at, "text").inside(PRODUCT))
    for block in found:
        if not (block.out or block.inner):  # factors that are summed to one number
            name, make = _factor(J, term, block)
            coefficient *= make().item()
            scalars.append(name)
    made = [_factor(J, term, block) for block in blocks]
    made = made or [("1", lambda: np.ones((1, 1), J.dtype))]
    written, makers = zip(*made, strict=True)
    return KroneckerTerm(coefficient, written, makers, order_of_columns, number, tuple(scalars))


def _in_order(blocks: list[_Block], sign: int) -> list[_Block]:
    """Blocks with outputs in vec's order; those with inputs only go where their axis belongs."""
    ordered = sorted((b for b in blocks if b.out), key=lambda b: sign * b.out[0])
    for block in sorted((b for b in blocks if not b.out), key=lambda b: sign * b.inner[0]):
        before = [
            n
            for n, other in enumerate(ordered)
            if other.inner and sign * other.inner[0] < sign * block.inner[0]
        ]
        ordered.insert(before[-1] + 1 if before else 0, block)
    return ordered


def _factor(J: Shown, term: Term, block: _Block) -> tuple[str, Callable[[], Array]]:
    """A block's name, and how to make it as a matrix."""
    axes = (*block.out, *block.inner)
    shape = [J.shape[n] for n in axes]
    slots = [term.slots[n] for n in axes]
    factors = [f for f in term.factors if f.letters and f.letters <= block.letters]
    sizes = [n if a in block.letters else 1 for a, n in enumerate(term.sizes)]
    part = total(shape, [normal(1, sizes, factors, slots)])
    nodes = part.operands
    by_place = numbered(part)
    values = [J.operands[node] for node in nodes]
    form = tuple(prod(J.shape[n] for n in group) for group in (block.out, block.inner))

    def make() -> Array:
        check_size(f"{J.title}: a Kronecker factor", form, J.dtype.itemsize, None)
        return contract(by_place, values, J.dtype).reshape(form)

    return _factor_name(part, J.shape, axes, block), make


def _factor_name(part: Sum, shape: Sequence[int], axes: Sequence[int], block: _Block) -> str:
    term = part.terms[0]
    full = [full_letter(s, term.sizes, shape[n]) for s, n in zip(term.slots, axes, strict=True)]
    if not term.factors:
        if len(full) == 2 and full[0] == full[1] and full[0] is not None:
            return f"I_{shape[axes[0]]}"
        if len(full) == 1 and full[0] is not None:
            return f"1_{shape[axes[0]]}" + ("" if block.out else "ᵀ")
        return names().terms(part)
    written = product_form(term, "text")
    if written is not None:
        if len(full) == 1 and not block.out:
            return f"{written.inside(ATOM)}ᵀ"
        return written.text
    if len(full) == 2 and full[0] == full[1] and len(term.factors) == 1:
        (factor,) = term.factors
        whole = matrix_form(factor.operand, "text")
        if whole is not None and factor.slots == (letter_slot(0),):
            return f"diag({whole.text})"
    if not part.shape:
        return write(part, "", label, "text", shape_of).inside(PRODUCT)
    name = names().terms(part)
    return f"{name}ᵀ" if len(full) == 1 and not block.out else name
