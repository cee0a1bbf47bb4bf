"""Algebra that the nodes allow and the notation does not see: quotients, and sums that exist already.

A term is read as a *fraction*: factors over factors, with an exact coefficient. What stands above
and below cancels; a sum that the function has computed is that node (``Σ_k exp(x_k)`` is the
softmax's denominator); a quotient that exists is that node again. So the softmax that is written with
``exp``, ``max`` and ``sum`` gets its textbook Jacobian ``δ_ik Y_i − Y_i Y_k``, and the derivative
through ``max`` vanishes.

Contract: as in ``notation.rewrite``; what cancels is taken to be finite and not 0.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isfinite
from typing import NamedTuple, TypeGuard

import numpy as np

from jacobians.derivation.behind import (
    divides,
    operand_at,
    product_of,
    seen_through,
    summands_of,
)
from jacobians.derivation.likely import could_cancel, may_cancel
from jacobians.derivation.powers import cancelled
from jacobians.graph.node import NUMPY, Node, apply, host_of
from jacobians.notation.slots import ZERO, Slot
from jacobians.notation.terms import (
    Factor,
    Sum,
    Term,
    full_letter,
    normal,
    relabelled,
    spans,
)
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.kinds import number_times
from jacobians.operations.products import contraction

_DEEPEST = 8  # sums within sums that are looked into
_LARGEST = Fraction(10) ** 300  # of a coefficient
_SUMMANDS = 6  # of a factor that is read as a sum


class _Fraction(NamedTuple):
    """``coefficient · Π above / Π below``; a factor below comes with the node that it was read from."""

    coefficient: Fraction
    above: tuple[Factor, ...] = ()
    below: tuple[tuple[Factor, Node], ...] = ()

    def times(self, other: "_Fraction") -> "_Fraction":
        return _Fraction(
            self.coefficient * other.coefficient,
            self.above + other.above,
            self.below + other.below,
        )

    @property
    def key(self) -> tuple[frozenset[tuple[Factor, int]], ...]:
        """All but the coefficient."""
        below = Counter(factor for factor, _ in self.below)
        return frozenset(Counter(self.above).items()), frozenset(below.items())


def local(node: Node, position: int) -> Sum:
    """The node's own Jacobian by an operand, its factors seen through."""
    assert node.operation is not None
    tensor = node.operation.local(node, position)
    terms = [
        Term(t.coefficient, t.sizes, tuple([seen_through(f) for f in t.factors]), t.slots)
        for t in tensor.terms
    ]
    return Sum(tensor.shape, tuple(terms))


def _may_change(term: Term) -> bool:
    """Whether a quotient stands in the term, or a letter that is summed over one factor alone."""
    for factor in term.factors:
        if may_cancel(factor.operand):
            return True
    kept = term.kept
    if len(kept) == len(term.sizes):
        return False
    seen: set[int] = set()
    shared: set[int] = set(kept)
    for factor in term.factors:
        letters = factor.letters
        shared |= seen & letters
        seen |= letters
    return not seen <= shared


def _was_read(term: Term, newest: int) -> bool:
    """Whether the term is one node that the derivation has made: what it was made of was read then."""
    if len(term.factors) != 1 or len(term.kept) != len(term.sizes):
        return False
    (factor,) = term.factors
    return factor.operand.serial > newest and factor.operand.operation is contraction


def _read_by_letters(operation: object) -> TypeGuard[Multilinear]:
    return isinstance(operation, Multilinear) and operation.spelled


def existing(tensor: Sum, operands: tuple[Node, ...]) -> Node | None:
    """A node whose value is the sum of terms over these operands, if there is one."""
    if not operands or any(node.dtype.kind != "f" for node in operands):
        return None
    for user in host_of(operands).users:
        operation = user.operation
        if not _read_by_letters(operation) or operation is contraction:
            continue
        order = [operands.index(n) if n in operands else -1 for n in user.operands]
        if sorted(order) != list(range(len(operands))) or user.shape != tensor.shape:
            continue
        found = operation.structure(tuple(n.shape for n in user.operands), user.parameters)
        if user.dtype == np.result_type(*(n.dtype for n in operands)) and _same(
            found, tensor, order
        ):
            return user
    return None


