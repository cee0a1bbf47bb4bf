"""What has a name of its own: softmax, the logistic function, log-sum-exp, recognised in products."""

from dataclasses import dataclass
from fractions import Fraction

from jacobians.algebra.absorbing import absorbed
from jacobians.algebra.atoms import (
    Atom,
    AtomAt,
    Expr,
    Function,
    Group,
    Letters,
    Monomial,
)
from jacobians.algebra.averages import added
from jacobians.algebra.common_factors import dependent_axes, leading
from jacobians.algebra.functions_of import EXP, LOG, SIGMOID, sigmoid
from jacobians.algebra.letter_order import ONE, canonical, closed, plain, sizes_of
from jacobians.algebra.normal_form import (
    Piece,
    built,
    expanded,
    function_of,
    multiplied,
    number,
    powered,
    put_together,
    sum_of,
)
from jacobians.algebra.remaking import remade


@dataclass(frozen=True, eq=False)
class Softmax(Atom):
    """``exp(x)`` over its sum along axes, all of them where these are all."""

    of: Expr
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        self._keyed(self.of.key, self.axes)

    @property
    def inner(self) -> tuple[Expr, ...]:
        """What it is of."""
        return (self.of,)

    def with_inner(self, inner: tuple[Expr, ...]) -> "Softmax":
        """The same of something else."""
        return Softmax(inner[0], self.axes)

    @property
    def is_positive(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True, eq=False)
class LogSumExp(Group):
    """``log Σ exp(x)`` over all entries."""


def recognised(expr: Expr) -> Expr:
    """The expression with these names, inside and out."""
    terms: list[Monomial] = []
    for t in expr.terms:
        found = _term(t, expr.shape).terms
        if any(_normalises(f, e) for t in found for f, e in t.factors):
            apart = expanded(Expr(expr.shape, (t,)))  # each term of a sum by its own denominator
            others = [new for one in apart.terms for new in _term(one, expr.shape).terms]
            if not any(_normalises(f, e) for t in others for f, e in t.factors):
                found = tuple(others)
        terms += found
    whole = added(expr.shape, terms)
    if not any(_has_sigmoids(t) for t in terms):
        return whole
    written_out = [new for one in expanded(expr).terms for new in _term(one, expr.shape).terms]
    plainer = _in_sigmoids(added(expr.shape, written_out))
    return plainer if _weight(plainer) < _weight(whole) else whole


def _has_sigmoids(t: Monomial) -> bool:
    """Whether a term is a product of a sum and of logistic functions, or of two of these."""
    sigmoids = [f.atom for f, _ in t.factors if _is_sigmoid(f.atom)]
    sums = [f for f, e in t.factors if type(f.atom) is Group and (e < 0 or len(sigmoids) > 1)]
    return bool(sigmoids and sums)


def _is_sigmoid(atom: Atom) -> bool:
    return isinstance(atom, Function) and atom.operation is SIGMOID


def _weight(expr: Expr) -> int:
    """How much there is in an expression."""
    return sum(
        1 + sum(1 + sum(map(_weight, f.atom.inner)) for f, _ in t.factors) for t in expr.terms
    )


def _in_sigmoids(expr: Expr) -> Expr:
    """The expression with σ(−x) as 1 − σ(x) and 1 + exp(−x) as 1 / σ(x), sums written out."""
    terms: list[Monomial] = []
    for t in expr.terms:
        pieces: list[Piece] = []
        for f, e in t.factors:
            atom = remade(f.atom, _in_sigmoids)
            pieces.append((_upright(atom) or atom, f.letters, e))
        sizes = dict(enumerate(t.sizes))
        found = built(pieces, t.slots, sizes, expr.shape, t.coefficient)
        terms += found.terms
    return expanded(added(expr.shape, terms))


def _upright(atom: Atom) -> Expr | None:
    """1 − σ(x) for σ(−x), 1 / σ(x) for 1 + exp(−x); None for all else."""
    if isinstance(atom, Function) and atom.operation is SIGMOID:
        (argument,) = atom.arguments
        return sigmoid(argument) if leading(argument).coefficient < 0 else None
    other = _logistic(atom.of) if type(atom) is Group else None
    if other is None:
        return None
    argument = sum_of([_argument(other, atom.inner[0].shape)], [Fraction(-1)])
    return multiplied([(sigmoid(argument), -1)]) if leading(argument).coefficient > 0 else None


def _normalises(f: AtomAt, e: Fraction) -> bool:
    """Whether a factor is one over a sum of exponentials."""
    return e < 0 and type(f.atom) is Group and _summed_exp(f.atom.of) is not None


def _inside(atom: Atom) -> Atom:
    if isinstance(atom, Function) and atom.operation is LOG:
        found = _summed_exp(atom.arguments[0])
        if found is not None and len(found[1]) == len(found[0].shape):
            return LogSumExp(recognised(found[0]))
    return remade(atom, recognised)


