"""Terms as products of powers, where plain quotients do not cancel: kinks, roots and parts of sums.

``‖x‖`` times the slope ``x / ‖x‖`` is ``x``, at 0 too: a square takes the kink of a norm away, and the
second derivative is the square's. ``√s √s`` is ``s``, and ``s² / s`` is ``s``. What stands above and is part
of a sum below, ``e / (1 + e)``, is one number that exists where ``e`` is infinite.

Contract: as in ``notation.rewrite``; what cancels is taken to be finite and not 0, but for kinks: a
kink cancels only under what it is the kink of, and there the result is right at 0.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import isfinite
from typing import NamedTuple

from jacobians.derivation.behind import divides, operand_at, product_of, seen_through
from jacobians.derivation.likely import ABSOLUTE, DEEPEST, POWERS, SUMS
from jacobians.graph.node import Node, apply
from jacobians.notation.terms import Factor
from jacobians.operations import elementwise, functions, linalg
from jacobians.operations.kinds import number_times
from jacobians.operations.products import contraction

_MANY = 5  # times that one factor may stand in a term, below as the quotient that there is
_LARGEST = 64  # exponent of a power that is read as one
_HALF = Fraction(1, 2)
_KINKED = {
    linalg.norm, linalg.row_norm, functions.hypot, functions.root, *ABSOLUTE,
}  # fmt: skip
"""What is 0 only where the numerator of its slope is: its slope times itself is the numerator."""
FactorPowers = dict[Factor, Fraction]


class Cancelled(NamedTuple):
    """``coefficient · Π above / Π below``."""

    coefficient: Fraction
    above: tuple[Factor, ...]
    below: tuple[Factor, ...]


class _Powers:
    """A product as exponents of bases; ``found`` says whether anything has cancelled."""

    def __init__(self, above: Sequence[Factor], below: Sequence[Factor]) -> None:
        self.coefficient = Fraction(1)
        self.over: FactorPowers = {}
        self.under: FactorPowers = {}
        self.given: dict[Factor, list[tuple[Fraction, Factor]]] = {}
        for factor in above:
            self.coefficient *= self._read(factor, Fraction(1))
        for factor in below:
            self.coefficient *= self._read(factor, Fraction(-1))
        self.found = any(base in self.under for base in self.over)
        self.net = {
            base: e
            for base in {**self.over, **self.under}
            if (e := self.over.get(base, Fraction(0)) + self.under.get(base, Fraction(0)))
        }

    def _read(self, factor: Factor, times: Fraction, depth: int = DEEPEST) -> Fraction:
        """Enter the factor to an integral power; returns the number that it holds."""
        number, node = number_times(factor.operand)
        if node is None or not isfinite(number) or number == 0:
            return self._enter(factor, times)
        coefficient: Fraction = Fraction(number) ** int(times)
        if node is not factor.operand:
            factor = operand_at(factor, node)
        parts = _parts(factor) if depth else None
        if parts is None:
            return coefficient * self._enter(factor, times)
        held, powers = parts
        coefficient *= held ** int(times)
        for part, exponent in powers:
            power = exponent * times
            if len(powers) == 1 and exponent != 1:
                self.given.setdefault(part, []).append((exponent, factor))
            if power.denominator == 1:
                coefficient *= self._read(part, power, depth - 1)
            else:
                self._enter(part, power)
        return coefficient

    def _enter(self, factor: Factor, times: Fraction) -> Fraction:
        base = seen_through(factor)
        side = self.over if times > 0 else self.under
        side[base] = side.get(base, Fraction(0)) + times
        return Fraction(1)

    def times(self, base: Factor, exponent: Fraction | int) -> None:
        """Multiply by a power."""
        power = self.net.get(base, Fraction(0)) + exponent
        self.net.pop(base, None)
        if power:
            self.net[base] = power

    def has(self, parts: "_Powers") -> bool:
        """Whether a product stands in this one, as often as it says."""
        stands = [(e, self.net.get(base, Fraction(0))) for base, e in parts.net.items()]
        return bool(stands) and all(
            abs(e) <= abs(own) and (e > 0) == (own > 0) for e, own in stands
        )

    def take(self, parts: "_Powers") -> None:
        """Divide by a product."""
        self.coefficient /= parts.coefficient
        for base, exponent in parts.net.items():
            self.times(base, -exponent)


def _parts(factor: Factor) -> tuple[Fraction, list[tuple[Factor, Fraction]]] | None:
    """A node as a number and powers of its operands; None for one that is a base."""
    node: Node = factor.operand
    operation, operands = node.operation, node.operands
    one = Fraction(1)
    if operation is elementwise.multiply:
        return one, [(operand_at(factor, operand), one) for operand in operands]
    if operation is elementwise.divide:
        return _over_under(factor)
    if operation is contraction:
        product = product_of(factor)
        if product is None or not isfinite(product[0]):
            return None
        return Fraction(product[0]), [(part, one) for part in product[1]]
    exponent: Fraction | int | None = _EXPONENTS.get(operation)
    if operation in POWERS:
        given = operands[1].value
        if operands[1].is_number and 0 < abs(given) <= _LARGEST:
            exponent = Fraction(given)
    return (
        None if exponent is None else (one, [(operand_at(factor, operands[0]), Fraction(exponent))])
    )


_EXPONENTS: dict[object, Fraction | int] = {
    elementwise.square: 2, elementwise.sqrt: _HALF, functions.reciprocal: -1
}  # fmt: skip


def _over_under(factor: Factor) -> tuple[Fraction, list[tuple[Factor, Fraction]]] | None:
    number = Fraction(1)
    powers = []
    for operand, sign in zip(factor.operand.operands, (1, -1), strict=True):
        if operand.is_number:
            if operand.value == 0 or not isfinite(operand.value):
                return None
            number *= Fraction(operand.value) ** sign
        else:
            powers.append((operand_at(factor, operand), Fraction(sign)))
    return number, powers


def cancelled(above: Sequence[Factor], below: Sequence[Factor]) -> Cancelled | None:
    """The quotient with fewer powers, kinks and parts of sums; None where nothing cancels."""
    powers = _Powers(above, below)
    found = powers.found
    while _kink(powers) or _joined(powers) or _part_of_sum(powers):
        found = True
    return _written(powers) if found else None


def _kink(powers: _Powers) -> bool:
    """``B · (A / B)`` is A where the slope A / B is that of a kink: 0 where B is 0, as A is."""
    for factor in powers.net:
        node: Node = factor.operand
        if node.operation is elementwise.ratio:
            over, under = node.operands
            base = operand_at(factor, under)
            fits = base.operand.operation in _KINKED
        elif node.operation is elementwise.sign:
            (over,) = node.operands
            of = operand_at(factor, over)
            base = next((f for f in powers.net if _is_absolute(f, of)), factor)
            fits = base is not factor
        else:
            continue
        if not fits or powers.net.get(base, 0) < 1 or powers.net[factor] < 1:
            continue
        powers.times(factor, -1)
        powers.times(base, -1)
        if over.is_number:
            powers.coefficient *= Fraction(over.value)
        else:
            powers.times(operand_at(factor, over), 1)
        return True
    return False


def _is_absolute(factor: Factor, of: Factor) -> bool:
    node: Node = factor.operand
    return node.operation in ABSOLUTE and operand_at(factor, node.operands[0]) == of


def _joined(powers: _Powers) -> bool:
    """``x x / √(x²)`` is ``√(x²)``: what a root is taken of may stand above as its factors."""
    for base, exponent in powers.net.items():
        if exponent < 0 and exponent.denominator != 1:
            parts = _Powers([base], [])
            if list(parts.net) != [base] and powers.has(parts):
                powers.take(parts)
                powers.times(base, 1)
                return True
    return False


def _part_of_sum(powers: _Powers) -> bool:
    """``e / (1 + e)`` as one number."""
    for base, exponent in powers.net.items():
        if exponent > -1:
            continue
        for sign, numerator, quotient in _quotients(base.operand):
            if any(divides(n) and n.operands[0] is numerator for n in base.operand.users):
                continue  # the function has it
            parts = _Powers([operand_at(base, numerator)], [])
            if powers.has(parts):
                powers.take(parts)
                powers.coefficient *= sign
                powers.times(base, 1)
                powers.times(seen_through(Factor(quotient(), base.slots)), 1)
                return True
    return False


Quotient = tuple[int, Node, Callable[[], Node]]


def _quotients(under: Node) -> Iterator[Quotient]:
    """Nodes of which the quotient by this one is known: a sign, such a node, and the quotient."""
    if under.operation is functions.cosh:
        (x,) = under.operands
        yield 1, apply(functions.sinh, [x]), lambda: apply(elementwise.tanh, [x])
    elif under.operation is functions.expm1:
        power = apply(elementwise.exp, under.operands)
        yield 1, power, lambda: apply(elementwise.portion, [power, -1, under])
    else:
        for sign, part, rest in _summands(under, DEEPEST):

            def quotient(sign: int = sign, part: Node = part, rest: Node = rest) -> Node:
                whole = under if sign == 1 else apply(elementwise.negative, [under])
                return apply(elementwise.portion, [part, rest, whole])

            yield sign, part, quotient


def _summands(node: Node, depth: int) -> Iterator[tuple[int, Node, Node]]:
    """``node = sign · (part + rest)`` for each part that is no number."""
    if node.operation not in SUMS or depth == 0:
        return
    minus = node.operation is elementwise.subtract
    first, second = node.operands
    for own, other, sign in ((first, second, 1), (second, first, -1 if minus else 1)):
        if own.is_number:
            continue
        # The rest of first − second beside first is −second; beside second, of its opposite, −first.
        rest = apply(elementwise.negative, [other]) if minus else other
        yield sign, own, rest
        for inner_sign, part, more in _summands(own, depth - 1):
            around = rest if inner_sign == 1 else apply(elementwise.negative, [rest])
            yield sign * inner_sign, part, apply(elementwise.add, [more, around])


def _written(powers: _Powers) -> Cancelled:
    """Factors again: powers that stood in the term, where they fit."""
    sides: dict[bool, list[Factor]] = {True: [], False: []}
    for base, exponent in powers.net.items():
        left = exponent
        given = sorted(powers.given.get(base, []), key=lambda one: -abs(one[0]))
        for power, factor in given:
            while abs(power) > 1 and abs(power) <= abs(left) and abs(left / power) < _MANY:
                sides[(left > 0) == (power > 0)].append(factor)
                left -= abs(power) if left > 0 else -abs(power)
        while left:
            size = abs(left)
            few = size < 1 or (left < 0 and size < _MANY)
            step = min(size, Fraction(1)) if few else Fraction(int(size))
            sides[left > 0].append(_power(base, step))
            left -= step if left > 0 else -step
    return Cancelled(powers.coefficient, tuple(sides[True]), tuple(sides[False]))


def _power(base: Factor, exponent: Fraction) -> Factor:
    """A positive power of a factor."""
    node: Node = base.operand
    if exponent == 1:
        return base
    if exponent == _HALF:
        return Factor(apply(elementwise.sqrt, [node]), base.slots)
    if exponent == 2:
        powers = (n for n in node.users if n.operation is elementwise.power)
        known = next((n for n in powers if n.operands[1].value == 2), None)
        return Factor(apply(elementwise.square, [node]) if known is None else known, base.slots)
    number = int(exponent) if exponent.denominator == 1 else float(exponent)
    return Factor(apply(elementwise.power, [node, number]), base.slots)
