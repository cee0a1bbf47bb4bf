"""``jb.derive`` and what it returns."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from textwrap import wrap
from types import MappingProxyType
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Function, Group, Inverse, Leaf, Whole
from jacobians.algebra.common_factors import positive_expr
from jacobians.algebra.constants import Centring
from jacobians.algebra.generic_points import at_generic_points, is_product_of_others, is_tie
from jacobians.algebra.moments import Std, with_moments
from jacobians.algebra.normal_form import sum_of
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.recognising import Softmax, recognised
from jacobians.algebra.reshaping import reshaped
from jacobians.algebra.sizes import lettered
from jacobians.algebra.slot_letters import Unread
from jacobians.derivation.chain_rule import reverse
from jacobians.display.arranging import Arranger
from jacobians.display.entrywise import power_form
from jacobians.display.expressions import latex_name
from jacobians.display.expressions import title as titled
from jacobians.display.forms import turned
from jacobians.display.indices import Indexer
from jacobians.display.latex import letters_in_latex
from jacobians.display.naming import Names
from jacobians.display.networks import NoForm
from jacobians.display.simplified import simplified
from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, ordered
from jacobians.notation.explicit import axis_names
from jacobians.notation.writing import Style, subscript
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.deriving.layouts import Arranged, arranged, check_layout
from jacobians.transforms.deriving.literal_terms import TermsProgram
from jacobians.transforms.deriving.problem import Problem, problem_of
from jacobians.transforms.deriving.programs import Programmer, function_text, literal
from jacobians.transforms.deriving.restricting import (
    explained,
    program,
    program_again,
    projection,
    restricted,
)
from jacobians.transforms.deriving.story import StepTaken, Story, is_polynomial
from jacobians.transforms.deriving.typesetting import environment
from jacobians.transforms.functional import hessian, jacobian
from jacobians.transforms.structured import DIAGONAL, SYMMETRIC, Structured

_WIDTH = 80


class Derivation:
    """The derivation of one derivative: its steps, and the result in several notations.

    Made by :func:`derive`; prints in a terminal and in a notebook.

    Attributes
    ----------
    steps : tuple of StepTaken
        Each has ``what`` was done, and the ``expression`` after it.
    index : str
        The result in index notation: ``formula()`` of the same Jacobian.
    matrix : str or None
        The result in matrix notation; None where there is none.
    conditions : tuple of str
        Where it holds: ``det(X) ≠ 0``.
    numpy : str
        The text of a function of the arguments, by their names, that imports NumPy only and returns
        the derivative in the shape of the output, then the input.
    """

    def __init__(
        self, subject: Problem, layout: str | None, symmetric: frozenset[str] = frozenset(),
        structured: Structured | None = None, free: JacobianTensor | None = None, letters: Mapping[int, Leaf] = MappingProxyType({}),  # noqa: E501
    ) -> None:  # fmt: skip
        check_layout(layout)
        self._subject, self.layout, self._symmetric = subject, layout, symmetric
        self._structured, self._free, self._letters = structured, free, letters
        self.jacobian = subject.jacobian if free is None else free
        self._full = subject.jacobian
        self.index = self.jacobian.formula()
        if self._depends_on_sizes:
            assert self.expression is not None
            self.index = _in_letters(self.expression, self._full.axes, "text")

    @property
    def _depends_on_sizes(self) -> bool:
        names = {leaf.name for leaf in self._letters.values()}
        return (
            bool(names)
            and self.expression is not None
            and any(
                isinstance(a, Centring | Std) or (isinstance(a, Leaf) and a.name in names)
                for a, _ in _atoms(self.expression)
            )
        )

    def with_layout(self, layout: str | None) -> "Derivation":
        """The same derivation in another layout of matrix notation.

        Parameters
        ----------
        layout : {"numerator", "denominator", "vec", "operator"} or None
            How a derivative is arranged as a matrix. By default a scalar's has the shape of its
            argument, and a vector's by a vector has rows for the output.

        Raises
        ------
        UnsupportedError
            For a name that is none of these.
        """
        return Derivation(
            self._subject, layout, self._symmetric, self._structured, self._free, self._letters
        )

    def with_letters(self, letters: Mapping[int, Leaf]) -> "Derivation":
        """The same derivation, with sizes, each a prime of its own, as letters."""
        return Derivation(
            self._subject, self.layout, self._symmetric, self._structured, self._free, letters
        )

    @cached_property
    def _names(self) -> Names:
        s = self._subject
        nodes = dict.fromkeys(ordered([s.output, *s.terms.operands, *s.plain_terms.operands]))
        return Names(
            {n: s.values.get(n) if n.operation is None else None for n in nodes}, s.jacobian.names
        )

    def _leaf(self, node: Node) -> str:
        output = self._subject.title
        return output if node.name == output and node.operation is None else self._names.leaf(node)

    def _reader(self, known: Mapping[Node, str] | None = None) -> Reader:
        active = frozenset({self._subject.jacobian.names[1]})
        return Reader(
            self._leaf,
            symmetric=self._symmetric,
            active=active,
            known=known,
            table=self._names.table,
        )

    @cached_property
    def _derivative(self) -> Expr | None:
        """The derivative with its axes as they are, and numbers for sizes."""
        try:
            tensor = self._subject.terms
            values = {n.name: n for n in tensor.operands if n.operation is None}
            own = self._subject.output
            stand_in = values.get(self._subject.title)
            reader = self._reader()
            if stand_in is not None and self._subject.values.get(stand_in) is None:
                reader.known_as(stand_in, self._reader().expression(own))
            return with_moments(recognised(reader.tensor(tensor)))
        except (Unread, NoForm):
            return None

    @cached_property
    def expression(self) -> Expr | None:
        """The derivative as an expression, None where it is not read."""
        read = self._derivative
        return None if read is None else lettered(reshaped(read), self._letters)

    @cached_property
    def _value(self) -> Expr | None:
        try:
            return lettered(self._reader().expression(self._subject.output), self._letters)
        except (Unread, NoForm):
            return None

    @property
    def full(self) -> JacobianTensor:
        """The derivative with independent entries; ``jacobian`` may be by the free ones only."""
        return self._full

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments at which it was made, by name."""
        return {name: np.asarray(value) for name, value in self._subject.arrays.items()}

    @property
    def _titles(self) -> tuple[str, str]:
        out, inner = self._subject.jacobian.names
        return out, inner

    @cached_property
    def arranged(self) -> Arranged | None:
        """The result in matrix notation with what it means, None where there is none."""
        if self.expression is None:
            return None
        taken = {*self._signature[0], *self._titles, *self._signature[1]}
        try:
            expr = at_generic_points(self.expression)
            out_ndim = self._full.out_ndim
            if self._structured is not None:
                axes = len(expr.shape)
                expr = projection(expr, self._structured, self._subject.order)
                out_ndim -= (axes - len(expr.shape)) // 2
            sizes = {n: leaf.name for n, leaf in self._letters.items()}
            found = arranged(expr, out_ndim, self._titles, self.layout, taken, sizes)
            if self._structured is None:
                return found
            return restricted(found, self._structured, len(expr.shape))
        except NoForm:
            return None

    @property
    def matrix(self) -> str | None:
        """The result in matrix notation, None where there is none."""
        return None if self.arranged is None else self.arranged.text()

    @cached_property
    def _signature(self) -> tuple[list[str], dict[str, Any]]:
        """The function's parameters, and other leaves with their values."""
        s = self._subject
        own = list(s.parameters)
        others: dict[str, Any] = {}
        for node in ordered([s.output, *s.terms.operands, *s.plain_terms.operands]):
            if node.operation is None and not (
                node.is_number or (not node.name and node.shape == ())
            ):
                name = self._leaf(node)
                if name not in own and name != s.title:
                    others[name] = s.values.get(node, node.value)
        return own, others

    @cached_property
    def numpy(self) -> str:
        """The text of one function that computes the derivative."""
        expr = self.expression
        s = self._subject
        own, others = self._signature
        shapes: dict[str, tuple[int, ...]] = {}
        for node in ordered([s.output, *s.terms.operands, *s.plain_terms.operands]):
            if node.operation is None and not node.is_number:
                shapes.setdefault(self._leaf(node), node.shape)
        shapes = {n: shapes[n] for n in (*own, *others) if n in shapes}
        programmer = Programmer(shapes)
        try:
            if expr is None:
                raise NoForm("entries move by other than whole axes")
            shared, body = programmer.shared, programmer.body(expr)
        except NoForm:
            terms = TermsProgram(self._leaf)
            try:
                body = terms.tensor(s.plain_terms)
            except NoForm as error:
                raise UnsupportedError(
                    f"derive: {s.title}'s derivative has no short NumPy text ({error}); its compiled program is "
                    "jb.jacobian(f).compile(*args).source"
                ) from None
            shared = terms.lines
        captured = []
        for name, value in others.items():
            text = None if value is None else literal(value)
            captured.append(name if text is None else f"{name}={text}")
        required = [c for c in captured if "=" not in c]
        optional = [c for c in captured if "=" in c]
        J = self.jacobian
        if self._structured is not None:
            body = program(body, self._structured, s.jacobian.names[1], shared)
            if s.order == 2:
                body = program_again(body, self._structured, shared)
        sizes = ", ".join(f"{n} {shape}" for n, shape in shapes.items() if shape)
        docs = [
            f"{J.title} of shape {J.shape}.",
            *wrap(f"Shapes: {sizes or 'numbers'}.", 90),
            "",
            *wrap(self._result(), 90),
        ]
        names = [*own, *required, *optional]
        for name in others:
            if not name.isidentifier():
                safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
                names = [n.replace(name, safe) for n in names]
                shared = [(n, code.replace(name, safe)) for n, code in shared]
                body = body.replace(name, safe)
        return function_text("derivative", names, docs, shared, body)

    def _result(self) -> str:
        return f"{self.jacobian.title} = {self.index}".replace("\\", "\\\\")

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Where the result holds."""
        found: dict[str, None] = {}
        for expr in (self._value, self.expression):
            if expr is not None:
                for condition in _conditions(with_moments(recognised(expr))):
                    found.setdefault(condition)
        return tuple(c for c in found if c.replace("≠", ">") not in found or "≠" not in c)

    @cached_property
    def steps(self) -> tuple[StepTaken, ...]:
        """What was done, and the expression after it."""
        s, J = self._subject, self._full
        story = Story(J.names, J.axes, J.out_ndim, self._letters)
        value = self._value
        leaf = J.names[1]
        taken = {*s.parameters, *J.names}
        local = {n: name for n, name in s.locals.items() if n is not s.output and name not in taken}
        try:
            if s.order == 2:
                self._second(story)
            elif value is not None and is_polynomial(value, leaf):
                story.by_factors(value, leaf)
            else:
                story.by_chain(s.output, s.start, local, self._reader)
        except (Unread, NoForm):
            story.steps = []
            own = subscript(s.title, axis_names(s.output.ndim, 0), "text")
            count = len(ordered([s.output]))
            story.add("coordinate form", f"{own} as recorded: {count} operations", "")
            story.add("derivative", f"{J.title}, the chain rule along the record", "")
        latex, index = J.latex(), J.formula()
        if self._depends_on_sizes:
            assert self.expression is not None
            index, latex = self.index, _in_letters(self.expression, J.axes, "latex")
        title = titled(J.names, J.axes, J.out_ndim, "latex")
        story.add("result", f"{J.title} = {index}", f"{title} = {latex}")
        if self._structured is not None:
            said = explained(self._structured, J.names)
            story.add(*said)
            index = self.index
            free = self.jacobian
            if len(index) <= 2 * _WIDTH:
                story.add("result by the free entries", f"{free.title} = {index}", free.latex())
        if self.arranged is not None:
            a = self.arranged
            story.add(
                f"in matrix notation ({a.meaning})", f"{a.left} = {a.text()}",
                f"{_latex_left(a.left)} = {a.text('latex')}",
            )  # fmt: skip
        return tuple(story.steps)

    def _second(self, story: Story) -> None:
        s, J = self._subject, self._full
        value = self._value
        if value is not None:
            line = story.both(value, axis_names(s.output.ndim, 0))
            story.add(
                "coordinate form",
                f"{s.title} = {line.text}",
                f"{latex_name(s.title, '')} = {line.latex}",
            )
        (first,) = reverse(s.output, [s.start])
        axes = axis_names(s.output.ndim, s.start.ndim)
        line = story.both(self._reader().tensor(first), axes)
        title = Story((s.title, J.names[1]), axes, s.output.ndim, {})
        story.add(
            "derivative",
            f"{title.title('text')} = {line.text}",
            f"{title.title('latex')} = {line.latex}",
        )
        if self._derivative is not None:
            with suppress(NoForm):  # it is too long
                line = story.both(self._derivative, J.axes)
                story.add("differentiated again", f"{J.title} = {line.text}", f"= {line.latex}")

    def latex(self) -> str:
        """The steps as an ``align*`` environment."""
        return environment(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "steps": [{"what": s.what, "expression": s.expression} for s in self.steps],
            "index": self.index, "matrix": self.matrix, "conditions": list(self.conditions),
            "numpy": self._numpy_or_none(), "latex": self.latex(),
        }  # fmt: skip

    def _numpy_or_none(self) -> str | None:
        try:
            return self.numpy
        except UnsupportedError:
            return None

    def __str__(self) -> str:
        lines: list[str] = []
        for step in self.steps:
            lines += wrap(step.what, _WIDTH, break_long_words=False)
            for line in step.expression.splitlines():
                lines += wrap(
                    line,
                    _WIDTH,
                    initial_indent="    ",
                    subsequent_indent="      ",
                    break_long_words=False,
                )
        if self.conditions:
            lines.append("where")
            lines += wrap(
                ", ".join(self.conditions), _WIDTH, initial_indent="    ", subsequent_indent="    "
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return self.latex()

    def _repr_markdown_(self) -> str:
        return "\n\n".join(
            f"**{s.what}**\n\n$${s.latex.replace('& ', '') or s.expression}$$" for s in self.steps
        )


def _in_letters(expr: Expr, axes: str, style: Style) -> str:
    """An expression in index notation, with sum signs where it needs them."""
    try:
        return simplified(expr, axes, style).text
    except NoForm:
        return Indexer(style).write(expr, axes).text


def _latex_left(left: str) -> str:
    """``∂Y/∂X`` as a fraction; the last sign outside brackets parts what is above from what is below."""
    text = letters_in_latex(left.replace("∂", "\\partial ").replace("vec", "\\operatorname{vec}"))
    deep = [text[:n].count("(") - text[:n].count(")") for n in range(len(text))]
    outer = [n for n, sign in enumerate(text) if sign == "/" and not deep[n]]
    return f"\\frac{{{text[: outer[-1]]}}}{{{text[outer[-1] + 1 :]}}}" if outer else text


def _atoms(expr: Expr) -> Iterator[tuple[Atom, Any]]:
    for t in expr.terms:
        for f, e in t.factors:
            yield f.atom, e
            for inner in f.atom.inner:
                yield from _atoms(inner)


def _within_brackets(text: str) -> str:
    """A text without a pair of brackets around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for n, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth and n < len(text) - 1:
            return text
    return text[1:-1]


