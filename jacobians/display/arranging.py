"""From index notation to matrix notation: a product over letters as a network of matrices and columns.

Two on one summed letter meet in a matrix product, a column between two matrices is a diagonal
matrix, what closes is a trace or a scalar, what shares free letters a Hadamard product. None where
no such reading exists.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from jacobians.algebra.atoms import (
    Atom,
    AtomAt,
    Det,
    Expr,
    Function,
    Group,
    Inverse,
    Leaf,
    Monomial,
    Number,
    Power,
    Whole,
)  # fmt: skip
from jacobians.algebra.common_factors import dependent_axes, onto
from jacobians.algebra.constants import Centring, Fixed, Selection, Splitting, Triangle
from jacobians.algebra.moments import Standardised, Std
from jacobians.algebra.normal_form import expanded
from jacobians.algebra.recognising import LogSumExp, Softmax
from jacobians.algebra.reshaping import Rearranged, Reshaped
from jacobians.display.forms import (
    Add,
    CallForm,
    Centred,
    CentringForm,
    Diag,
    DiagonalOf,
    Eye,
    Had,
    Inv,
    MatrixForm,
    Mul,
    Name,
    Ones,
    Raised,
    Scaled,
    StandardisedForm,
    is_row,
    mul,
    scaled,
    turned,
)  # fmt: skip
from jacobians.display.matrix_forms import written_name

Item = tuple[MatrixForm, tuple[int, ...]]
HALF = Fraction(1, 2)
_LISTED = 12  # positions of a selection that are written
_HIGHEST = 4  # power that is written as a product
_MANY = 7  # terms among which pairs are looked for
CODES = {
    "exp": "np.exp", "log": "np.log", "tanh": "np.tanh", "sin": "np.sin", "cos": "np.cos", "tan": "np.tan",
    "sign": "np.sign", "absolute": "np.abs", "fabs": "np.abs", "sinh": "np.sinh", "cosh": "np.cosh",
    "arcsin": "np.arcsin", "arccos": "np.arccos", "arctan": "np.arctan", "arcsinh": "np.arcsinh",
    "arccosh": "np.arccosh", "arctanh": "np.arctanh", "floor": "np.floor", "ceil": "np.ceil",
    "log1p": "np.log1p", "expm1": "np.expm1", "exp2": "np.exp2", "log2": "np.log2", "log10": "np.log10",
    "maximum": "np.maximum", "minimum": "np.minimum", "cbrt": "np.cbrt", "arctan2": "np.arctan2",
    "sigmoid": "1 / (1 + np.exp(-{0}))", "relu": "np.maximum({0}, 0)", "expit": "1 / (1 + np.exp(-{0}))",
    "greater": "({0} > {1})", "less": "({0} < {1})", "greater_equal": "({0} >= {1})",
    "less_equal": "({0} <= {1})", "equal": "({0} == {1})", "not_equal": "({0} != {1})",
    "logical_not": "np.logical_not({0})", "where": "np.where", "maximum_takes": "({0} >= {1})",
    "minimum_takes": "({0} <= {1})", "share": "np.where({0} == {1}, 0.5, 1.0)",
    "attains": "({0} == {1})", "sum": "np.sum", "max": "np.max", "min": "np.min",
    "inside": "(({0} >= {1}) & ({0} <= {2}))", "clip": "np.clip", "sinc": "np.sinc",
    "erf": "_erf({0})", "erfc": "(1 - _erf({0}))", "ndtr": "((1 + _erf({0} / np.sqrt(2))) / 2)",
    "gamma": "_gamma({0})", "gammaln": "_gammaln({0})", "digamma": "_digamma({0})",
    **{f"polygamma{n}": f"_polygamma({n}, {{0}})" for n in range(1, 6)},
    "deg2rad": "np.deg2rad", "rad2deg": "np.rad2deg", "radians": "np.radians", "degrees": "np.degrees",
    "heaviside": "np.heaviside", "trunc": "np.trunc", "round": "np.round", "copysign": "np.copysign",
    "fmax": "np.fmax", "fmin": "np.fmin", "logaddexp2": "np.logaddexp2", "logaddexp": "np.logaddexp",
    "logit": "np.log({0} / (1 - {0}))", "log_expit": "-np.logaddexp(0, -{0})",
    "xlogy": "np.where({0} == 0, 0.0, {0} * np.log({1}))",
    "xlog1py": "np.where({0} == 0, 0.0, {0} * np.log1p({1}))",
    "entr": "-{0} * np.log({0})",
}  # fmt: skip


class NoForm(Exception):
    """There is no matrix notation for it; the text says why."""


class Arranger:
    """Forms of expressions.

    Parameters
    ----------
    length : callable
        What says in NumPy how many values a letter of this size has.
    leaf : callable
        How a leaf is read in NumPy, with what is dropped of it.
    """

    def __init__(
        self, length: Callable[[int], str] = str, leaf: Callable[[Leaf], str] | None = None
    ) -> None:
        self.length = length
        self._leaf = leaf
        self._known: dict[str, MatrixForm] = {}

    # expressions

    def form(self, expr: Expr) -> MatrixForm:
        """An expression of at most two axes; raises NoForm."""
        known = self._known.get(expr.key)
        if known is None:
            known = self._known[expr.key] = self._best(expr)
        return known

    def _best(self, expr: Expr) -> MatrixForm:
        if len(expr.terms) > 1 and not expr.shape:
            pass
        found = self._sum(expr)
        if any(type(f.atom) is Group and e > 0 for t in expr.terms for f, e in t.factors):
            try:
                other = self._sum(expanded(expr))
            except NoForm:
                return found
            if other.cost < found.cost:
                return other
        return found

    def _sum(self, expr: Expr) -> MatrixForm:
        if not expr.terms:
            return Name("0", 0, "0" if not expr.shape else f"np.zeros({expr.shape})", "0")
        terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
        parts = [self._monomial(t, expr.shape) for t in terms]
        return self.add(parts)

    def add(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        """The sum, with common factors out where that is shorter."""
        if len(parts) == 1:
            return parts[0]
        if any(isinstance(p, Ones) for p in parts) and not all(_is_ones(p) for p in parts):
            parts = [Name("1", 1, "1") if isinstance(p, Ones) else p for p in parts]
        if 2 < len(parts) < _MANY:
            merged = self._paired(parts)
            if merged is not None:
                return min(merged, self._whole_sum(parts), key=lambda f: f.cost)
        return self._whole_sum(parts)

    def _paired(self, parts: Sequence[MatrixForm]) -> MatrixForm | None:
        """The sum with the two of its terms together that have most in common, None where none have."""
        best: tuple[int, MatrixForm, list[MatrixForm]] | None = None
        for n, a in enumerate(parts):
            for m in range(n + 1, len(parts)):
                apart = Add((a, parts[m]))
                both = self._whole_sum([a, parts[m]])
                gain = apart.cost[0] - both.cost[0]
                if gain > 0 and not isinstance(both, Add) and (best is None or gain > best[0]):
                    rest = [*parts]
                    del rest[m]
                    rest[n] = both
                    best = gain, both, rest
        return None if best is None else self.add(best[2])

    def _whole_sum(self, parts: Sequence[MatrixForm]) -> MatrixForm:
        """The sum as it is, or with what all terms have in common out."""
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
        return min(ways, key=lambda f: f.cost)

    def _factored(self, parts: Sequence[MatrixForm]) -> list[MatrixForm]:
        """The sum with a common factor out, in each way there is."""
        whole = [p if isinstance(p, Scaled) else Scaled(Fraction(1), (), (), p) for p in parts]
        found: list[MatrixForm] = []
        same = _shared([p.coefficient for p in whole])
        if all(p.coefficient < 0 for p in whole):
            same = -same
        if all(isinstance(p.body, Diag | Eye) for p in whole) and any(
            isinstance(p.body, Diag) for p in whole
        ):
            inner = self.add([
                scaled(p.coefficient, p.above, p.below, p.body.of if isinstance(p.body, Diag) else Ones(p.body.code))  # type: ignore[union-attr]  # noqa: E501
                for p in whole
            ])  # fmt: skip
            found.append(Diag(inner))
        tops = [_flat(p.above) for p in whole]
        bottoms = [_flat(p.below) for p in whole]
        above, below = _in_all(tops), _in_all(bottoms)
        rest = [
            scaled(
                p.coefficient / same,
                _raised(_without(top, above)), _raised(_without(bottom, below)), p.body,
            )
            for p, top, bottom in zip(whole, tops, bottoms, strict=True)
        ]  # fmt: skip
        if (above or below or same != 1) and all(p.ndim == plain_ndim(rest) for p in rest):
            inner = self.add(rest)
            found.append(scaled(same, _raised(above), _raised(below), inner))
            sign = Fraction(1 if same > 0 else -1)
            if (above or below) and same != sign:  # 1 / σ (C − x xᵀ / n)
                inner = self.add([_times(p, same / sign) for p in rest])
                if isinstance(inner, Add):
                    found.append(scaled(sign, _raised(above), _raised(below), inner))
        bodies: list[tuple[MatrixForm, ...]] = [
            p.body.parts if isinstance(p.body, Mul) else (p.body,) if p.body is not None else ()
            for p in whole
        ]
        if all(bodies) and not above and not below:
            for side in (0, -1):
                first = bodies[0]
                end: MatrixForm = first[side]
                if all(b[side] == end for b in bodies):
                    cut = slice(1, None) if side == 0 else slice(None, -1)
                    if any(len(b) == 1 for b in bodies):
                        if (
                            all(
                                len(b) == 1 or (len(b) == 2 and isinstance(b[cut][0], Diag))  # type: ignore[index]
                                for b in bodies
                            )
                            and any(len(b) == 2 for b in bodies)
                            and end.ndim == 2
                        ):
                            inner = self.add([
                                scaled(p.coefficient, p.above, p.below, Name("1", 1, "1") if len(b) == 1 else _inside_of(b[cut][0]))  # noqa: E501
                                for p, b in zip(whole, bodies, strict=True)
                            ])  # fmt: skip
                            found.append(mul(Diag(inner), end) if side else mul(end, Diag(inner)))
                        continue
                    rest = [
                        scaled(p.coefficient, p.above, p.below, mul(*b[cut])) for p, b in zip(whole, bodies, strict=True)  # noqa: E501
                    ]  # fmt: skip
                    if any(r.ndim != rest[0].ndim or is_row(r) != is_row(rest[0]) for r in rest):
                        continue
                    inner = (
                        turned(self.add([turned(r) for r in rest]))
                        if is_row(rest[0])
                        else self.add(rest)
                    )
                    both = (inner, end) if side else (end, inner)
                    found.append(_pulled(both))
        heads = [
            tuple(g for f in p.body.above for g in _repeated(f)) if isinstance(p.body, Had) and not p.body.below
            else _repeated(p.body) if isinstance(p.body, Raised) and p.body.ndim == 1
            else (p.body,) if p.body is not None and p.body.ndim == 1 else ()
            for p in whole
        ]  # fmt: skip
        if all(heads) and not above and not below:
            shared = list(dict.fromkeys(h for h in heads[0] if all(h in other for other in heads)))
            if shared:
                ndim = whole[0].ndim
                others = [_without(h, shared) for h in heads]
                if not all(others) and any(others):
                    others = [o or [Name("1", 1, "1")] for o in others]
                if all(others):
                    inner = self.add(
                        [_beside(p, o, ndim) for p, o in zip(whole, others, strict=True)]
                    )
                    found.append(Had((*shared, inner), (), ndim))
                    if any(isinstance(h, CallForm) for h in shared):
                        return [found[-1]]  # σ (1 − σ)
        return found

    # monomials

    def _monomial(self, t: Monomial, shape: tuple[int, ...]) -> MatrixForm:  # noqa: ARG002
        t = facing(t)
        axes = [a for a in t.slots if a is not None]
        if len(axes) > 2:
            raise NoForm("it has more than two axes")
        above, below, items = self.items(t)
        body = self.network(items, axes, t.sizes, above)
        return scaled(t.coefficient, tuple(_ordered(above)), tuple(_ordered(below)), body)

    def items(self, t: Monomial) -> tuple[list[MatrixForm], list[MatrixForm], list[Item]]:
        """Scalars above and below, and what has letters."""
        above: list[MatrixForm] = []
        below: list[MatrixForm] = []
        items: list[Item] = []
        for f, e in t.factors:
            if isinstance(f.atom, Whole) and f.atom.operation.name == "share" and not f.letters:
                count = self.form(f.atom.arguments[0])  # one over the number of the equal ones
                form = CallForm("sum", (count,), 0, "\\operatorname{sum}", "np.sum")
                self._place(form, f, -e, above, below, items)
                continue
            self._place(self.atom(f.atom), f, e, above, below, items)
        return above, below, items

    def _place(
        self,
        form: MatrixForm,
        f: AtomAt,
        e: Fraction,
        above: list[MatrixForm],
        below: list[MatrixForm],
        items: list[Item],
    ) -> None:
        letters = tuple(a for a in f.letters if a is not None)
        if not letters:
            if e > 0:
                above.append(power_form(form, e))
            else:
                below.append(power_form(form, -e))
            return
        if len(letters) == 2 and letters[0] == letters[1]:
            form, letters = CallForm("dg", (form,), 1, "\\operatorname{dg}", "np.diag"), letters[:1]
        if e.denominator == 1 and e > 0:
            items += [(form, letters)] * int(e)
        else:
            items.append((power_form(form, e), letters))

    def network(
        self, items: list[Item], axes: list[int], sizes: tuple[int, ...], above: list[MatrixForm]
    ) -> MatrixForm | None:
        """What the items are, with these free axes; scalars that close go to ``above``."""
        free = set(axes)
        items = list(items)
        while True:
            summed = {a for _, ls in items for a in ls} - free
            if not summed:
                break
            if not self._eliminate(items, summed, above, sizes):
                raise NoForm("a letter is shared by more than two matrices")
        distinct = list(dict.fromkeys(axes))
        if len(distinct) == 2:
            return self._matrix(items, distinct, sizes)
        if len(distinct) == 1:
            vectors = [f for f, _ in items]
            one = had(vectors, 1) if vectors else None
            if len(axes) == 2:
                return Diag(one) if one is not None else Eye(self.length(sizes[axes[0]]))
            return one if one is not None else Ones(self.length(sizes[axes[0]]))
        return None

    def _matrix(self, items: list[Item], axes: list[int], sizes: tuple[int, ...]) -> MatrixForm:
        row, column = axes
        matrices = [f if ls == (row, column) else turned(f) for f, ls in items if len(ls) == 2]
        left = [f for f, ls in items if ls == (row,)]
        right = [f for f, ls in items if ls == (column,)]
        if matrices:
            body = had(matrices, 2)
            if left:
                body = mul(Diag(had(left, 1)), body)
            if right:
                body = mul(body, Diag(had(right, 1)))
            return body
        first = had(left, 1) if left else Ones(self.length(sizes[row]))
        second = had(right, 1) if right else Ones(self.length(sizes[column]))
        return mul(first, turned(second))

    def _eliminate(
        self, items: list[Item], summed: set[int], above: list[MatrixForm], sizes: tuple[int, ...]
    ) -> bool:
        """Sum over one letter; whether there was one that can be."""
        best: tuple[int, int] | None = None
        for a in sorted(summed):
            ones = sum(ls == (a,) for _, ls in items)
            twos = sum(len(ls) == 2 and a in ls for _, ls in items)
            rank = {(0, 2): 1, (1, 1): 0, (2, 0): 2}.get(
                (ones, twos), 3 + twos + ones if twos < 3 else 99
            )
            if (ones, twos) == (0, 2):
                both = [set(ls) for _, ls in items if len(ls) == 2 and a in ls]
                if both[0] == both[1] and not both[0] <= summed:
                    rank = 6
            if best is None or rank < best[0]:
                best = rank, a
        assert best is not None
        rank, a = best
        vectors = [it for it in items if it[1] == (a,)]
        matrices = [it for it in items if len(it[1]) == 2 and a in it[1]]
        if rank >= 99:
            return self._merge_pair(items, matrices)
        for it in (*vectors, *matrices):
            items.remove(it)
        forms = [f for f, _ in vectors]
        if not matrices:
            above.append(self._inner(forms))
        elif len(matrices) == 1:
            m, ls = matrices[0]
            other = ls[0] if ls[1] == a else ls[1]
            if not forms and other in summed and not any(other in ks for _, ks in items):
                above.append(CallForm("sum", (m,), 0, "\\operatorname{sum}", "np.sum"))
                return True
            m = m if ls[1] == a else turned(m)
            column = had(forms, 1) if forms else Ones(self.length(sizes[a]))
            items.append((_applied(m, column), (other,)))
        else:
            (m, ls), (n, ks) = matrices
            left = ls[0] if ls[1] == a else ls[1]
            right = ks[1] if ks[0] == a else ks[0]
            m = m if ls[1] == a else turned(m)
            n = n if ks[0] == a else turned(n)
            if left == right:
                if left in summed and not any(left in ls for _, ls in items):
                    middle = (Diag(had(forms, 1)),) if forms else ()
                    above.append(self._trace(mul(m, *middle, n)))
                else:
                    column = had(forms, 1) if forms else Ones(self.length(sizes[a]))
                    row_sums = mul(had([m, turned(n)], 2), column)
                    plain = forms or m == turned(n)
                    items.append((row_sums if plain else DiagonalOf(m, n), (left,)))
            else:
                middle = (Diag(had(forms, 1)),) if forms else ()
                items.append((mul(m, *middle, n), (left, right)))
        return True

    @staticmethod
    def _merge_pair(items: list[Item], matrices: list[Item]) -> bool:
        """Two matrices over the same letters as their Hadamard product."""
        for n, (m, ls) in enumerate(matrices):
            for other, ks in matrices[n + 1 :]:
                if set(ls) == set(ks):
                    items.remove((m, ls))
                    items.remove((other, ks))
                    items.append((had([m, other if ls == ks else turned(other)], 2), ls))
                    return True
        return False

    @staticmethod
    def _inner(forms: list[MatrixForm]) -> MatrixForm:
        if len(forms) == 1 and isinstance(forms[0], CallForm) and forms[0].name == "dg":
            return CallForm("tr", forms[0].arguments, 0, "\\operatorname{tr}", "np.trace")
        if len(forms) == 1:
            return CallForm("sum", tuple(forms), 0, "\\operatorname{sum}", "np.sum")
        forms = sorted(forms, key=lambda f: (isinstance(f, Mul), f.text))
        if len(forms) > 2:
            forms = [forms[0], had(forms[1:], 1)]
        a, b = forms
        if Centred(a) == b or Centred(b) == a:  # xᵀ C x = ‖C x‖²
            a = b = a if isinstance(a, Centred) else b
        ways = [mul(turned(a), b), mul(turned(b), a)]
        return min(ways, key=lambda f: (f.text.count("ᵀ"), len(f.text), f.text))

    @staticmethod
    def _trace(form: MatrixForm) -> MatrixForm:
        parts = form.parts if isinstance(form, Mul) else (form,)
        ways = []
        for k in range(len(parts)):
            rotated = mul(*parts[k:], *parts[:k])
            ways += [rotated, turned(rotated)]
        best = min(ways, key=lambda f: (f.text.count("ᵀ"), len(f.text), f.text))
        return CallForm("tr", (best,), 0, "\\operatorname{tr}", "np.trace")

    # atoms

    def atom(self, atom: Atom) -> MatrixForm:
        """An atom with all its axes."""
        known = self._known.get(atom.key)
        if known is None:
            known = self._known[atom.key] = self._atom(atom)
        return known

    def _atom(self, atom: Atom) -> MatrixForm:
        if isinstance(atom, Leaf):
            ndim = sum(n != 1 for n in atom.shape)
            if ndim > 2:
                raise NoForm(f"{atom.name} has {ndim} axes")
            code = self._leaf(atom) if self._leaf is not None else atom.name
            return Name(atom.name, ndim, code, symmetric=atom.symmetric)
        if isinstance(atom, Fixed):
            return self._fixed(atom)
        if isinstance(atom, LogSumExp):
            form = self.form(atom.of)
            return CallForm(
                "logsumexp", (form,), 0, "\\operatorname{logsumexp}", "np.log(np.sum(np.exp({0})))"
            )
        if isinstance(atom, Inverse):
            return Inv(self.form(atom.of))
        if isinstance(atom, Det):
            return CallForm("det", (self.form(atom.of),), 0, "\\det", "np.linalg.det")
        if isinstance(atom, Softmax):
            return self._softmax(atom)
        if isinstance(atom, Std):
            return self._moment(atom)
        if isinstance(atom, Reshaped):
            return self._reshaped(atom)
        if isinstance(atom, Group):
            if sum(n != 1 for n in atom.of.shape) > 2:
                raise NoForm("a sum has more than two axes")
            return self.form(atom.of)
        if isinstance(atom, Power):
            base, exponent = self._aligned([atom.base, atom.exponent])
            return Raised(base, exponent)
        if isinstance(atom, Function):
            return self._function(atom)
        assert isinstance(atom, Whole)
        ndim = sum(n != 1 for n in atom.shape)
        if ndim > 2:
            raise NoForm(f"{atom.operation.name} has {ndim} axes")
        if atom.operation.name not in CODES or atom.shape != ():
            raise NoForm(f"{atom.operation.name} has no notation")
        return CallForm(
            atom.operation.notation or atom.operation.name,
            tuple(map(self.form, atom.arguments)), ndim,
            atom.operation.latex or written_name(atom.operation.name, "latex"),
            CODES.get(atom.operation.name, "?"),
        )  # fmt: skip

    def _fixed(self, atom: Fixed) -> MatrixForm:
        """An array of numbers by its name."""
        length = self.length(atom.shape[0])
        if isinstance(atom, Centring):
            return CentringForm(atom.shape[0], length)
        if isinstance(atom, Splitting):
            raise NoForm("an axis is read as two")
        code = f"np.tri({length})" if isinstance(atom, Triangle) else atom.code
        meaning = "tril(𝟏 𝟏ᵀ)" if isinstance(atom, Triangle) else ""
        subject = ""
        if isinstance(atom, Selection) and atom.stride is None:
            subject, shown = atom.table, [str(p) for p in atom.positions]
            listed = [*shown[:_LISTED], *["…"] * (len(shown) > _LISTED)]
            meaning = f"({', '.join(listed)})"
        return Name(
            atom.name, len(atom.shape), code, atom.latex, atom.name == "J", meaning, subject
        )

    def _reshaped(self, atom: Reshaped) -> MatrixForm:
        """``vec(X)``, ``unvec(x)``, and ``R(C)``, which has the blocks of C as rows."""
        form = self.form(atom.of)
        sizes = ", ".join(map(self.length, atom.parts))
        code = f"np.reshape({{0}}, ({sizes}))"
        if isinstance(atom, Rearranged):
            a, b, c, d = map(self.length, atom.parts)
            inner = f"np.reshape({{0}}, ({a}, {c}, {b}, {d}))"
            code = f"np.reshape(np.transpose({inner}, (0, 2, 1, 3)), ({a} * {b}, {c} * {d}))"
            return CallForm("R", (form,), 2, "R", code)
        if len(atom.shape) == 1:
            return CallForm("vec", (form,), 1, "\\operatorname{vec}", "np.ravel")
        return CallForm("unvec", (form,), 2, "\\operatorname{unvec}", code)

    def _moment(self, atom: Std) -> MatrixForm:
        """Of a column, or of each row of a matrix."""
        form = self.form(atom.of)
        ndim = sum(n != 1 for n in atom.of.shape)
        if ndim > 2:
            raise NoForm("a standard deviation of more than two axes")
        rows = "" if ndim == 1 else ", axis=1"
        if not isinstance(atom, Standardised):
            code = f"np.std({{0}}{rows})"
            return CallForm("std", (form,), ndim - 1, "\\operatorname{std}", code)
        return StandardisedForm(form, ndim)

    def _aligned(self, exprs: Sequence[Expr]) -> list[MatrixForm]:
        """Arguments of one shape; a number stays a number, what would broadcast is refused."""
        found = []
        for e in exprs:
            axes = dependent_axes(e)
            if len(axes) == 0:
                found.append(self.form(onto(e, ())))
            elif len(axes) == sum(n != 1 for n in e.shape):
                found.append(self.form(e))
            else:
                found.append(self.form(e))
        return found

    def _softmax(self, atom: Softmax) -> MatrixForm:
        form = self.form(atom.of)
        ndim = sum(n != 1 for n in atom.of.shape)
        if len(atom.axes) == len(atom.of.shape):
            code = "np.exp({0} - np.max({0})) / np.sum(np.exp({0} - np.max({0})))"
            return CallForm("softmax", (form,), ndim, "\\operatorname{softmax}", code)
        long = [n for n, size in enumerate(atom.of.shape) if size != 1]
        own = [long.index(a) for a in atom.axes if a in long]
        if ndim != 2 or len(own) != 1:
            raise NoForm("a softmax along axes that are neither one nor all")
        code = "np.exp({0}) / np.sum(np.exp({0}), axis=1, keepdims=True)"
        columns = own == [0]
        rows = turned(form) if columns else form
        found = CallForm("softmax", (rows,), 2, "\\operatorname{softmax}", code)
        return turned(found) if columns else found

    def _function(self, atom: Function) -> MatrixForm:
        operation = atom.operation
        forms = self._aligned(atom.arguments)
        ndim = max(f.ndim for f in forms)
        latex = operation.latex or operation.notation
        name = operation.notation or operation.name
        code = CODES.get(operation.name, "")
        if not code:
            raise NoForm(f"{operation.name} has no name in NumPy")
        if (
            operation.name == "absolute"
            and isinstance(forms[0], CallForm)
            and forms[0].name == "det"
        ):
            name = "|{0}|"
        if operation.notation in ("exp({0})", "log({0})") or name.endswith("({0})"):
            name, latex = (
                name.removesuffix("({0})"),
                latex.removesuffix("({0})").replace("{{", "{").replace("}}", "}"),
            )
        return CallForm(name, tuple(forms), ndim, latex, code, True)

    def network_form(  # noqa: D102
        self, axes: list[int], factors: list[tuple[AtomAt, Fraction]], t: Monomial
    ) -> MatrixForm:
        above, below, items = self.items(t._replace(factors=tuple(factors)))
        body = self.network(items, axes, t.sizes, above)
        return scaled(Fraction(1), tuple(above), tuple(below), body)


def _applied(m: MatrixForm, column: MatrixForm) -> MatrixForm:
    """A matrix times a column; the centring matrix takes the mean away."""
    *front, last = m.parts if isinstance(m, Mul) else (m,)
    if not isinstance(last, CentringForm):
        return mul(m, column)
    return mul(*front, Centred(column)) if front else Centred(column)


def facing(t: Monomial) -> Monomial:
    """A term that is minus a difference from a number, −c (σ − 1), as c (1 − σ)."""
    if not t.coefficient < 0:
        return t
    for n, (f, e) in enumerate(t.factors):
        if type(f.atom) is not Group or e.denominator != 1 or e % 2 == 0:
            continue
        terms = f.atom.of.terms
        ones = [s for s in terms if not s.factors]
        if len(terms) == 2 and len(ones) == 1 and ones[0].coefficient < 0:
            turned_round = Expr(
                f.atom.of.shape, tuple(s._replace(coefficient=-s.coefficient) for s in terms)
            )
            factors = [*t.factors]
            factors[n] = AtomAt(Group(turned_round), f.letters), e
            return t._replace(coefficient=-t.coefficient, factors=tuple(factors))
    return t


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


def _inside_of(form: MatrixForm) -> MatrixForm:
    """The column of a diagonal matrix."""
    assert isinstance(form, Diag)
    return form.of


def _is_ones(form: MatrixForm) -> bool:
    return isinstance(form, Ones) or (isinstance(form, Scaled) and isinstance(form.body, Ones))


def _shared(numbers: Sequence[Number]) -> Number:
    """The largest number of which all are multiples."""
    if not all(isinstance(n, Fraction) for n in numbers):
        return Fraction(1)
    top = gcd(*(abs(n.numerator) for n in numbers))  # type: ignore[union-attr]
    return Fraction(top, lcm(*(n.denominator for n in numbers)))  # type: ignore[union-attr]


def _beside(part: Scaled, others: Sequence[MatrixForm], ndim: int) -> MatrixForm:
    """What is left of a term, entry by entry; where that is a number, the number alone."""
    body = others[0] if len(others) == 1 else Had(tuple(others), (), ndim)
    if body == Name("1", 1, "1") and part.above:
        return scaled(part.coefficient, part.above, part.below, None)
    return scaled(part.coefficient, part.above, part.below, body)


def _times(form: MatrixForm, number: Number) -> MatrixForm:
    """A form times a number."""
    if isinstance(form, Scaled):
        return scaled(form.coefficient * number, form.above, form.below, form.body)
    return scaled(number, (), (), form)


def plain_ndim(parts: Sequence[MatrixForm]) -> int:
    """The axes of the first."""
    return int(parts[0].ndim)


def _pulled(parts: tuple[MatrixForm, MatrixForm]) -> MatrixForm:
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
        found = _pulled((found, p))
    return found


def _without(parts: Sequence[MatrixForm], gone: Sequence[MatrixForm]) -> list[MatrixForm]:
    left = list(parts)
    for g in gone:
        left.remove(g)
    return left


def _ordered(scalars: Sequence[MatrixForm]) -> list[MatrixForm]:
    return sorted(scalars, key=lambda f: (f.text.count(" "), len(f.text)))


def had(forms: Sequence[MatrixForm], ndim: int) -> MatrixForm:
    """An entrywise product; powers below 0 stand below."""
    if len(forms) == 1 and not (
        isinstance(forms[0], Raised)
        and isinstance(forms[0].exponent, Fraction)
        and forms[0].exponent < 0
    ):
        return forms[0]
    above: list[MatrixForm] = []
    below: list[MatrixForm] = []
    number: Number = Fraction(1)
    for f in forms:
        if isinstance(f, Had):
            above += f.above
            below += f.below
        elif isinstance(f, Raised) and isinstance(f.exponent, Fraction) and f.exponent < 0:
            below.append(power_form(f.of, -f.exponent))
        else:
            above.append(f)
    key: Any = lambda f: (isinstance(f, Mul | Add), f.text)  # noqa: E731
    counts = Counter(above)
    above = [f if n == 1 else power_form(f, Fraction(n)) for f, n in counts.items()]
    if not below and len(above) == 1:
        return above[0]
    found = Had(tuple(sorted(above, key=key)), tuple(sorted(below, key=key)), ndim)
    return found if number == 1 else scaled(number, (), (), found)


def power_form(form: MatrixForm, exponent: Fraction) -> MatrixForm:
    """A power; the root of xᵀx is ‖x‖, whose powers are those of a norm."""
    if exponent == 1:
        return form
    if (
        isinstance(form, CallForm)
        and form.name == "std"
        and exponent.denominator == 1
        and exponent % 2 == 0
    ):
        variance = replace(
            form, name="var", latex="\\operatorname{var}", code=form.code.replace("std", "var")
        )
        return power_form(variance, exponent / 2)
    if getattr(form, "ndim", 1) == 0:
        of = _square_of(form)
        if of is not None and (exponent * 2).denominator == 1 and exponent.denominator != 1:
            code = "np.linalg.norm"
            norm = CallForm("‖{0}‖", (of,), 0, "\\lVert {0} \\rVert", code)
            return norm if exponent == HALF else Raised(norm, exponent * 2)
    return Raised(form, exponent)


def _square_of(form: MatrixForm) -> MatrixForm | None:
    """What xᵀx is of, or tr(XᵀX)."""
    if isinstance(form, Mul):
        n = len(form.parts)
        half = n // 2
        if n % 2 == 0 and turned(mul(*form.parts[half:])) == mul(*form.parts[:half]):
            return mul(*form.parts[half:])
    if isinstance(form, CallForm) and form.name == "tr" and isinstance(form.arguments[0], Mul):
        parts = form.arguments[0].parts
        half = len(parts) // 2
        if len(parts) % 2 == 0:
            first, second = mul(*parts[:half]), mul(*parts[half:])
            if turned(second) == first:
                return min(first, second, key=lambda f: f.text.count("ᵀ"))
    return None
