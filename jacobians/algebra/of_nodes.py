"""Reading nodes and terms as expressions: what they are made of, to the named arrays.

What moves entries by other than whole axes, and what is no real number, is not read: ``Unread``.
"""

# ruff: noqa: ARG001, N812 - rules are all called alike; constants of this module

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Function, Leaf, Letters, Monomial, Whole
from jacobians.algebra.averages import added
from jacobians.algebra.common_factors import leading, positive
from jacobians.algebra.constants import matrix_of, selection, splitting, triangle, unit
from jacobians.algebra.inverting import det_of, inverse_of
from jacobians.algebra.letter_order import ONE, exact, plain, sizes_of
from jacobians.algebra.normal_form import (
    at,
    built,
    function_of,
    multiplied,
    number,
    of_atom,
    power_of,
    sum_of,
    value_of,
)
from jacobians.graph.node import NUMPY, Node, ordered
from jacobians.notation.slots import ZERO, Slot, Table, column
from jacobians.notation.terms import Sum, Term, full_letter, relabelled
from jacobians.operations.declare import Multilinear
from jacobians.operations.elementwise import exp as EXP
from jacobians.operations.elementwise import log as LOG
from jacobians.operations.elementwise import sigmoid as SIGMOID
from jacobians.operations.reductions import softmax_last

HALF = Fraction(1, 2)
_MOST = 400  # nodes that are read
_TERMS = 40  # of one expression


class Unread(Exception):
    """The node has no expression here; the text says why."""


ReadingRule = Callable[["Reader", Node, list[Expr]], Expr]
_RULES: dict[str, ReadingRule] = {}


def _rule(*names: str) -> Callable[[ReadingRule], ReadingRule]:
    def enter(rule: ReadingRule) -> ReadingRule:
        for name in names:
            _RULES[name] = rule
        return rule

    return enter


class _Places:
    """The letters of a term's slots; what is no whole axis is read through a constant array."""

    def __init__(self, term: Term, table: Callable[[Table], str]) -> None:
        self.sizes = dict(enumerate(term.sizes))
        self.pieces: list[Any] = []
        self._term, self._table = term, table
        self._known: dict[tuple[int, int], int] = {}

    def _new(self, size: int) -> int:
        letter = len(self.sizes)
        self.sizes[letter] = size
        return letter

    def triangles(self, shape: tuple[int, ...]) -> list[Any]:
        """Cumulative sums: two tables of one letter, which are the places on and below a diagonal."""
        found: list[Any] = []
        everything = [(slot, n) for slot, n in zip(self._term.slots, shape, strict=True)]
        for f in self._term.factors:
            everything += list(zip(f.slots, f.operand.shape, strict=True))
        for letter, count in enumerate(self._term.sizes):
            own = [(s, n) for s, n in everything if letter in s.letters]
            if (
                len(own) != 2
                or any(len(s.parts) != 1 for s, _ in own)
                or all(s.affine for s, _ in own)
            ):
                continue
            (a, n), (b, m) = own
            at = [s.constant + column(s.parts[0][1], count) for s in (a, b)]
            counts = matrix_of(at[0], at[1], (n, m))
            lower = n == m and np.array_equal(counts, np.tri(n))
            if lower or (n == m and np.array_equal(counts, np.tri(n).T)):
                for s, _ in own:
                    self._known[id(s), letter] = self._new(n)
                first, second = (self._known[id(s), letter] for s, _ in own)
                self.sizes.pop(letter)
                found.append((triangle(n), (first, second) if lower else (second, first), 1))
        return found

    def letters(self, slots: Sequence[Slot], shape: Sequence[int]) -> Letters:
        """A letter for each axis that is read or written at slots."""
        return tuple(self._letter(s, n) for s, n in zip(slots, shape, strict=True))

    def _letter(self, slot: Slot, size: int) -> int | None:
        if size == 1 and slot == ZERO:
            return None
        if not slot.parts:  # one entry of an axis: a unit vector stands there
            new = self._new(size)
            self.pieces.append((unit(slot.constant, size), (new,), 1))
            return new
        letter = full_letter(slot, self._term.sizes, size)
        if letter is not None:
            return letter
        if len(slot.parts) == 1:
            return self._selected(slot, size)
        return self._split(slot, size)

    def _selected(self, slot: Slot, size: int) -> int:
        ((letter, stride),) = slot.parts
        if (id(slot), letter) in self._known:
            return self._known[id(slot), letter]
        new = self._new(size)
        positions = slot.constant + column(stride, self._term.sizes[letter])
        called = ""
        if isinstance(stride, Table):
            called = self._table(stride if not slot.constant else Table(positions))
        self.pieces.append((selection(positions, size, called), (letter, new), 1))
        return new

    def _split(self, slot: Slot, size: int) -> int:
        """An axis that two letters count through, the second one the faster."""
        parts = sorted(
            slot.parts, key=lambda part: -abs(part[1]) if isinstance(part[1], int) else 0
        )
        (a, slow), (b, fast) = parts[0], parts[-1]
        n, m = self._term.sizes[a], self._term.sizes[b]
        if len(parts) != 2 or slot.constant or (slow, fast) != (m, 1) or n * m != size:
            raise Unread("entries move by other than whole axes")
        new = self._new(size)
        self.pieces.append((splitting(size, (n, m)), (new, a, b), 1))
        return new