def _between_0_and_1(expr: Expr) -> bool:
    """Whether it is 1 − σ(x)."""
    ones = [t for t in expr.terms if not t.factors]
    others = [t for t in expr.terms if t.factors]
    return (
        len(ones) == len(others) == 1
        and ones[0].coefficient == 1
        and others[0].coefficient == -1
        and all(
            isinstance(f.atom, Softmax)
            or (isinstance(f.atom, Function) and f.atom.operation.name in ("sigmoid", "expit"))
            for f, _ in others[0].factors
        )
    )


def _conditions(expr: Expr) -> Iterator[str]:
    arranger = Arranger()

    def norm_of(e: Expr) -> str | None:
        try:
            text = power_form(arranger.form(e), Fraction(1, 2)).write("text").text
            return text if "‖" in text else said(e)
        except NoForm:
            return None

    def said(e: Expr, atom: Atom | None = None) -> str | None:
        try:
            form = arranger.form(e) if atom is None else arranger.atom(atom)
            text = form.write("text").text
            other = turned(form).write("text").text if form.ndim == 2 else text
            return min(text, other, key=lambda one: one.count("ᵀ"))
        except NoForm:
            return None

    for atom, exponent in _atoms(expr):
        text = None
        if isinstance(atom, Inverse):
            text = f"det({_within_brackets(said(atom.of) or 'it')}) ≠ 0"
        elif isinstance(atom, Function) and atom.operation.name == "log":
            inner = atom.arguments[0]
            if not positive_expr(inner) and not _between_0_and_1(inner):
                text = f"{said(inner)} > 0"
        elif isinstance(atom, Whole) and is_product_of_others(atom):
            text = f"{said(atom.arguments[0])} ≠ 0"
        elif isinstance(atom, Function) and is_tie(atom):
            text = f"{said(sum_of(atom.arguments, [Fraction(-1), Fraction(1)]))} ≠ 0"
        elif isinstance(atom, Function) and atom.operation.name in ("absolute", "sign", "relu"):
            text = f"{said(atom.arguments[0])} ≠ 0"
        elif exponent.denominator != 1 and type(atom) is Group:
            if _is_square(atom.of):
                text = f"{norm_of(atom.of)} ≠ 0"
            elif not positive_expr(atom.of):
                text = f"{said(atom.of)} > 0"
        elif exponent.denominator != 1 and not isinstance(atom, Function):
            text = f"{said(expr, atom)} > 0"
        elif isinstance(atom, Leaf) and atom.positive:
            continue
        elif exponent < 0 and not (  # noqa: SIM102
            type(atom) is Group and positive_expr(atom.of) and not _is_square(atom.of)
        ):
            if not isinstance(atom, Function) or atom.operation.name not in (
                "exp",
                "sigmoid",
                "cosh",
            ):
                text = f"{said(expr, atom)} ≠ 0"
        if text is not None and "None" not in text:
            yield text


