"""``jb.derive`` and what it returns."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from textwrap import wrap
from types import MappingProxyType
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Expr, Leaf
from jacobians.algebra.constants import Centring
from jacobians.algebra.generic_points import at_generic_points
from jacobians.algebra.moments import Std, with_moments
from jacobians.algebra.recognising import recognised
from jacobians.algebra.remaking import atoms_within
from jacobians.display.expressions import title as titled
from jacobians.display.indices import Indexer
from jacobians.display.latex import letters_in_latex
from jacobians.display.networks import NoForm
from jacobians.display.simplified import in_index_notation
from jacobians.errors import UnsupportedError
from jacobians.notation.writing import Style
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.deriving.conditions import conditions_of
from jacobians.transforms.deriving.derivative_program import derivative_program
from jacobians.transforms.deriving.layouts import Arranged, arranged, check_layout, with_meanings
from jacobians.transforms.deriving.problem import Problem, problem_of
from jacobians.transforms.deriving.read_problem import ReadProblem
from jacobians.transforms.deriving.restricting import explained, projection, restricted
from jacobians.transforms.deriving.steps_told import told
from jacobians.transforms.deriving.story import StepTaken
from jacobians.transforms.deriving.typesetting import environment
from jacobians.transforms.functional import hessian, jacobian
from jacobians.transforms.structured import DIAGONAL, SYMMETRIC, Structured

_WIDTH = 80


class Derivation:
    """The derivation of one derivative: its steps, and the result in several notations.

    Made by ``jb.derive``; prints in a terminal and in a notebook.

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
            self.index = self._in_letters("text")

    @property
    def _depends_on_sizes(self) -> bool:
        names = {leaf.name for leaf in self._letters.values()}
        return (
            bool(names)
            and self.expression is not None
            and any(
                isinstance(a, Centring | Std) or (isinstance(a, Leaf) and a.name in names)
                for a, _ in atoms_within(self.expression)
            )
        )

    def _in_letters(self, style: Style) -> str:
        """The result in index notation with letters for sizes."""
        assert self.expression is not None
        axes, sizes = self._full.axes, {n: leaf.name for n, leaf in self._letters.items()}
        try:
            return str(in_index_notation(self.expression, axes, style, sizes))
        except NoForm:  # with sum signs
            return Indexer(style, sizes=sizes).write(self.expression, axes).text

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
    def _read(self) -> ReadProblem:
        return ReadProblem(self._subject, self._symmetric, self._letters)

    @property
    def expression(self) -> Expr | None:
        """The derivative as an expression, None where it is not read."""
        return self._read.derivative

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
        taken = {*self._subject.parameters, *self._titles, *self._read.others}
        try:
            expr = at_generic_points(self.expression)
            out_ndim = self._full.out_ndim
            if self._structured is not None:
                axes = len(expr.shape)
                expr = projection(expr, self._structured, self._subject.order)
                out_ndim -= (axes - len(expr.shape)) // 2
            sizes = {n: leaf.name for n, leaf in self._letters.items()}
            found = arranged(
                expr, out_ndim, self._titles, self.layout, taken, self._read.arranger, sizes
            )
            found = with_meanings(found, self._read.unnamed)
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
    def numpy(self) -> str:
        """The text of one function that computes the derivative."""
        return derivative_program(
            self._subject, self._read, self._structured, self.jacobian, self.index
        )

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Where the result holds."""
        r = self._read
        value = None if r.value is None else with_moments(recognised(r.value))
        return conditions_of([e for e in (value, r.derivative) if e is not None], r.arranger)

    @cached_property
    def steps(self) -> tuple[StepTaken, ...]:
        """What was done, and the expression after it."""
        J = self._full
        steps = told(self._subject, self._read, self._letters)
        latex, index = J.latex(), J.formula()
        if self._depends_on_sizes:
            index, latex = self.index, self._in_letters("latex")
        title = titled(J.names, J.axes, J.out_ndim, "latex")
        steps.append(StepTaken("result", f"{J.title} = {index}", f"{title} = {latex}"))
        if self._structured is not None:
            steps.append(StepTaken(*explained(self._structured, J.names)))
            if len(self.index) <= 2 * _WIDTH:
                free, text = self.jacobian, f"{self.jacobian.title} = {self.index}"
                steps.append(StepTaken("result by the free entries", text, free.latex()))
        if self.arranged is not None:
            a = self.arranged
            latex = f"{_latex_left(a.left)} = {a.text('latex')}"
            what = f"in matrix notation ({a.meaning})"
            steps.append(StepTaken(what, f"{a.left} = {a.text()}", latex))
        return tuple(steps)

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


def _latex_left(left: str) -> str:
    """``∂Y/∂X`` as a fraction; the last sign outside brackets parts what is above from what is below."""
    text = letters_in_latex(left.replace("∂", "\\partial ").replace("vec", "\\operatorname{vec}"))
    deep = [text[:n].count("(") - text[:n].count(")") for n in range(len(text))]
    outer = [n for n, sign in enumerate(text) if sign == "/" and not deep[n]]
    return f"\\frac{{{text[: outer[-1]]}}}{{{text[outer[-1] + 1 :]}}}" if outer else text


def derive_at(
    f: Callable[..., Any], args: Sequence[Any], wrt: int | str, order: int, layout: str | None
) -> Derivation:
    """The derivation at arrays; see ``derive``."""
    check_layout(layout)
    kinds = {n: a for n, a in enumerate(args) if isinstance(a, Structured)}
    if not kinds:
        return Derivation(problem_of(f, tuple(args), wrt, order), layout)
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
