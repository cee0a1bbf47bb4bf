"""Sums of forms, with what their terms have in common out where that is shorter."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm

from jacobians.algebra.atoms import Number
from jacobians.algebra.letter_order import exact
from jacobians.display.entrywise import HALF, had, power_form
from jacobians.display.form_products import Had, Kron, Mul, Raised, mul
from jacobians.display.form_sums import Add, Scaled, scaled
from jacobians.display.forms import CallForm, Diag, Eye, MatrixForm, Name, Ones, turned

_HIGHEST = 4  # power that is written as a product
_ONE = Name("1", 1, "1", symmetric=True)  # beside others in a sum, each entry of a column or a row
_MANY = 7  # terms among which pairs are looked for


def sum_form(parts: Sequence[MatrixForm]) -> MatrixForm:
    """The sum, with common factors out where that is shorter."""
    return _Sums().form(parts)


class _Sums:
    """One sum, with all sums that are met on the way, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[MatrixForm, ...], MatrixForm] = {}
        self._wholes: dict[tuple[MatrixForm, ...], MatrixForm] = {}

    def form(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        """The sum of forms."""
        key = tuple(parts)
        if key not in self._known:
            self._known[key] = self._form(parts)
        return self._known[key]

    def _form(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        """The sum, with common factors out where that is shorter."""
        parts = _together(parts)
        if len(parts) == 1:
            return parts[0]
        if any(isinstance(p, Ones) for p in parts) and not all(_is_ones(p) for p in parts):
            parts = [_ONE if isinstance(p, Ones) else p for p in parts]
        if any(map(_is_slope, parts)):
            parts = [_with_one(p) for p in parts]
        if 2 < len(parts) < _MANY:
            merged = self._paired(parts)
            if merged is not None:
                return min(merged, self._whole_sum(parts), key=lambda f: f.cost)
        return self._whole_sum(parts)

    def _paired(self, parts: Sequence[MatrixForm]) -> MatrixForm | None:
        """The sum with the two of its terms together that have most in common, None where none have."""
        best: tuple[tuple[int, int], MatrixForm, list[MatrixForm]] | None = None
        for n, a in enumerate(parts):
            for m in range(n + 1, len(parts)):
                apart = Add((a, parts[m]))
                both = self._whole_sum([a, parts[m]])
                gain = apart.cost[0] - both.cost[0], apart.cost[1] - both.cost[1]
                if gain > (0, 0) and not isinstance(both, Add) and (best is None or gain > best[0]):
                    rest = [*parts]
                    del rest[m]
                    rest[n] = both
                    best = gain, both, rest
        return None if best is None else self.form(best[2])

    def _whole_sum(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        """The sum as it is, or with what all terms have in common out."""
        key = tuple(parts)
        if key not in self._wholes:
            self._wholes[key] = self._whole(parts)
        return self._wholes[key]

    def _whole(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        if (
            len(parts) == 2
            and turned(parts[1]) == parts[0]
            and parts[0].text.count("ᵀ") > parts[1].text.count("ᵀ")
        ):
            parts = parts[::-1]
        plain = Add(tuple(parts))
        ways = [plain, *self._factored(parts)]
        if (
            len(ways) == 2
            and isinstance(ways[1], Had)
            and any(isinstance(h, CallForm) for h in ways[1].above[:-1])
        ):
            return ways[1]
        return min(ways, key=lambda f: (f.cost[0], not isinstance(f, Diag), f.cost))

    def _factored(self, parts: Sequence[MatrixForm]) -> list[MatrixForm]:
        """The sum with a common factor out, in each way there is."""
        whole = [p if isinstance(p, Scaled) else Scaled(Fraction(1), (), (), p) for p in parts]
        found = self._one_diagonal(whole)
        above, below = (
            _in_all([_flat(side) for side in sides])
            for sides in zip(*((p.above, p.below) for p in whole), strict=True)
        )
        found += self._scalars_out(whole, above, below)
        if above or below:
            return found
        found += self._ends_out(whole)
        found += self._kroneckers_out(whole)
        entries = self._entries_out(whole)
        if entries is None:
            return found
        slope = isinstance(entries, Had) and any(
            isinstance(h, CallForm) for h in entries.above[:-1]
        )
        return [entries] if slope else [*found, entries]  # σ (1 − σ)

    def _one_diagonal(self, whole: Sequence[Scaled]) -> list[MatrixForm]:
        """Diagonal matrices as one."""
        bodies = [p.body for p in whole]
        if not all(isinstance(b, Diag | Eye) for b in bodies) or not any(
            isinstance(b, Diag) for b in bodies
        ):
            return []
        columns = [
            b.of if isinstance(b, Diag) else Ones(b.code)
            for b in bodies
            if isinstance(b, Diag | Eye)
        ]
        return [
            Diag(
                self.form(
                    [
                        scaled(p.coefficient, p.above, p.below, c)
                        for p, c in zip(whole, columns, strict=True)
                    ]
                )
            )
        ]

    def _scalars_out(
        self, whole: Sequence[Scaled], above: list[MatrixForm], below: list[MatrixForm]
    ) -> list[MatrixForm]:
        """Numbers and scalars that all terms have before the sum."""
        same = _shared([p.coefficient for p in whole])
        if all(p.coefficient < 0 for p in whole):
            same = -same
        rest = [
            scaled(
                p.coefficient / same, _raised(without(_flat(p.above), above)),
                _raised(without(_flat(p.below), below)), p.body,
            )
            for p in whole
        ]  # fmt: skip
        if not (above or below or same != 1) or any(p.ndim != rest[0].ndim for p in rest):
            return []
        found = [scaled(same, _raised(above), _raised(below), self.form(rest))]
        sign = Fraction(1 if same > 0 else -1)
        if (above or below) and same != sign:  # 1 / σ (C − x xᵀ / n)
            inner = self.form([_times(p, same / sign) for p in rest])
            if isinstance(inner, Add):
                found.append(scaled(sign, _raised(above), _raised(below), inner))
        return found

    def _ends_out(self, whole: Sequence[Scaled]) -> list[MatrixForm]:
        """The first or the last matrix that all products have."""
        bodies: list[tuple[MatrixForm, ...]] = [
            p.body.parts if isinstance(p.body, Mul) else (p.body,) if p.body is not None else ()
            for p in whole
        ]
        found: list[MatrixForm] = []
        for side in (0, -1) if all(bodies) else ():
            end = bodies[0][side]
            if any(b[side] != end for b in bodies):
                continue
            cut = slice(1, None) if side == 0 else slice(None, -1)
            left = [b[cut] for b in bodies]
            inner = (
                self._diagonal_left(whole, left)
                if not all(left) and end.ndim == 2
                else self._inner_sum(whole, left)
            )
            if inner is not None:
                both = (inner, end) if side else (end, inner)
                found.append(mul(*both) if isinstance(inner, Diag) else pulled(both))
        return found

    def _diagonal_left(
        self, whole: Sequence[Scaled], left: Sequence[tuple[MatrixForm, ...]]
    ) -> MatrixForm | None:
        """What is left of ``A + diag(x) A``, None where that is no diagonal matrix."""
        if not any(left) or any(len(b) > 1 or not isinstance(b[0], Diag) for b in left if b):
            return None
        columns = [b[0].of if b and isinstance(b[0], Diag) else _ONE for b in left]
        return Diag(
            self.form(
                [
                    scaled(p.coefficient, p.above, p.below, c)
                    for p, c in zip(whole, columns, strict=True)
                ]
            )
        )

    def _inner_sum(
        self, whole: Sequence[Scaled], left: Sequence[tuple[MatrixForm, ...]]
    ) -> MatrixForm | None:
        """The sum of what is left of products, None where these are of different kinds."""
        if not all(left):
            return None
        rest = [
            scaled(p.coefficient, p.above, p.below, mul(*b))
            for p, b in zip(whole, left, strict=True)
        ]
        if any(r.ndim != rest[0].ndim or r.is_row != rest[0].is_row for r in rest):
            return None
        return turned(self.form([turned(r) for r in rest])) if rest[0].is_row else self.form(rest)

    def _kroneckers_out(self, whole: Sequence[Scaled]) -> list[MatrixForm]:
        """Kronecker products that differ in one place as one, of a sum there."""
        bodies = [p.body for p in whole if isinstance(p.body, Kron)]
        first = bodies[0] if bodies else None
        if first is None or len(bodies) < len(whole):
            return []
        if any(
            b.commutation != first.commutation or len(b.parts) != len(first.parts) for b in bodies
        ):
            return []
        apart = [n for n, part in enumerate(first.parts) if any(b.parts[n] != part for b in bodies)]
        if len(apart) != 1:
            return []
        (n,) = apart
        found = self._inner_sum(whole, [(b.parts[n],) for b in bodies])
        if found is None:
            return []
        return [replace(first, parts=(*first.parts[:n], found, *first.parts[n + 1 :]))]

    def _entries_out(self, whole: Sequence[Scaled]) -> MatrixForm | None:
        """What all terms have entry by entry."""
        heads = [_heads(p.body) for p in whole]
        shared = list(dict.fromkeys(h for h in heads[0] if all(h in other for other in heads)))
        if not shared:
            return None
        others = [without(h, shared) for h in heads]
        if not any(others):
            return None
        ndim = whole[0].ndim
        one: list[MatrixForm] = [_ONE]
        inner = self.form([_beside(p, o or one, ndim) for p, o in zip(whole, others, strict=True)])
        if isinstance(inner, Scaled) and inner.body is not None:
            body = Had((*shared, inner.body), (), ndim)
            return scaled(inner.coefficient, inner.above, inner.below, body)
        return Had((*shared, inner), (), ndim)


def _bare(form: MatrixForm) -> MatrixForm | None:
    """What a number stands before."""
    return form.body if isinstance(form, Scaled) else form


def _is_slope(form: MatrixForm) -> bool:
    """Whether it is a function of a matrix entry by entry, beside which 𝟏 𝟏ᵀ is 1: ``1 − tanh(X)²``."""
    body = _bare(form)
    base = body.of if isinstance(body, Raised) else body
    return isinstance(base, CallForm) and base.entrywise and base.ndim == 2


def _with_one(form: MatrixForm) -> MatrixForm:
    """A form with 1 in place of 𝟏 𝟏ᵀ."""
    body = _bare(form)
    if not isinstance(body, Mul) or len(body.parts) != 2 or not isinstance(body.parts[0], Ones):
        return form
    if not isinstance(turned(body.parts[1]), Ones):
        return form
    one = Name("1", 2, "1", symmetric=True)
    return replace(form, body=one) if isinstance(form, Scaled) else one


def _together(parts: Sequence[MatrixForm]) -> Sequence[MatrixForm]:
    """Equal terms as one, by their numbers."""
    found: dict[tuple[object, ...], MatrixForm] = {}
    for p in parts:
        whole = p if isinstance(p, Scaled) else Scaled(Fraction(1), (), (), p)
        key = (whole.above, whole.below, whole.body)
        known = found.get(key)
        if known is not None:
            had = known.coefficient if isinstance(known, Scaled) else Fraction(1)
            p = scaled(had + whole.coefficient, *key)
        found[key] = p
    left = [p for p in found.values() if not (isinstance(p, Scaled) and p.coefficient == 0)]
    return left if left and len(left) < len(parts) else parts


def _heads(body: MatrixForm | None) -> tuple[MatrixForm, ...]:
    """What a body is a product of, entry by entry."""
    if isinstance(body, Had) and not body.below:
        return tuple(g for f in body.above for g in _repeated(f))
    if body is None or not body.ndim or body.is_row:
        return ()
    return _repeated(body)


def _flat(scalars: Sequence[MatrixForm]) -> list[MatrixForm]:
    """Scalars with their powers as products of what is to whole powers, and what is left."""
    found: list[MatrixForm] = []
    for s in scalars:
        e = s.exponent if isinstance(s, Raised) and isinstance(s.exponent, Fraction) else None
        if e is None or not 1 < e <= _HIGHEST:
            found.append(s)
            continue
        assert isinstance(s, Raised)
        whole = int(e)
        found += [s.of] * whole
        if e != whole:
            found.append(power_form(s.of, e - whole))
    return found


def _raised(scalars: Sequence[MatrixForm]) -> tuple[MatrixForm, ...]:
    """The other way round."""
    powers: dict[MatrixForm, Fraction] = {}
    for s in scalars:
        half = isinstance(s, Raised) and s.exponent == HALF
        base = s.of if half and isinstance(s, Raised) else s
        powers[base] = powers.get(base, Fraction(0)) + (HALF if half else 1)
    return tuple(power_form(f, e) for f, e in powers.items())


def _in_all(lists: Sequence[Sequence[MatrixForm]]) -> list[MatrixForm]:
    """What is in all of them, as often as it is."""
    common = Counter(lists[0])
    for other in lists[1:]:
        common &= Counter(other)
    return list(common.elements())


def _repeated(form: MatrixForm) -> tuple[MatrixForm, ...]:
    """What a whole power is a product of, entry by entry."""
    if isinstance(form, Raised) and isinstance(form.exponent, Fraction) and form.exponent in (2, 3):
        return (form.of,) * int(form.exponent)
    return (form,)


def _is_ones(form: MatrixForm) -> bool:
    return isinstance(form, Ones) or (isinstance(form, Scaled) and isinstance(form.body, Ones))


def _shared(numbers: Sequence[Number]) -> Number:
    """The largest number of which all are multiples."""
    rational = [n for n in numbers if isinstance(n, Fraction)]
    unit = 1.0
    if len(rational) < len(numbers):  # all of one root
        unit = abs(float(numbers[0]))
        rational = [n for n in (exact(float(n) / unit) for n in numbers) if isinstance(n, Fraction)]
        if len(rational) < len(numbers):
            return Fraction(1)
    top = gcd(*(abs(n.numerator) for n in rational))
    common = Fraction(top, lcm(*(n.denominator for n in rational)))
    return common if unit == 1 else unit * float(common)


def _beside(part: Scaled, others: Sequence[MatrixForm], ndim: int) -> MatrixForm:
    """What is left of a term, entry by entry; where that is a number, the number alone."""
    body = had(others, ndim)
    if body == _ONE and (part.above or part.coefficient != 1):
        return scaled(part.coefficient, part.above, part.below, None)
    return scaled(part.coefficient, part.above, part.below, body)


def _times(form: MatrixForm, number: Number) -> MatrixForm:
    """A form times a number."""
    if isinstance(form, Scaled):
        return scaled(form.coefficient * number, form.above, form.below, form.body)
    return scaled(number, (), (), form)


def pulled(parts: tuple[MatrixForm, MatrixForm]) -> MatrixForm:
    """A product whose number stands first."""
    coefficient: Number = Fraction(1)
    above: tuple[MatrixForm, ...] = ()
    below: tuple[MatrixForm, ...] = ()
    bare: list[MatrixForm] = []
    for p in parts:
        if isinstance(p, Scaled) and p.body is not None:
            coefficient = coefficient * p.coefficient
            above, below = above + p.above, below + p.below
            bare.append(p.body)
        else:
            bare.append(p)
    return scaled(coefficient, above, below, mul(*bare))


def pulled_all(parts: Sequence[MatrixForm]) -> MatrixForm:
    """The product of several, whose numbers stand first."""
    found = parts[0]
    for p in parts[1:]:
        found = pulled((found, p))
    return found


def without(parts: Sequence[MatrixForm], gone: Sequence[MatrixForm]) -> list[MatrixForm]:
    """The parts, each of the others taken out once."""
    left = list(parts)
    for g in gone:
        left.remove(g)
    return left