def _is_square(expr: Expr) -> bool:
    return positive_expr(expr) and all(
        all(e % 2 == 0 for _, e in t.factors) and t.factors for t in expr.terms
    )


def derive(
    f: Callable[..., Any], *args: Any, wrt: int | str = 0, order: int = 1, layout: str | None = None
) -> Derivation:
    """The derivation of a derivative: its steps, and the result in index and matrix notation.

    Parameters
    ----------
    f : callable
        A NumPy function, or an operation of ``jb.ops``.
    *args : array_like
        Its arguments: their shapes matter, and no formula depends on their values.
    wrt : int or str
        The argument to differentiate by, its position or its name.
    order : {1, 2}
        2 is the Hessian.
    layout : {"numerator", "denominator", "vec", "operator"}, optional
        Of the matrix notation, see :meth:`Derivation.with_layout`.

    Returns
    -------
    Derivation
        Prints; has ``steps``, ``index``, ``matrix``, ``conditions``, ``numpy`` and ``latex()``.

    Raises
    ------
    UnsupportedError
        For a layout or an order that there is none of, and what has no Jacobian here.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> d = jb.derive(jb.ops.matmul, np.ones((2, 3)), np.ones((3, 4)), wrt="B")
    >>> print(d)
    coordinate form
        A_ij = Σ_r B_ir C_rj
    derivative, factor by factor
        ∂A_ij/∂B_kl = Σ_r ∂B_ir/∂B_kl C_rj
    entries of one array are independent: a Kronecker delta for each index
        = Σ_r δ_ik δ_rl C_rj
    δ_rl removes the sum over r (r → l)
        = δ_ik C_lj
    result
        ∂A_ij/∂B_kl = δ_ik C_lj
    in matrix notation (row-major vec)
        ∂vec(A)/∂vec(B) = I ⊗ Cᵀ
    """
    check_layout(layout)
    kinds = {n: a for n, a in enumerate(args) if isinstance(a, Structured)}
    if not kinds:
        return Derivation(problem_of(f, args, wrt, order), layout)
    plain = tuple(a.array if isinstance(a, Structured) else a for a in args)
    subject = problem_of(f, plain, wrt, order)
    names = subject.parameters
    symmetric = frozenset(
        names[n] for n, a in kinds.items() if a.structure in (SYMMETRIC, DIAGONAL)
    )
    own = kinds.get(names.index(subject.jacobian.names[1]))
    if own is None:
        return Derivation(subject, layout, symmetric)
    free = (hessian if order == 2 else jacobian)(f, wrt)(*args)
    return Derivation(subject, layout, symmetric, own, free)
