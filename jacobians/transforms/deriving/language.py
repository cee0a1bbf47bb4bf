"""A small language for expressions of matrices: its grammar, and an evaluator of its own.

``0.5*norm(W @ x - t)**2``. From loose to tight: ``+ -``; ``* / @ .* ./``, from the left; a sign; ``** ^ .^``, from
the right; ``'`` and ``.T`` behind a name or a bracket. ``*`` and ``/`` act entry by entry, ``@`` is the product,
``^`` the power of a square matrix by a whole number, and else as ``**``. Nothing is ever evaluated as
Python.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError
from jacobians.transforms.library import ops

LONGEST, MOST_NESTED, LARGEST_EXPONENT = 2000, 60, 64
LONGEST_CHAIN, MOST_PARTS, LARGEST_KRON = 80, 400, 10**5
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|\.\*|\./|\.\^|\.T\b|[-+*/@^'(),=−·⊙ᵀ]))"
)


class ExpressionError(JacobiansError):
    """An expression that cannot be read; the text points at the place."""

    def __init__(self, text: str, at: int, what: str) -> None:
        self.text, self.at, self.what = text, at, what
        line = text.replace("\n", " ")
        start = max(0, at - 60)
        shown = ("…" if start else "") + line[start : start + 76]
        super().__init__(f"{what}\n  {shown}\n  {' ' * (at - start + bool(start))}^")


class Token(NamedTuple):
    """A piece of the text."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class NumberLiteral:
    """A number."""

    value: float
    at: int


@dataclass(frozen=True)
class Variable:
    """An array by its name."""

    name: str
    at: int


@dataclass(frozen=True)
class Applied:
    """A function or an operator on parts."""

    name: str
    parts: tuple["Tree", ...]
    at: int
    axis: int | None = None


Tree = NumberLiteral | Variable | Applied


def tokens(text: str) -> list[Token]:
    """The text in pieces; raises ExpressionError at a sign that means nothing."""
    if len(text) > LONGEST:
        raise ExpressionError(text, LONGEST, f"the expression is longer than {LONGEST} signs")
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(text, at, f"the sign {text[at]!r} means nothing here")
        kind = match.lastgroup or ""
        found.append(Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, Token("end", "", len(text.rstrip()))]


_SUM = {"+": "+", "-": "-", "−": "-"}
_PRODUCTS = {"*": "*", ".*": "*", "⊙": "*", "·": "*", "/": "/", "./": "/", "@": "@"}
_POWERS = {"**": "**", ".^": "**", "^": "^"}


class _Grammar:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._place, self._depth = text, tokens(text), 0, 0

    @property
    def here(self) -> Token:
        return self._tokens[self._place]

    def take(self) -> Token:
        token = self.here
        self._place += 1
        return token

    def fail(self, what: str, at: int | None = None) -> ExpressionError:
        return ExpressionError(self._text, self.here.at if at is None else at, what)

    def whole(self) -> Tree:
        part = self.sums()
        if self.here.kind != "end":
            raise self.fail(
                f"{self.here.text!r} was not expected; an operator is missing, or a bracket is too many"
            )
        return part

    def sums(self) -> Tree:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise self.fail(f"brackets are nested deeper than {MOST_NESTED}")
        part = self.products()
        while self.here.text in _SUM:
            sign = self.take()
            part = Applied(_SUM[sign.text], (part, self.products()), sign.at)
        self._depth -= 1
        return part

    def products(self) -> Tree:
        part = self.signed()
        while self.here.text in _PRODUCTS:
            sign = self.take()
            part = Applied(_PRODUCTS[sign.text], (part, self.signed()), sign.at)
        return part

    def signed(self) -> Tree:
        if self.here.text in _SUM:
            self._depth += 1
            if self._depth > MOST_NESTED:
                raise self.fail(f"signs are nested deeper than {MOST_NESTED}")
            sign = self.take()
            inner = self.signed()
            self._depth -= 1
            return inner if sign.text == "+" else Applied("neg", (inner,), sign.at)
        return self.powers()

    def powers(self) -> Tree:
        part = self.turned()
        if self.here.text in _POWERS:
            sign = self.take()
            return Applied(_POWERS[sign.text], (part, self.signed()), sign.at)
        return part

    def turned(self) -> Tree:
        part = self.atom()
        while self.here.text in ("'", ".T", "ᵀ"):
            part = Applied("T", (part,), self.take().at)
        return part

    def atom(self) -> Tree:
        token = self.take()
        if token.kind == "number":
            value = float(token.text)
            if not np.isfinite(value):
                raise self.fail(f"the number {token.text} is too large", token.at)
            return NumberLiteral(
                int(value) if token.text.isdigit() and value < 1e15 else value, token.at
            )
        if token.text == "(":
            part = self.sums()
            self.closed(token)
            return part
        if token.kind == "name":
            if self.here.text == "(":
                return self.call(token)
            return Variable(token.text, token.at)
        what = "the expression ends" if token.kind == "end" else f"{token.text!r} stands"
        raise self.fail(f"{what} where a name, a number or a bracket should be", token.at)

    def closed(self, opened: Token) -> None:
        if self.here.text != ")":
            raise self.fail("this bracket is never closed", opened.at)
        self.take()

    def call(self, name: Token) -> Tree:
        if name.text not in FUNCTIONS:
            raise self.fail(
                f"there is no function {name.text}; there are {', '.join(sorted(FUNCTIONS))}",
                name.at,
            )
        opened = self.take()
        parts: list[Tree] = []
        axis = None
        while self.here.text != ")":
            if self.here.text == "axis" and self._tokens[self._place + 1].text == "=":
                self.take()
                self.take()
                sign = -1 if self.here.text in ("-", "−") else 1
                if sign < 0:
                    self.take()
                if not self.here.text.isdigit():
                    raise self.fail("axis= takes a whole number")
                axis = sign * int(self.take().text)
            else:
                parts.append(self.sums())
            if self.here.text == ",":
                self.take()
            elif self.here.text != ")":
                self.closed(opened)
        self.take()
        function = FUNCTIONS[name.text]
        if len(parts) not in function.counts:
            counts = " or ".join(map(str, function.counts))
            raise self.fail(
                f"{name.text} takes {counts} argument{'s' * (function.counts != (1,))}, not {len(parts)}",
                name.at,
            )
        if axis is not None and not function.axis:
            raise self.fail(f"{name.text} takes no axis=", name.at)
        return Applied(name.text, tuple(parts), name.at, axis)