def _same(found: Sum, tensor: Sum, order: Sequence[int]) -> bool:
    """Whether two sums are equal when the operands of the first are named by ``order``."""
    if len(found.terms) != len(tensor.terms):
        return False
    return _in_order(relabelled(found, order.__getitem__)) == _in_order(tensor)


def _in_order(tensor: Sum) -> Counter[Term | None]:
    return Counter(
        normal(t.coefficient, t.sizes, sorted(t.factors, key=lambda f: f.operand), t.slots)
        for t in tensor.terms
    )


def reduced(term: Term, newest: int, distribute: bool = True) -> list[Term]:
    """The term with quotients cancelled; none where it is 0, several where a sum in it must be read.

    Nodes up to the serial number ``newest`` are computed in any case. Without ``distribute`` no sum is
    read.
    """
    if _was_read(term, newest) or not _may_change(term):
        return [term]
    whole = _read(term)
    held = {a for slot in term.slots for a in slot.letters}
    held |= {a for f in term.factors if f.mask for a in f.letters}
    if _vanishes(whole, held, term.sizes):
        return []
    found, gone = _summed(whole, held, term.sizes)
    deeper = _deeper(_cancelled(found))
    if deeper is None:
        below = [origin for _, origin in whole.below]
        parts = _distributed(term, below) if distribute else None
        if parts is not None:
            return [found for part in parts for found in reduced(part, newest)]
        if not whole.below and not gone:
            return [term]
    found = deeper or _cancelled(found)
    factors = [*(f for f in term.factors if f.mask), *_rebuilt(found, held, newest)]
    if deeper is None and _rank(factors, held, newest) >= _rank(term.factors, held, newest):
        return [term]
    number = _times(term.coefficient, found.coefficient)
    if number is None:
        return [term]
    sizes = [1 if a in gone else size for a, size in enumerate(term.sizes)]
    after = normal(number, sizes, factors, term.slots)
    return [] if after is None else [after]


def _times(coefficient: int | float, exact: Fraction) -> int | float | None:
    """A coefficient times a number; None where that would overflow or underflow."""
    if isinstance(coefficient, int) and exact.denominator == 1:
        return coefficient * exact.numerator
    if not isfinite(coefficient):
        return coefficient * float(exact)
    product = Fraction(coefficient) * exact
    fits = not product or 1 / _LARGEST < abs(product) < _LARGEST
    return float(product) if fits else None


def _read(term: Term) -> _Fraction:
    """The factors but masks as one fraction."""
    whole = _Fraction(Fraction(1))
    for factor in term.factors:
        if not factor.mask:
            whole = whole.times(_fraction(factor))
    return whole


def _deeper(fraction: _Fraction) -> _Fraction | None:
    """The fraction with powers, kinks and parts of sums cancelled; None where there are none."""
    above = [factor.operand for factor in fraction.above]
    under = [factor for factor, _ in fraction.below]
    if not could_cancel(above, (), [factor.operand for factor in under]):
        return None
    found = cancelled(fraction.above, under)
    if found is None:
        return None
    below = tuple((factor, factor.operand) for factor in found.below)
    return _Fraction(fraction.coefficient * found.coefficient, found.above, below)


def _distributed(term: Term, below: Sequence[Node]) -> list[Term] | None:
    """The term with a sum among its factors read as its summands, where one of them cancels then.

    The sum may be of several terms, or over letters: ``y Σ_i (x_i / y) A_ik`` is ``Σ_i x_i A_ik``.
    """
    factors: list[Factor] = []
    waiting = list(term.factors)
    coefficient = term.coefficient
    while waiting:
        factor = waiting.pop(0)
        product = None if factor.mask else product_of(factor)
        if product is None:
            factors.append(factor)
        else:
            coefficient *= product[0]
            waiting = [*product[1], *waiting]
    outer = [factor.operand for factor in factors if not factor.mask]
    for place, factor in enumerate(factors):
        node: Node = factor.operand
        if factor.mask or node.operation is not contraction:
            continue
        if not could_cancel(node.operands, outer, below):
            continue
        summands = summands_of(factor, term.sizes)
        if summands is None or len(summands) > _SUMMANDS:
            continue
        rest = factors[:place], factors[place + 1 :]
        parts = [
            normal(coefficient * one.coefficient, one.sizes, [*rest[0], *one.factors, *rest[1]], term.slots)
            for one in summands
        ]  # fmt: skip
        found = [part for part in parts if part is not None]
        if any(_deeper(_cancelled(_read(part))) for part in found):
            return found
    return None