class Reader:
    """Nodes as expressions, remembered.

    Parameters
    ----------
    leaf : callable
        The name of a leaf.
    symmetric, positive, active : set of str
        Names of what is its own transpose, of what is positive, of what is differentiated by.
    known : mapping of Node to str
        Nodes that are read as a leaf of that name.
    table : callable
        The name of a table of positions.
    """

    def __init__(
        self, leaf: Callable[[Node], str], symmetric: frozenset[str] = frozenset(),
        positive: frozenset[str] = frozenset(), active: frozenset[str] = frozenset(),
        known: Mapping[Node, str] | None = None, table: Callable[[Table], str] | None = None,
    ) -> None:  # fmt: skip
        self._table = table or (lambda _: "t")
        self._leaf, self._symmetric, self._positive, self._active = (
            leaf,
            symmetric,
            positive,
            active,
        )
        self._known = {} if known is None else dict(known)
        self._read: dict[Node, Expr] = {}
        self.leaves: dict[str, Node] = {}

    def expression(self, node: Node) -> Expr:
        """The node as an expression of its shape."""
        if node in self._known and node not in self._read:
            self._read[node] = self._named(self._known[node], node)
        if node not in self._read:
            for new in ordered([node], {**self._read, **self._known}):
                if len(self._read) > _MOST:
                    raise Unread("it has too many operations")
                if new not in self._read:
                    found = self._of(new)
                    if len(found.terms) > _TERMS:
                        raise Unread("it has too many terms")
                    self._read[new] = found
        return self._read[node]

    def known_as(self, node: Node, expr: Expr) -> None:
        """Read the node as this expression."""
        self._read[node] = expr

    def tensor(self, tensor: Sum) -> Expr:
        """A sum of terms over nodes."""
        for node in tensor.operands:
            self.expression(node)
        return self._terms(tensor, lambda node: self._read[node])

    def _of(self, node: Node) -> Expr:
        if node in self._known:
            return self._named(self._known[node], node)
        if node.operation is None:
            return self._constant(node)
        operands = []
        for n in node.operands:
            if n not in self._read:
                self._read[n] = self._of(n)
            operands.append(self._read[n])
        if isinstance(node.operation, Multilinear):
            tensor = node.operation.structure(
                tuple(n.shape for n in node.operands), node.parameters
            )
            return self._terms(
                relabelled(tensor, lambda k: node.operands[k]), self._read.__getitem__
            )
        found = _RULES.get(node.operation.name)
        if found is not None and (result := found(self, node, operands)) is not None:
            return result
        if node.operation.elementwise:
            return function_of(
                node.operation,
                [self.broadcast(e, node) for e in operands],
                node.shape,
                node.parameters,
            )
        atom = Whole(node.operation, tuple(operands), node.parameters, node.shape)
        return of_atom(atom, node.shape)

    def _named(self, name: str, node: Node) -> Expr:
        square = node.ndim == 2 and node.shape[0] == node.shape[1]
        self.leaves.setdefault(name, node)
        return of_atom(
            Leaf(
                name,
                node.shape,
                square and name in self._symmetric,
                name in self._positive,
                name in self._active,
            ),
            node.shape,
        )

    def _constant(self, node: Node) -> Expr:
        if node.dtype.kind not in "fiub":
            raise Unread("an array of numbers is not real")
        if not node.name and node.value is not None:
            array = np.asarray(node.value)
            if array.ndim == 0:
                return number(array.item())
            if array.size and (array == array.flat[0]).all():
                return at(number(array.flat[0].item()), plain(node.shape), node.shape, ())
        if node.value is not None and node.ndim == 2 and node.shape[0] == node.shape[1] > 1:  # noqa: SIM102
            if np.array_equal(node.value, np.eye(node.shape[0])):
                return built([], (0, 0), {0: node.shape[0]}, node.shape)
        return self._named(self._leaf(node), node)

    def _terms(self, tensor: Sum, read: Callable[[Node], Expr]) -> Expr:
        parts: list[Monomial] = []
        for term in tensor.terms:
            parts += self._term(term, tensor.shape, read)
        return added(tensor.shape, parts)

    def _term(
        self, term: Term, shape: tuple[int, ...], read: Callable[[Node], Expr]
    ) -> tuple[Monomial, ...]:
        places = _Places(term, self._table)
        pieces: list[Any] = places.triangles(shape)
        for factor in term.factors:
            node = factor.operand
            pieces.append((read(node), places.letters(factor.slots, node.shape), 1))
        slots = places.letters(term.slots, shape)
        pieces += places.pieces
        return built(pieces, slots, places.sizes, shape, exact(term.coefficient)).terms

    def broadcast(self, expr: Expr, node: Node) -> Expr:
        """An operand of an elementwise node in the node's shape."""
        if expr.shape == node.shape:
            return expr
        slots = plain(node.shape)
        own = slots[len(slots) - len(expr.shape) :]
        letters = tuple(None if n == 1 else a for a, n in zip(own, expr.shape, strict=True))
        return at(expr, slots, node.shape, letters)


