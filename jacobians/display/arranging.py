"""From index notation to matrix notation: the forms of expressions and of what they are made of."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod

from jacobians.algebra.atoms import (
    ACTIVE,
    Atom,
    AtomAt,
    Det,
    Expr,
    Function,
    Group,
    Inverse,
    Leaf,
    Monomial,
    Power,
    Whole,
)  # fmt: skip
from jacobians.algebra.common_factors import dependent_axes, onto
from jacobians.algebra.constants import Centring, Fixed, Selector, Splitting, Triangle
from jacobians.algebra.moments import Standardised, Std
from jacobians.algebra.normal_form import expanded
from jacobians.algebra.recognising import LogSumExp, Softmax
from jacobians.algebra.reshaping import Reordered, Reshaped
from jacobians.display.entrywise import power_form
from jacobians.display.form_products import Raised
from jacobians.display.form_statistics import CentringForm, StandardisedForm
from jacobians.display.form_sums import scaled
from jacobians.display.forms import CallForm, Inv, MatrixForm, Name, turned, upright
from jacobians.display.matrix_forms import notation_in_latex, written_name
from jacobians.display.networks import Item, Network, NoForm
from jacobians.display.numpy_names import code_of, softmax_code
from jacobians.display.summing import sum_form

_LISTED = 12  # positions of a selection that are written


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
        self._written_out: dict[str, Expr] = {}

    def form(self, expr: Expr) -> MatrixForm:
        """An expression of at most two axes; raises NoForm."""
        known = self._known.get(expr.key)
        if known is None:
            known = self._known[expr.key] = self._best(expr)
        return known

    def _best(self, expr: Expr) -> MatrixForm:
        """As it is, or with its parentheses opened where that is shorter."""
        found = self._sum(expr)
        if any(type(f.atom) is Group and e > 0 for t in expr.terms for f, e in t.factors):
            try:
                return min(
                    found, self._sum(expanded(expr, self._written_out)), key=lambda f: f.cost
                )
            except NoForm:
                pass
        return found

    def _sum(self, expr: Expr) -> MatrixForm:
        if not expr.terms:
            return Name("0", 0, "0" if not expr.shape else f"np.zeros({expr.shape})", "0")
        terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
        parts = [self._monomial(t) for t in terms]
        return sum_form(parts)

    def _monomial(self, t: Monomial) -> MatrixForm:
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
        self, items: list[Item], axes: list[int], sizes: Sequence[int], above: list[MatrixForm]
    ) -> MatrixForm | None:
        """What the items are, with these free axes; scalars that close go to ``above``."""
        return Network(self.length, sizes).form(items, axes, above)

    def network_form(
        self, axes: list[int], factors: list[tuple[AtomAt, Fraction]], t: Monomial
    ) -> MatrixForm:
        """Some of a term's factors, with these axes."""
        above, below, items = self.items(t._replace(factors=tuple(factors)))
        body = self.network(items, axes, t.sizes, above)
        return scaled(Fraction(1), tuple(above), tuple(below), body)

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
            form = upright(self.form(atom.of))
            return CallForm(
                "logsumexp", (form,), 0, "\\operatorname{logsumexp}", "np.log(np.sum(np.exp({0})))"
            )
        if isinstance(atom, Inverse):
            return Inv(self.form(atom.of))
        if isinstance(atom, Det):
            return CallForm("det", (upright(self.form(atom.of)),), 0, "\\det", "np.linalg.det")
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
        return self._call(atom)

    def _call(self, atom: Whole) -> MatrixForm:
        """An operation on a whole array, or on each row of a matrix, that gives a number."""
        name = atom.operation.name
        code = code_of(name, atom.parameters)
        if name == "order" and 2 * dict(atom.parameters)["k"] + 1 == prod(atom.arguments[0].shape):
            name, code = "median", "np.median"
        rows = [e.shape for e in atom.arguments] == [(*atom.shape, *atom.arguments[0].shape[-1:])]
        along = len(atom.shape) == 1 and [e.shape for e in atom.arguments] == [atom.shape]
        if code is None or len(atom.shape) > 1 or (atom.shape and not rows and not along):
            raise NoForm(f"{name} has no notation")
        if along:
            latex = f"\\operatorname{{{name}}}"
            return CallForm(name, (self.form(atom.arguments[0]),), 1, latex, code)
        if atom.shape:
            form = self.form(atom.arguments[0])
            latex = f"\\operatorname{{row{name}}}"
            return CallForm(f"row{name}", (form,), 1, latex, f"{code}({{0}}, axis=1)")
        return CallForm(
            name if name == "median" else atom.operation.notation or name,
            tuple(map(self.form, atom.arguments)), 0,
            atom.operation.latex or written_name(name, "latex"), code,
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
        if isinstance(atom, Selector) and atom.stride is None:
            subject, shown = atom.table, [str(p) for p in atom.positions]
            listed = [*shown[:_LISTED], *["…"] * (len(shown) > _LISTED)]
            meaning = f"({', '.join(listed)})"
        return Name(
            atom.name, len(atom.shape), code, atom.latex, atom.name == "J", meaning, subject, True
        )

    def _reshaped(self, atom: Reshaped) -> MatrixForm:
        """``vec(X)``, ``unvec(x)``, and ``R(C)``, which has the blocks of C as rows."""
        form = self.form(atom.of)
        sizes = ", ".join(map(self.length, atom.parts))
        code = f"np.reshape({{0}}, ({sizes}))"
        if isinstance(atom, Reordered):
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
            if ndim == 2:  # softmax(X) is that of the rows
                powers = CallForm("exp", (form,), 2, "\\exp", "np.exp", True)
                total = CallForm("sum", (upright(powers),), 0, "\\operatorname{sum}", "np.sum")
                return scaled(Fraction(1), (), (total,), powers)
            return CallForm("softmax", (form,), ndim, "\\operatorname{softmax}", softmax_code())
        long = [n for n, size in enumerate(atom.of.shape) if size != 1]
        own = [long.index(a) for a in atom.axes if a in long]
        if ndim != 2 or len(own) != 1:
            raise NoForm("a softmax along axes that are neither one nor all")
        columns = own == [0]
        rows = turned(form) if columns else form
        code = softmax_code(", axis=1, keepdims=True")
        found = CallForm("softmax", (rows,), 2, "\\operatorname{softmax}", code)
        return turned(found) if columns else found

    def _function(self, atom: Function) -> MatrixForm:
        operation = atom.operation
        forms = self._aligned(atom.arguments)
        ndim = max(f.ndim for f in forms)
        latex = operation.latex or notation_in_latex(operation.notation)
        name = operation.notation or operation.name
        code = code_of(operation.name, atom.parameters)
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
        found = CallForm(name, tuple(forms), ndim, latex, code, True)
        return turned(turned(found)) if ndim == 2 else found


def facing(t: Monomial, from_numbers: bool = True) -> Monomial:
    """A term that is minus a difference, −c (σ − 1), as c (1 − σ): one from a number; else any
    that is alone, and does not begin with what is differentiated by.
    """
    if not t.coefficient < 0:
        return t
    atoms = [f.atom for f, _ in t.factors]
    for n, (f, e) in enumerate(t.factors):
        if type(f.atom) is not Group or e.denominator != 1 or e % 2 == 0:
            continue
        terms = f.atom.of.terms
        negative = [s for s in terms if s.coefficient < 0]
        number = any(not s.factors for s in negative)
        if len(terms) != 2 or len(negative) != 1:
            continue
        (first,) = (s for s in terms if s is not negative[0])
        other = not from_numbers and atoms.count(f.atom) == 1 and ACTIVE not in first.key
        if number or other:
            turned_round = Expr(
                f.atom.of.shape, tuple(s._replace(coefficient=-s.coefficient) for s in terms)
            )
            factors = [*t.factors]
            factors[n] = AtomAt(Group(turned_round), f.letters), e
            return t._replace(coefficient=-t.coefficient, factors=tuple(factors))
    return t


def _ordered(scalars: Sequence[MatrixForm]) -> list[MatrixForm]:
    return sorted(scalars, key=lambda f: (f.text.count(" "), len(f.text)))