class Meaning(NamedTuple):
    """A function of the language: how it is computed, with how many arguments, and whether along an axis."""

    run: Callable[..., Any]
    counts: tuple[int, ...] = (1,)
    axis: bool = False


def _regular(X: Any) -> Any:
    """A matrix of numbers that has an inverse; singular by rounding counts as singular."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "f" and X.ndim == 2 and X.size:
        rank = np.linalg.matrix_rank(X) if np.isfinite(X).all() else 0
        if rank < min(X.shape):
            raise np.linalg.LinAlgError("Singular matrix")
    return X


def _whole_number(value: Any, what: str) -> int:
    if not isinstance(value, int | float) or value != int(value) or abs(value) > LARGEST_EXPONENT:
        raise JacobiansError(f"{what} must be a whole number of at most {LARGEST_EXPONENT}")
    return int(value)


def _kron(A: Any, B: Any) -> Any:
    if np.size(A) * np.size(B) > LARGEST_KRON:
        raise JacobiansError(f"the product has more than {LARGEST_KRON} entries")
    return np.kron(A, B)


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda X, axis=None: function(X) if axis is None else function(X, axis=axis)


FUNCTIONS: dict[str, Meaning] = {
    "inv": Meaning(lambda X: np.linalg.inv(_regular(X))), "det": Meaning(np.linalg.det),
    "logdet": Meaning(lambda X: np.log(np.linalg.det(_regular(X)))),
    "tr": Meaning(np.trace), "trace": Meaning(np.trace),
    "norm": Meaning(np.linalg.norm), "norm1": Meaning(lambda X: np.sum(np.abs(X))),
    "norm2": Meaning(np.linalg.norm),
    "sum": Meaning(_along(np.sum), axis=True), "mean": Meaning(_along(np.mean), axis=True),
    "max": Meaning(_along(np.max), axis=True), "exp": Meaning(np.exp), "log": Meaning(np.log), "sqrt": Meaning(np.sqrt),  # noqa: E501
    "abs": Meaning(np.abs), "sign": Meaning(np.sign), "sin": Meaning(np.sin), "cos": Meaning(np.cos), "tan": Meaning(np.tan),  # noqa: E501
    "arcsin": Meaning(np.arcsin), "arccos": Meaning(np.arccos), "arctan": Meaning(np.arctan), "tanh": Meaning(np.tanh),  # noqa: E501
    "sigmoid": Meaning(ops.sigmoid), "relu": Meaning(ops.relu), "maximum": Meaning(np.maximum, (2,)),
    "softmax": Meaning(_along(ops.softmax), axis=True), "logsumexp": Meaning(_along(ops.logsumexp), axis=True),
    "diag": Meaning(np.diag), "eye": Meaning(lambda n: np.eye(_whole_number(n, "the size of eye"))),
    "kron": Meaning(_kron, (2,)), "outer": Meaning(np.outer, (2,)), "inner": Meaning(np.inner, (2,)),
    "solve": Meaning(lambda A, b: np.linalg.solve(_regular(A), b), (2,)),
    "matrix_power": Meaning(lambda X, n: np.linalg.matrix_power(X, _whole_number(n, "the exponent of matrix_power")), (2,)),  # noqa: E501
}  # fmt: skip


def _raised(X: Any, p: Any) -> Any:
    if isinstance(p, int | float) and abs(p) > LARGEST_EXPONENT:
        raise JacobiansError(f"the exponent {p} is larger than {LARGEST_EXPONENT}")
    return X**p


def _caret(X: Any, p: Any) -> Any:
    shape = np.shape(X)
    if len(shape) == 2 and shape[0] == shape[1] and isinstance(p, int | float) and p == int(p):
        return np.linalg.matrix_power(X, _whole_number(p, "the exponent of a matrix"))
    return _raised(X, p)


def _turned(X: Any) -> Any:
    return X.T if np.ndim(X) else X


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "@": lambda a, b: a @ b, "**": _raised, "^": _caret, "neg": lambda a: -a, "T": _turned,
}  # fmt: skip


def parsed(text: str) -> Tree:
    """The expression's tree; raises ExpressionError, which points at the place."""
    if not text.strip():
        raise ExpressionError(text, 0, "the expression is empty")
    tree = _Grammar(text).whole()
    stack: list[tuple[Tree, int]] = [(tree, 0)]
    count = 0
    while stack:
        part, depth = stack.pop()
        count += 1
        if depth > LONGEST_CHAIN or count > MOST_PARTS:
            what = (
                f"more than {LONGEST_CHAIN} operations follow one another"
                if depth > LONGEST_CHAIN
                else f"more than {MOST_PARTS} parts"
            )
            raise ExpressionError(text, part.at, what)
        if isinstance(part, Applied):
            stack.extend((p, depth + 1) for p in part.parts)
    return tree


