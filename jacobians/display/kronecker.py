"""∂vec(A)/∂vec(B) for row-major vec: Kronecker and Khatri–Rao products."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations

from jacobians.algebra.atoms import AtomAt, Expr, Letters, Monomial
from jacobians.algebra.averages import added
from jacobians.algebra.constants import Selector, Splitting
from jacobians.algebra.letter_order import canonical, components
from jacobians.algebra.reshaping import whole_axes
from jacobians.display.arranging import Arranger, facing
from jacobians.display.form_products import COMMUTATION, KhatriRao, Kron, mul
from jacobians.display.form_sums import Scaled, scaled
from jacobians.display.forms import CallForm, Diag, Eye, MatrixForm, Name, Turned, turned
from jacobians.display.networks import NoForm
from jacobians.display.summing import pulled_all, sum_form

_Factors = list[tuple[AtomAt, Fraction]]
_Block = tuple[list[int], list[int], list[AtomAt]]
"""Letters of the output, of the input, and the factors that have them."""


def vec(form: MatrixForm) -> MatrixForm:
    """The entries of a matrix row by row."""
    return CallForm("vec", (form,), 1, "\\operatorname{vec}", "np.ravel")


def stacked(arranger: Arranger, expr: Expr, out_ndim: int) -> MatrixForm:
    """The derivative as a matrix; raises NoForm."""
    expr, out_ndim = whole_axes(expr, out_ndim)
    if out_ndim == 1 and len(expr.shape) == 2:
        return arranger.form(expr)
    diagonal = _diagonal(expr, out_ndim)
    if diagonal is not None:
        return Diag(vec(arranger.form(diagonal)))
    parts = [_Stacker(arranger, t, out_ndim).with_diagonals() for t in expr.terms]
    if len(parts) > 1:
        parts.sort(key=lambda p: isinstance(p, Scaled) and p.coefficient < 0)
    return sum_form(parts) if parts else Name("0", 0)


def _diagonal(expr: Expr, out_ndim: int) -> Expr | None:
    """The entries of a derivative that is entry by entry, None where it is not."""
    if not expr.terms or any(t.slots[:out_ndim] != t.slots[out_ndim:] for t in expr.terms):
        return None
    if not any(
        a in t.slots for t in expr.terms for f, _ in t.factors for a in f.letters if a is not None
    ):
        return None
    terms = [
        canonical(t.coefficient, t.slots[:out_ndim], dict(enumerate(t.sizes)), dict(t.factors))
        for t in expr.terms
    ]
    return added(expr.shape[:out_ndim], terms)


class _Stacker:
    """One term."""

    def __init__(self, arranger: Arranger, t: Monomial, out_ndim: int) -> None:
        self._arranger, self._t = arranger, facing(t)
        self._out_ndim = out_ndim
        self._exponents = dict(self._t.factors)
        self._outs = [a for a in self._t.slots[:out_ndim] if a is not None]
        self._ins = [a for a in self._t.slots[out_ndim:] if a is not None]
        self._free = {*self._outs, *self._ins}

    def with_diagonals(self) -> MatrixForm:
        """The term, with what scales whole rows or columns as diagonal matrices beside it."""
        try:
            return self.plain()
        except NoForm:
            pass
        for way in (self._khatri_rao, self._between_diagonals, self._through_a_diagonal):
            try:
                return way()
            except NoForm:
                pass
        raise NoForm("its axes are no Kronecker product")

    def _between_diagonals(self) -> MatrixForm:
        """What scales whole rows or columns as diagonal matrices, and the rest between them."""
        parts = components(self._exponents, set(range(len(self._t.sizes))) - self._free)
        sides: list[MatrixForm | None] = []
        for axes in (self._outs, self._ins):
            mine = [p for p in parts if len(axes) == 2 and self._letters(p) == set(axes)]
            parts = [p for p in parts if p not in mine]
            factors = [(f, self._exponents[f]) for p in mine for f in p]
            form = self._arranger.network_form(axes, factors, self._t) if factors else None
            sides.append(None if form is None else Diag(vec(form)))
        if sides == [None, None]:
            raise NoForm("its axes are no Kronecker product")
        left, right = sides
        factors = [(f, self._exponents[f]) for p in parts for f in p]
        middle = self._of(self._t.slots, factors)
        pieces = [p for p in (left, middle, right) if p is not None]
        return scaled(self._t.coefficient, (), (), pulled_all(pieces))

    def _of(self, slots: Letters, factors: Sequence[tuple[AtomAt, Fraction]]) -> MatrixForm:
        """Some of the factors, the first two of these axes those of the output."""
        kept = {a for f, _ in factors for a in f.letters} | set(slots)
        sizes = {a: n for a, n in enumerate(self._t.sizes) if a in kept}
        part = canonical(Fraction(1), slots, sizes, dict(factors))
        return _Stacker(self._arranger, part, self._out_ndim).with_diagonals()

    def _through_a_diagonal(self) -> MatrixForm:
        """``L diag(vec(F)) R``: by two letters that some factors read alone, others with those of one side."""
        if len(self._t.slots) != 4 or len(self._outs) != 2 or len(self._ins) != 2:
            raise NoForm("it has no two axes on each side")
        if any(isinstance(f.atom, Selector | Splitting) for f, _ in self._t.factors):
            raise NoForm("its entries are picked one by one")
        pairs = {frozenset(f.letters) - {None} for f, _ in self._t.factors}
        for pair in sorted(tuple(sorted(a for a in p if a is not None)) for p in pairs):
            sides = self._sides(set(pair)) if len(pair) == 2 else None
            for ends in (pair, pair[::-1]) if sides is not None else ():
                assert sides is not None
                found = self._chain(ends, *sides)
                if found is not None:
                    return found
        raise NoForm("it goes through no two letters")

    def _sides(self, pair: set[int]) -> tuple[_Factors, _Factors, _Factors] | None:
        """The factors with letters of the output, with the pair's alone, and with letters of the input."""
        outs, ins = set(self._outs), set(self._ins)
        left: _Factors = []
        inner: _Factors = []
        right: _Factors = []
        summed = set(range(len(self._t.sizes))) - self._free - pair
        for part in components(self._exponents, summed):
            own = {a for f in part for a in f.letters if a is not None} - summed - pair
            if not own:
                side = inner
            elif own <= outs - ins:
                side = left
            elif own <= ins - outs:
                side = right
            else:
                return None
            side += [(f, self._exponents[f]) for f in part]
        return left, inner, right

    def _chain(
        self, pair: Sequence[int], left: _Factors, inner: _Factors, right: _Factors
    ) -> MatrixForm | None:
        """The three matrices whose product it is, None where that is nothing simpler."""
        before, after = (*self._t.slots[:2], *pair), (*pair, *self._t.slots[2:])
        if before == self._t.slots or after == self._t.slots:
            return None
        try:
            middle = Diag(vec(self._arranger.network_form(list(pair), inner, self._t)))
            sides = self._of(before, left), self._of(after, right)
        except NoForm:
            return None
        return scaled(self._t.coefficient, (), (), pulled_all([sides[0], middle, sides[1]]))

    def _letters(self, part: list[AtomAt]) -> set[int]:
        """The axes' letters that a part has."""
        return {a for f in part for a in f.letters if a in self._free and a is not None}

    def plain(self) -> MatrixForm:
        """As a Kronecker product; with the commutation matrix where axes are in another order."""
        blocks, above, below = self._blocks()
        if not blocks:  # one number by one
            return scaled(self._t.coefficient, above, below, None)
        for outs, left in self._orders():
            for commuted in (False, True) if len(self._ins) == 2 and len(outs) == 2 else (False,):
                ins = self._ins[::-1] if commuted else self._ins
                order = _order(blocks, outs, ins)
                if order is not None:
                    body = self._product(order, commuted)
                    return scaled(
                        self._t.coefficient, above, below, body if left is None else mul(left, body)
                    )
        raise NoForm("its axes are no Kronecker product")

    def _orders(self) -> list[tuple[list[int], MatrixForm | None]]:
        """The output's letters as they are; four of them with the middle ones exchanged, too."""
        ways: list[tuple[list[int], MatrixForm | None]] = [(self._outs, None)]
        if len(self._outs) == 4:
            i, k, j, m = self._outs
            first, last = (Eye(self._arranger.length(self._t.sizes[a])) for a in (i, m))
            ways.append(([i, j, k, m], Kron((first, COMMUTATION, last))))
        return ways

    def _blocks(self) -> tuple[list[_Block], tuple[MatrixForm, ...], tuple[MatrixForm, ...]]:
        """The parts that share letters, and scalars above and below."""
        scalars: list[AtomAt] = []
        groups: list[tuple[set[int], list[AtomAt]]] = []
        for part in components(self._exponents, set(range(len(self._t.sizes)))):
            letters = self._letters(part)
            if letters:
                groups.append((letters, part))
            else:
                scalars += part
        covered = {a for letters, _ in groups for a in letters}
        groups += [({a}, []) for a in dict.fromkeys([*self._outs, *self._ins]) if a not in covered]
        above, below = self._scalars(scalars)
        blocks = [
            ([a for a in self._outs if a in letters], [a for a in self._ins if a in letters], part)
            for letters, part in groups
        ]
        return blocks, above, below

    def _scalars(
        self, factors: list[AtomAt]
    ) -> tuple[tuple[MatrixForm, ...], tuple[MatrixForm, ...]]:
        """Factors that have no axis, above and below."""
        own = tuple((f, self._exponents[f]) for f in factors)
        above, below, rest = self._arranger.items(self._t._replace(factors=own))
        if rest:
            self._arranger.network(rest, [], self._t.sizes, above)
        return tuple(above), tuple(below)

    def _product(self, order: list[_Block], commuted: bool) -> MatrixForm:
        forms = []
        for outs, ins, part in order:
            own = ins[::-1] if commuted and len(ins) == 2 else ins
            forms.append(self._block(outs, own, [(f, self._exponents[f]) for f in part]))
        if commuted and all(isinstance(f, Eye) for f in forms):
            return COMMUTATION
        forms = _outer_products(forms)
        if len(forms) == 1 and not commuted:
            return forms[0]
        return Kron(tuple(forms), COMMUTATION if commuted else None)

    def _block(
        self, outs: list[int], ins: list[int], factors: list[tuple[AtomAt, Fraction]]
    ) -> MatrixForm:
        if len(outs) < 2 and len(ins) < 2:
            form = self._arranger.network_form([*outs, *ins], factors, self._t)
            return form if outs else turned(form)
        if len(outs) == 2 and outs == ins:
            return Diag(vec(self._arranger.network_form(outs, factors, self._t)))
        if len(outs) == 2 and not ins:
            return vec(self._arranger.network_form(outs, factors, self._t))
        if len(ins) == 2 and not outs:
            return Turned(vec(self._arranger.network_form(ins, factors, self._t)))
        raise NoForm("a part has more than two axes")

    def _khatri_rao(self) -> MatrixForm:
        """Two axes on one side, each by a matrix with the one on the other."""
        if (len(self._outs), len(self._ins)) == (2, 1):
            return self._columns(self._outs, self._ins[0])
        if (len(self._outs), len(self._ins)) == (1, 2):
            return turned(self._columns(self._ins, self._outs[0]))
        raise NoForm("it is no Khatri-Rao product")

    def _columns(self, pair: list[int], column: int) -> MatrixForm:
        inner = set(range(len(self._t.sizes))) - self._free
        parts = components(self._exponents, inner)
        blocks: list[MatrixForm] = []
        for a in pair:
            if a == column:
                blocks.append(Eye(self._arranger.length(self._t.sizes[a])))
                continue
            mine = [p for p in parts if a in self._letters(p) <= {a, column}]
            if not any(column in self._letters(p) for p in mine):
                raise NoForm("a part has more than two axes")
            parts = [p for p in parts if p not in mine]
            factors = [(f, self._exponents[f]) for p in mine for f in p]
            blocks.append(self._arranger.network_form([a, column], factors, self._t))
        if any(self._letters(p) - {column} for p in parts):
            raise NoForm("a part has more than two axes")
        body: MatrixForm = KhatriRao(tuple(blocks))
        rest = [(f, self._exponents[f]) for p in parts if self._letters(p) for f in p]
        if rest:
            scale = self._arranger.network_form([column], rest, self._t)
            body = pulled_all([body, Diag(scale)])
        above, below = self._scalars([f for p in parts if not self._letters(p) for f in p])
        return scaled(self._t.coefficient, above, below, body)


def _outer_products(forms: list[MatrixForm]) -> list[MatrixForm]:
    """The factors of a Kronecker product, a column before a row as their outer product."""
    found: list[MatrixForm] = []
    for form in forms:
        if found and found[-1].ndim == 1 and not found[-1].is_row and form.is_row:
            found[-1] = mul(found[-1], form)
        else:
            found.append(form)
    return found


def _order(blocks: list[_Block], outs: list[int], ins: list[int]) -> list[_Block] | None:
    """The blocks in the order in which their letters are those of the axes."""
    for order in permutations(blocks):
        listed = [a for _, i, _ in order for a in (i if len(i) < 2 else [x for x in ins if x in i])]
        if [a for o, _, _ in order for a in o] == outs and listed == ins:
            return list(order)
    return None