def exponential(expr: Expr) -> Expr:
    """Exp of a sum: a product, a factor for each term, its coefficient an exponent."""
    slots = plain(expr.shape)
    sizes = sizes_of(slots, expr.shape)
    pieces: list[Any] = []
    for t in expr.terms:
        if len(t.factors) == 1 and not [a for a in range(len(t.sizes)) if a not in t.slots]:
            ((factor, e),) = t.factors
            if isinstance(factor.atom, Function) and factor.atom.operation is LOG and e == 1:
                inner = factor.atom.arguments[0]
                names = {s: a for s, a in zip(t.slots, slots, strict=True) if s is not None}
                at_ = tuple(None if a is None else names[a] for a in factor.letters)
                pieces.append((inner, at_, t.coefficient))
                continue
        power, unit = (
            (t.coefficient, ONE) if isinstance(t.coefficient, Fraction) else (1, t.coefficient)
        )
        one = Expr(expr.shape, (t._replace(coefficient=unit),))
        pieces.append((function_of(EXP, [one], expr.shape), slots, Fraction(power)))
    return built(pieces, slots, sizes, expr.shape)


def logarithm(expr: Expr) -> Expr:
    """Log of a product of what is positive: a sum; of an exponential what it is of."""
    if value_of(expr) == 1:
        return Expr(expr.shape, ())
    if len(expr.terms) == 1:
        (t,) = expr.terms
        summed = [a for a in range(len(t.sizes)) if a not in t.slots]
        doubtful = [f for f, e in t.factors if not _certain(f.atom)]
        if not summed and t.coefficient > 0 and len(doubtful) <= 1 and len({*t.slots} - {None}) == len(
            [s for s in t.slots if s is not None]
        ):  # fmt: skip
            parts: list[Expr] = []
            scales: list[Any] = []
            slots = t.slots
            for f, e in t.factors:
                one = built([(f.atom, f.letters, 1)], slots, dict(enumerate(t.sizes)), expr.shape)
                scales.append(e)
                if isinstance(f.atom, Function) and f.atom.operation is EXP:
                    parts.append(
                        built(
                            [(f.atom.arguments[0], f.letters, 1)],
                            slots,
                            dict(enumerate(t.sizes)),
                            expr.shape,
                        )
                    )
                else:
                    parts.append(function_of(LOG, [one], expr.shape))
            if t.coefficient != 1:
                one = at(number(float(t.coefficient)), plain(expr.shape), expr.shape, ())
                parts.append(function_of(LOG, [one], expr.shape))
                scales.append(ONE)
            if parts:
                return sum_of(parts, scales)
    return function_of(LOG, [expr], expr.shape)


def _certain(atom: Atom) -> bool:
    return positive(atom)