def _rank(factors: Sequence[Factor], held: set[int], newest: int) -> tuple[int, int, int]:
    """What is preferred is less: few quotients made to be summed, few factors, old nodes."""
    whole = sum(
        f.operand.serial > newest and divides(f.operand) and _sums_more(f, _under(f), held)
        for f in factors
    )
    return whole, len(factors), max((f.operand.serial for f in factors), default=-1)


def _under(quotient: Factor) -> Factor:
    """What a quotient is divided by, at its slots."""
    return operand_at(quotient, quotient.operand.operands[1])


def _sums_more(over: Factor, under: Factor, held: set[int]) -> bool:
    """Whether a sum takes in the first but not the second, which is better left outside."""
    return bool(over.letters - under.letters - held)


def _fraction(factor: Factor) -> _Fraction:
    number, node = number_times(factor.operand)
    if node is None or not isfinite(number):
        return _Fraction(Fraction(1), (factor,))
    if node is not factor.operand:
        return _Fraction(Fraction(number)).times(_fraction(operand_at(factor, node)))
    if node.operation is contraction:
        return _product(factor)
    if not divides(node):
        return _Fraction(Fraction(1), (seen_through(factor),))
    over, under = node.operands
    if under.is_number:
        if under.value == 0 or not isfinite(under.value):
            return _Fraction(Fraction(1), (factor,))
        bottom = _Fraction(1 / Fraction(under.value))
    else:
        bottom = _Fraction(Fraction(1), (), ((operand_at(factor, under), under),))
    if over.is_number:
        if not isfinite(over.value):
            return _Fraction(Fraction(1), (factor,))
        return bottom._replace(coefficient=bottom.coefficient * Fraction(over.value))
    return _fraction(operand_at(factor, over)).times(bottom)


def _product(factor: Factor) -> _Fraction:
    """A node that multiplies quotients, nothing summed, as their fraction."""
    product = product_of(factor) if may_cancel(factor.operand) else None
    if product is None:
        return _Fraction(Fraction(1), (factor,))
    found = _Fraction(Fraction(product[0]))
    for inner in product[1]:
        found = found.times(_fraction(inner))
    return found


def _cancelled(fraction: _Fraction) -> _Fraction:
    above = list(fraction.above)
    below = []
    for factor, origin in fraction.below:
        if factor in above:
            above.remove(factor)
        else:
            below.append((factor, origin))
    return fraction._replace(above=tuple(above), below=tuple(below))


def _lonely(fraction: _Fraction, held: set[int]) -> Iterator[tuple[int, frozenset[int]]]:
    """Factors above with letters that are summed and stand in no other one."""
    for n, factor in enumerate(fraction.above):
        others = held.union(
            *(f.letters for m, f in enumerate(fraction.above) if m != n),
            *(f.letters for f, _ in fraction.below),
        )
        alone = factor.letters - others
        if alone:
            yield n, alone


def _summed(
    fraction: _Fraction, held: set[int], sizes: tuple[int, ...]
) -> tuple[_Fraction, set[int]]:
    """The fraction with sums replaced by nodes that are these sums, and the letters that went."""
    gone: set[int] = set()
    above = list(fraction.above)
    for n, alone in _lonely(fraction, held):
        found = _existing_sum(fraction.above[n], alone, sizes)
        if found is not None and any(found == factor for factor, _ in fraction.below):
            above[n] = found
            gone |= alone
    return fraction._replace(above=tuple(above)), gone