def _summed_exp(expr: Expr) -> tuple[Expr, tuple[int, ...]] | None:
    """What ``Σ exp(x)`` is of, and the axes that are summed."""
    if len(expr.terms) != 1 or expr.terms[0].coefficient != 1 or not expr.terms[0].factors:
        return None
    (term,) = expr.terms
    if any(
        not isinstance(f.atom, Function) or f.atom.operation is not EXP for f, _ in term.factors
    ):
        return None
    letters = _letters_of(term)
    if len(term.factors) == 1:
        ((own, e),) = term.factors
        of = sum_of([own.atom.inner[0]], [e])
        letters = own.letters
    else:
        sizes = {a: term.sizes[a] for a in letters if a is not None}
        shape = tuple(sizes.values())
        of = sum_of(
            [
                built([(f.atom.inner[0], f.letters, 1)], letters, sizes, shape)
                for f, _ in term.factors
            ],
            [e for _, e in term.factors],
        )
    return of, tuple(n for n, a in enumerate(letters) if a not in term.slots)


def _letters_of(term: Monomial) -> Letters:
    """The letters of a product's factors, in order."""
    return tuple(sorted({a for f, _ in term.factors for a in f.letters if a is not None}))


def _opened(t: Monomial) -> tuple[dict[AtomAt, Fraction], dict[int, int]]:
    """The factors and sizes, with numbers that are sums of exponentials times something written out."""
    factors, sizes = dict(t.factors), dict(enumerate(t.sizes))
    if not any(_normalises(f, e) for f, e in t.factors):
        return factors, sizes
    for f, e in t.factors:
        inner = f.atom.inner[0].terms if type(f.atom) is Group and not f.letters and e == 1 else ()
        if len(inner) != 1 or inner[0].coefficient != 1 or not any(
            isinstance(g.atom, Function) and g.atom.operation is EXP for g, _ in inner[0].factors
        ):  # fmt: skip
            continue
        del factors[f]
        start = max(sizes, default=-1) + 1
        sizes |= {start + a: n for a, n in enumerate(inner[0].sizes)}
        for (atom, letters), power in inner[0].factors:
            at = AtomAt(atom, tuple(None if a is None else start + a for a in letters))
            factors[at] = power
    return factors, sizes


def _term(t: Monomial, shape: tuple[int, ...]) -> Expr:
    factors, sizes = _opened(t)
    pieces: list[Piece] = []
    for f in [f for f, e in t.factors if type(f.atom) is Group and e < 0 and e.denominator == 1]:
        _softmaxes(f, factors, pieces)
        _sigmoids(f, factors, pieces)
    pieces += absorbed(factors)
    _exponentials(factors, pieces, t)
    named = put_together(t, factors, _inside, shape, pieces, sizes)
    return added(shape, [_without_ones(one) for one in named.terms])


def _without_ones(t: Monomial) -> Monomial:
    """The term without softmaxes that are summed over their axis: each is 1."""
    for f, e in t.factors:
        inner = f.atom.inner[0].terms if type(f.atom) is Group and not f.letters else ()
        if (
            len(inner) == 1
            and not (found := _without_ones(inner[0])).factors
            and e.denominator == 1
        ):
            factors = {g: x for g, x in t.factors if g != f}
            number = t.coefficient * powered(found.coefficient, e)
            return _without_ones(canonical(number, t.slots, dict(enumerate(t.sizes)), factors))
        axes = [f.letters[a] for a in f.atom.axes] if isinstance(f.atom, Softmax) else []
        read = [a for g, _ in t.factors for a in g.letters]
        if (
            e == 1
            and axes
            and all(a is not None and a not in t.slots and read.count(a) == 1 for a in axes)
        ):
            factors = {g: x for g, x in t.factors if g != f}
            sizes = {a: n for a, n in enumerate(t.sizes) if a not in axes}
            left, known = closed(factors, t.slots, sizes)
            return _without_ones(canonical(t.coefficient, t.slots, known, left))
    return t


def _exponentials(factors: dict[AtomAt, Fraction], pieces: list[Piece], t: Monomial) -> None:
    """Exponentials over the same letters as one, of the sum of what they are of."""
    exps: dict[tuple[int, ...], list[AtomAt]] = {}
    for f in factors:
        if isinstance(f.atom, Function) and f.atom.operation is EXP:
            exps.setdefault(tuple(sorted({a for a in f.letters if a is not None})), []).append(f)
    for own, found in exps.items():
        first = factors[found[0]]
        if len(found) == 1 and (first == 1 or (first == -1 and not own)):
            continue
        sizes = {a: t.sizes[a] for a in own}
        shape = tuple(sizes.values())
        parts = [built([(f.atom.inner[0], f.letters, 1)], own, sizes, shape) for f in found]
        argument = recognised(sum_of(parts, [factors.pop(f) for f in found]))
        pieces.append((function_of(EXP, [argument], shape), own, 1))