def _raised(node: Node, expr: Expr, exponent: Fraction) -> Expr:
    if exponent == 0:
        return at(number(1), plain(expr.shape), expr.shape, ())
    if expr.is_zero:
        return expr
    if exponent == HALF and len(expr.terms) == 1:  # √(x²) = |x|
        (t,) = expr.terms
        if not [a for a in range(len(t.sizes)) if a not in t.slots] and t.coefficient > 0:
            pieces: list[Any] = []
            for f, e in t.factors:
                if e % 2 == 0 and not _certain(f.atom):
                    inner = Expr_of(f.atom)
                    size = function_of(NUMPY[np.absolute], [inner], inner.shape)
                    pieces.append((size, f.letters, e / 2))
                elif _certain(f.atom):
                    pieces.append((f.atom, f.letters, e / 2))
                else:
                    pieces.append((f.atom, f.letters, e / 2))
            doubtful = [f for f, e in t.factors if e % 2 and not _certain(f.atom)]
            if len(doubtful) <= 1:
                return built(
                    pieces,
                    t.slots,
                    dict(enumerate(t.sizes)),
                    expr.shape,
                    exact(float(t.coefficient) ** 0.5),
                )
    return multiplied([(expr, exponent)])


def Expr_of(atom: Atom) -> Expr:  # noqa: N802
    """An atom as an expression of the axes that its letters stand at."""
    if isinstance(atom, Leaf | Whole):
        return of_atom(atom, atom.shape)
    return of_atom(atom, atom.inner[0].shape)