def _existing_sum(factor: Factor, alone: frozenset[int], sizes: tuple[int, ...]) -> Factor | None:
    """A node that is the sum of the factor's operand over the axes of these letters."""
    node: Node = factor.operand
    letters = [full_letter(s, sizes, n) for s, n in zip(factor.slots, node.shape, strict=True)]
    away = {axis for axis, letter in enumerate(letters) if letter in alone}
    if {letters[axis] for axis in away} != alone or len(away) != len(alone):
        return None
    for user in node.users:
        operation = user.operation
        if not _read_by_letters(operation) or user.operands != (node,):
            continue
        tensor = operation.structure((node.shape,), user.parameters)
        if len(tensor.terms) != 1 or user.dtype != node.dtype:
            continue
        (term,) = tensor.terms
        if term.coefficient != 1 or len(term.factors) != 1 or not spans(term, tensor.shape):
            continue
        axes = {slot.plain: axis for axis, slot in enumerate(term.factors[0].slots)}
        kept = [axes.get(slot.plain) for slot in term.slots if slot != ZERO]
        plain = None not in axes and len(axes) == node.ndim and None not in kept
        if plain and set(range(node.ndim)) - set(kept) == away:
            reads = iter(kept)
            slots: list[Slot] = []
            for slot in term.slots:
                axis = None if slot == ZERO else next(reads)
                slots.append(ZERO if axis is None else factor.slots[axis])
            return Factor(user, tuple(slots))
    return None


def _vanishes(fraction: _Fraction, held: set[int], sizes: tuple[int, ...]) -> bool:
    """Whether a sum over one factor's own letters is 0 whatever the numbers: ``Σ (x − mean x)``."""
    for n, alone in _lonely(fraction, held):
        total: defaultdict[object, Fraction] = defaultdict(Fraction)
        for part in _linear(fraction.above[n], _DEEPEST):
            letters = part.above[0].letters if len(part.above) == 1 else frozenset()
            number = part.coefficient
            if part.below or (alone & letters and not alone <= letters):
                break
            if alone <= letters:
                found = _existing_sum(part.above[0], alone, sizes)
                if found is None:
                    break
                part = part._replace(above=(found,))
            else:
                for a in alone:
                    number *= sizes[a]
            total[part.key] += number
        else:
            if total and not any(total.values()):
                return True
    return False


def _linear(factor: Factor, depth: int) -> Iterator[_Fraction]:
    """The factor as a sum of fractions, through sums and differences."""
    fraction = _fraction(factor)
    if len(fraction.above) == 1 and not fraction.below and depth:
        (inner,) = fraction.above
        node = inner.operand
        if node.operation in (NUMPY[np.add], NUMPY[np.subtract]):
            signs = 1, -1 if node.operation is NUMPY[np.subtract] else 1
            for sign, operand in zip(signs, node.operands, strict=True):
                scale = _Fraction(fraction.coefficient * sign)
                for part in _linear(operand_at(inner, operand), depth - 1):
                    yield scale.times(part)
            return
    yield fraction


def _rebuilt(fraction: _Fraction, held: set[int], newest: int) -> list[Factor]:
    """The factors again, with quotients that exist already where there are such."""
    above = list(fraction.above)
    below = list(fraction.below)
    while True:
        best: tuple[int, int, int, Node] | None = None
        for m, (under, origin) in enumerate(below):
            for n, over in enumerate(above):
                apart = _sums_more(over, under, held)
                for quotient in _quotients(over, under, origin):
                    if apart and quotient.serial > newest:
                        continue
                    if best is None or quotient.serial < best[0]:
                        best = quotient.serial, n, m, quotient
        if best is None:
            break
        _, n, m, quotient = best
        above[n] = Factor(quotient, above[n].slots)
        del below[m]
    inverses = [Factor(apply(NUMPY[np.divide], [1, f.operand]), f.slots) for f, _ in below]
    return [*above, *inverses]


def _quotients(over: Factor, under: Factor, origin: Node) -> Iterator[Node]:
    shaped = (n for n in under.operand.users if isinstance(n.operation, Multilinear))
    for host in dict.fromkeys((origin, over.operand, under.operand, *shaped)):
        for user in host.users:
            if (
                divides(user)
                and user.operands[0] is over.operand
                and user.shape == over.operand.shape
                and _under(Factor(user, over.slots)) == under
            ):
                yield user