def _take(factors: dict[AtomAt, Fraction], factor: AtomAt, exponent: Fraction) -> None:
    factors[factor] = factors.get(factor, Fraction(0)) - exponent
    if not factors[factor]:
        del factors[factor]


def _softmaxes(group: AtomAt, factors: dict[AtomAt, Fraction], pieces: list[Piece]) -> None:
    assert isinstance(group.atom, Group)
    found = _summed_exp(group.atom.of)
    if found is None:
        return
    (term,) = group.atom.of.terms
    of, axes = found
    of = _along(of, axes)
    letters = term.factors[0][0].letters if len(term.factors) == 1 else _letters_of(term)
    known = dict(zip(term.slots, group.letters, strict=True))
    while factors.get(group, 0) < 0:
        match = _matched(list(term.factors), factors, known)
        if match is None:
            return
        found_at, taken = match
        for f, power in taken:
            _take(factors, f, power)
        _take(factors, group, Fraction(-1))
        at = tuple(None if a is None else found_at[a] for a in letters)
        pieces.append((Softmax(recognised(of), axes), at, 1))


def _along(expr: Expr, axes: tuple[int, ...]) -> Expr:
    """The terms that are not the same along the axes: what is cancels in a softmax."""
    kept = [t for t in expr.terms if {*dependent_axes(Expr(expr.shape, (t,)))} & {*axes}]
    return Expr(expr.shape, tuple(kept))


_Renamed = dict[int | None, int | None]


def _matched(
    wanted: list[tuple[AtomAt, Fraction]], factors: dict[AtomAt, Fraction], known: _Renamed
) -> tuple[_Renamed, list[tuple[AtomAt, Fraction]]] | None:
    """Factors that are the wanted ones at other letters, and what the letters are there."""
    if not wanted:
        return known, []
    (own, power), *rest = wanted
    for f, e in factors.items():
        if f.atom != own.atom or not (e >= power > 0 or e <= power < 0):
            continue
        names = dict(known)
        if any(names.setdefault(b, a) != a for a, b in zip(f.letters, own.letters, strict=True)):
            continue
        more = _matched(rest, factors, names)
        if more is not None:
            return more[0], [(f, power), *more[1]]
    return None


def _logistic(expr: Expr) -> Monomial | None:
    """The exponential in ``1 + exp(x)``, None where it is something else."""
    if len(expr.terms) != 2:
        return None
    ones = [t for t in expr.terms if not t.factors]
    others = [t for t in expr.terms if t.factors]
    if len(ones) != 1 or ones[0].coefficient != 1 or others[0].coefficient != 1:
        return None
    (other,) = others
    exps = all(isinstance(f.atom, Function) and f.atom.operation is EXP for f, _ in other.factors)
    return other if exps and all(a in other.slots for a in range(len(other.sizes))) else None


def _argument(other: Monomial, shape: tuple[int, ...]) -> Expr:
    """What a product of exponentials is the exponential of."""
    slots = plain(shape)
    names = dict(zip(other.slots, slots, strict=True))
    sizes = sizes_of(slots, shape)
    parts = []
    for f, _ in other.factors:
        at = tuple(None if a is None else names[a] for a in f.letters)
        parts.append(built([(f.atom.inner[0], at, 1)], slots, sizes, shape))
    return recognised(sum_of(parts, [e for _, e in other.factors]))


def _sigmoids(group: AtomAt, factors: dict[AtomAt, Fraction], pieces: list[Piece]) -> None:
    assert isinstance(group.atom, Group)
    shape = group.atom.of.shape
    other = _logistic(group.atom.of)
    if other is None:
        return
    argument = _argument(other, shape)
    outer: dict[int | None, int | None] = dict(zip(other.slots, group.letters, strict=True))
    above = [
        (AtomAt(f.atom, tuple(None if a is None else outer[a] for a in f.letters)), e) for f, e in other.factors
    ]  # fmt: skip

    def value(sign: int) -> Expr:
        return function_of(SIGMOID, [sum_of([argument], [Fraction(sign)])], shape)

    while factors.get(group, 0) < 0 and all(
        factors.get(f, 0) >= e > 0 or factors.get(f, 0) <= e < 0 for f, e in above
    ):
        for f, e in above:
            _take(factors, f, e)
        _take(factors, group, Fraction(-1))
        pieces.append((value(1), group.letters, 1))
    if factors.get(group, Fraction(0)) < 0:
        rest = factors.pop(group)
        slots = plain(shape)
        ones = built([(number(1), (), 1)], slots, sizes_of(slots, shape), shape)
        turned = leading(argument).coefficient < 0
        complement = value(-1) if turned else sum_of([ones, value(1)], [ONE, -ONE])
        pieces.append((complement, group.letters, -rest))