def literals(part: Tree) -> set[float]:
    """The numbers that stand in it."""
    found: set[float] = set()
    stack = [part]
    while stack:
        one = stack.pop()
        if isinstance(one, NumberLiteral):
            found.add(one.value)
        elif isinstance(one, Applied):
            stack.extend(one.parts)
    return found


def variables(part: Tree) -> list[str]:
    """The names of arrays in order of appearance."""
    found: dict[str, None] = {}
    stack = [part]
    while stack:
        one = stack.pop()
        if isinstance(one, Variable):
            found.setdefault(one.name)
        elif isinstance(one, Applied):
            stack.extend(reversed(one.parts))
    return list(found)


def computed(part: Tree, values: Mapping[str, Any], text: str = "") -> Any:
    """The value at arrays, traced ones too.

    Raises
    ------
    ExpressionError
        Where arrays do not fit; names their shapes.
    """
    if isinstance(part, NumberLiteral):
        return part.value
    if isinstance(part, Variable):
        return values[part.name]
    arguments = [computed(p, values, text) for p in part.parts]
    run = _OPERATORS.get(part.name) or FUNCTIONS[part.name].run
    try:
        return run(*arguments) if part.axis is None else run(*arguments, axis=part.axis)
    except ExpressionError:
        raise
    except np.linalg.LinAlgError as error:
        if "ingular" in str(error):
            raise
        raise ExpressionError(text, part.at, _misfit(part, arguments, error)) from None
    except (JacobiansError, ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise ExpressionError(text, part.at, _misfit(part, arguments, error)) from None


def _misfit(part: Applied, arguments: Sequence[Any], error: Exception) -> str:
    shapes = " and ".join("x".join(map(str, np.shape(a))) or "a number" for a in arguments)
    first = str(error).split("\n")[0].split("; arguments")[0]
    return f"{part.name} does not take {shapes}: {first[:160]}"


def as_function(text: str) -> tuple[Callable[..., Any], list[str]]:
    """The expression as a function of its variables, in order of appearance, and their names."""
    tree = parsed(text)
    names = variables(tree)

    def function(*arrays: Any) -> Any:
        return computed(tree, dict(zip(names, arrays, strict=True)), text)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    function.__name__ = next(name for name in ("Y", "F", "Z", "result") if name not in names)
    return function, names