@_rule("divide", "ratio", "quotient")
def _divide(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    A, B = (reader.broadcast(e, node) for e in operands)
    if A.is_zero:
        return A
    return multiplied([(A, 1), (B, -1)])


@_rule("portion")
def _portion(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return _divide(reader, node, [operands[0], operands[2]])


@_rule("reciprocal")
def _reciprocal(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return multiplied([(operands[0], -1)])


@_rule("square")
def _square(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return multiplied([(operands[0], 2)])


@_rule("sqrt", "root")
def _sqrt(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return _raised(node, operands[0], HALF)


@_rule("positive", "conjugate", "alias", "astype", "cast", "copy")
def _same(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return operands[0]


@_rule("power", "float_power")
def power_form(reader: Reader, node: Node, operands: list[Expr]) -> Expr:  # noqa: D103
    return _general_power(reader, node, operands, 0)


def _general_power(reader: Reader, node: Node, operands: list[Expr], less: int) -> Expr:
    base, exponent = (reader.broadcast(e, node) for e in operands)
    value = value_of(exponent)
    if value is not None and isinstance(value, Fraction):
        return _raised(node, base, value - less)
    if less:
        minus = at(number(-less), plain(node.shape), node.shape, ())
        exponent = sum_of([exponent, minus])
    return power_of(base, exponent, node.shape)


def _power_slope(order: int) -> ReadingRule:
    def rule(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
        exponent = reader.broadcast(operands[1], node)
        pieces = [(_general_power(reader, node, operands, order), Fraction(1))]
        for k in range(order):
            minus = at(number(-k), plain(node.shape), node.shape, ())
            pieces.append((sum_of([exponent, minus]) if k else exponent, Fraction(1)))
        return multiplied(pieces)

    return rule


for _order in range(1, 5):
    _RULES[f"power_slope{_order}"] = _power_slope(_order)


@_rule("exp")
def _exp(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return exponential(operands[0])


@_rule("log", "nonzero_log")
def _log(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return logarithm(operands[0])


@_rule("log1p")
def _log1p(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    one = at(number(1), plain(node.shape), node.shape, ())
    return logarithm(sum_of([one, operands[0]]))


@_rule("expm1")
def _expm1(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    one = at(number(1), plain(node.shape), node.shape, ())
    return sum_of([exponential(operands[0]), one], [ONE, -ONE])


@_rule("sigmoid", "expit")
def _sigmoid(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return sigmoid(operands[0])


def sigmoid(expr: Expr) -> Expr:
    """σ, of the argument whose first term is positive: σ(−x) = 1 − σ(x)."""
    first = leading(expr) if expr.terms else None
    if first is not None and first.coefficient < 0:
        other = function_of(SIGMOID, [sum_of([expr], [-ONE])], expr.shape)
        return sum_of([at(number(1), plain(expr.shape), expr.shape, ()), other], [ONE, -ONE])
    return function_of(SIGMOID, [expr], expr.shape)


@_rule("logaddexp")
def _logaddexp(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    A, B = (reader.broadcast(e, node) for e in operands)
    return logarithm(sum_of([exponential(A), exponential(B)]))


@_rule("hypot")
def _hypot(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    A, B = (reader.broadcast(e, node) for e in operands)
    return _raised(node, sum_of([multiplied([(A, 2)]), multiplied([(B, 2)])]), HALF)


@_rule("fabs")
def _fabs(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    return function_of(NUMPY[np.absolute], operands, node.shape)


def _summed(expr: Expr, axes: tuple[int, ...]) -> Expr:
    """The sum over axes."""
    slots = plain(expr.shape)
    kept = [a for a in range(len(expr.shape)) if a not in axes]
    terms: list[Monomial] = []
    for t in expr.terms:
        terms += built(
            [(Expr(expr.shape, (t,)), slots, 1)], tuple(slots[a] for a in kept), sizes_of(slots, expr.shape),
            tuple(expr.shape[a] for a in kept),
        ).terms  # fmt: skip
    return added(tuple(expr.shape[a] for a in kept), terms)


@_rule("norm")
def _norm(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    return _raised(node, _summed(multiplied([(X, 2)]), tuple(range(len(X.shape)))), HALF)


@_rule("row_norm")
def _row_norm(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    return _raised(node, _summed(multiplied([(X, 2)]), (len(X.shape) - 1,)), HALF)


@_rule("squared_error")
def _squared_error(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    y, t = operands
    both = multiplied([(sum_of([y, t], [ONE, -ONE]), 2)])
    return sum_of([_summed(both, tuple(range(len(both.shape))))], [HALF])


@_rule("squares")
def _squares(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    axes = tuple(range(len(node.shape), len(X.shape)))
    count = prod(X.shape[a] for a in axes)
    means = at_mean(X, axes, count)
    return _summed(multiplied([(sum_of([X, means], [ONE, -ONE]), 2)]), axes)


def at_mean(X: Expr, axes: tuple[int, ...], count: int) -> Expr:
    """The mean over axes, in the shape of what it is of."""
    slots = plain(X.shape)
    kept = tuple(a for n, a in enumerate(slots) if n not in axes)
    return sum_of([at(_summed(X, axes), slots, X.shape, kept)], [Fraction(1, count)])


def _softmax_over(X: Expr, axes: tuple[int, ...]) -> Expr:
    powers = exponential(X)
    slots = plain(X.shape)
    kept = tuple(a for n, a in enumerate(slots) if n not in axes)
    return multiplied([(powers, 1), (at(_summed(powers, axes), slots, X.shape, kept), -1)])


@_rule("softmax")
def _softmax(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    last = "…" in repr(getattr(node.operation, "forms", "")) or _is_last(node)
    return _softmax_over(X, (len(X.shape) - 1,) if last else tuple(range(len(X.shape))))


def _is_last(node: Node) -> bool:
    return node.operation is softmax_last


@_rule("logsumexp")
def _logsumexp(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    axes = tuple(range(len(node.shape), len(X.shape)))
    return logarithm(_summed(exponential(X), axes))


def _matrix(node: Node) -> None:
    if node.operands[0].ndim != 2:
        raise Unread("matrices in a batch")


@_rule("inv")
def _inv(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    return inverse_of(operands[0])


@_rule("solve")
def _solve(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    A, b = operands
    if len(b.shape) > 2:
        raise Unread("matrices in a batch")
    n = node.operands[0].shape[0]
    top = None if n == 1 else 0
    inner = None if n == 1 else 1
    slots = (top, *((None if m == 1 else 2) for m in b.shape[1:]))
    sizes = {0: n, 1: n, **({2: b.shape[1]} if len(b.shape) > 1 else {})}
    return built(
        [(inverse_of(A), (top, inner), 1), (b, (inner, *slots[1:]), 1)], slots, sizes, node.shape
    )


@_rule("det")
def _det(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    return det_of(operands[0])


@_rule("reciprocal_det")
def _reciprocal_det(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    return built([(det_of(operands[0]), (), -1)], (), {}, ())


@_rule("log_abs_det")
def _log_abs_det(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    return function_of(LOG, [function_of(NUMPY[np.absolute], [det_of(operands[0])], ())], ())


@_rule("cofactor")
def _cofactor(reader: Reader, node: Node, operands: list[Expr]) -> Expr:
    _matrix(node)
    n = node.shape[0]
    if n == 1:
        return at(number(1), (None, None), node.shape, ())
    return built(
        [(det_of(operands[0]), (), 1), (inverse_of(operands[0]), (1, 0), 1)],
        (0, 1),
        {0: n, 1: n},
        node.shape,
    )
