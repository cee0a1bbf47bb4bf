"""The table of operations: what each means in NumPy, and arguments to try it on.

Every operation of ``jb.ops`` must be here (a test compares the names). The functions are written
with NumPy alone and, where ``analytic``, take complex arrays. Sizes within a case are distinct
wherever the operation allows it, so that no two axes can be confused.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tests import numerical

Array = NDArray[Any]
Shape = tuple[int, ...]


class Case(NamedTuple):
    """One operation at one choice of shapes."""

    operation: str
    function: Callable[..., Any]
    shapes: tuple[Shape, ...]
    domains: tuple[str, ...]
    analytic: bool = True
    subscripts: str = ""

    @property
    def name(self) -> str:
        """A readable identifier: ``matmul-2x3-3x5``."""
        shapes = "-".join("x".join(map(str, shape)) or "0d" for shape in self.shapes)
        return f"{self.operation}{self.subscripts and ':' + self.subscripts}-{shapes}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """What comes before the arrays: the subscripts of ``einsum``."""
        return (self.subscripts,) if self.subscripts else ()

    def arrays(self, dtype: Any = np.float64) -> list[Array]:
        """Random arguments, the same at every call."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        drawn = [DOMAINS[d](rng, shape) for d, shape in zip(self.domains, self.shapes, strict=True)]
        return [np.asarray(array, dtype) for array in drawn]


def _away_from_zero(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.uniform(0.4, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def _invertible(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.normal(size=shape) + 3 * np.eye(shape[-1])


DOMAINS: dict[str, Callable[[np.random.Generator, Shape], Any]] = {
    "real": lambda rng, shape: rng.normal(size=shape),
    "positive": lambda rng, shape: rng.uniform(0.5, 2.0, shape),
    "nonzero": _away_from_zero,
    "invertible": _invertible,
}

MATRICES: list[tuple[Shape, ...]] = [((2, 3),), ((5, 2),), ((1, 4),)]
ELEMENTWISE: list[tuple[Shape, ...]] = [
    ((2, 3),), ((4,),), ((),), ((3, 1),), ((2, 4, 3),), ((0, 3),)
]  # fmt: skip
SQUARE: list[tuple[Shape, ...]] = [((2, 2),), ((3, 3),), ((4, 4),), ((1, 1),), ((2, 3, 3),)]
BROADCAST: list[tuple[Shape, ...]] = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (3,)), ((), (2, 3)), ((2, 3), ()), ((4, 1, 3), (2, 1)),
    ((1,), (2, 3)), ((2, 3), (1, 1)), ((3,), (4, 2, 3)), ((0, 3), (3,)), ((2, 1), (1, 0)), ((), ()),
]  # fmt: skip
PRODUCTS: list[tuple[Shape, ...]] = [
    ((2, 3), (3, 5)), ((7, 2), (2, 3)), ((4, 1), (1, 3)), ((1, 3), (3, 2)), ((2, 0), (0, 3)),
    ((0, 2), (2, 3)), ((2, 3), (3,)), ((2,), (2, 3)), ((4,), (4,)), ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)),
]  # fmt: skip
EINSUMS: list[tuple[str, tuple[Shape, ...]]] = [
    ("ij,jk->ik", ((2, 3), (3, 5))),
    ("ii->i", ((3, 3),)),
    ("ii", ((4, 4),)),
    ("ij->ji", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("ij,ij->", ((2, 3), (2, 3))),
    ("ij,ji->i", ((2, 3), (3, 2))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))),
    ("...ij,...jk->...ik", ((2, 3, 4), (2, 4, 5))),
    ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 2))),
    ("...ij,...jk->...ik", ((3, 4), (4, 2))),
    ("i...->...", ((2, 3, 4),)),
    ("ba", ((2, 3),)),
    ("ij,jk", ((2, 3), (3, 4))),
    ("i,j,k->kij", ((2,), (3,), (4,))),
    ("iij->ij", ((2, 2, 3),)),
    ("iij,jk->k", ((2, 2, 3), (3, 4))),
    ("ij,kl->", ((2, 3), (4, 5))),
    (",ij->ij", ((), (2, 3))),
    ("iii->i", ((3, 3, 3),)),
    ("bi,bij,bj->b", ((2, 3), (2, 3, 4), (2, 4))),
    ("Zz,za->Za", ((2, 3), (3, 4))),
    ("ij,jk->ik", ((2, 0), (0, 3))),
    ("ij,jk->ik", ((1, 3), (3, 1))),
    ("pqr,sqt->prst", ((2, 3, 4), (2, 3, 5))),
]


def _kron(A: Array, B: Array) -> Array:
    depth = max(A.ndim, B.ndim)
    a, b = (1,) * (depth - A.ndim) + A.shape, (1,) * (depth - B.ndim) + B.shape
    # axes a0, 1, a1, 1, … times 1, b0, 1, b1, …
    left = A.reshape([n for size in a for n in (size, 1)])
    right = B.reshape([n for size in b for n in (1, size)])
    return (left * right).reshape([m * n for m, n in zip(a, b, strict=True)])


def _einsum(subscripts: str) -> Callable[..., Any]:
    return lambda *arrays: np.einsum(subscripts, *arrays)


def _solve(A: Array, b: Array) -> Array:
    return np.linalg.solve(A, b[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(A, b)


def _cases(
    operation: str,
    function: Callable[..., Any],
    shapes: list[tuple[Shape, ...]],
    *domains: str,
    analytic: bool = True,
) -> list[Case]:
    return [Case(operation, function, s, domains, analytic) for s in shapes]


CASES: list[Case] = [
    *_cases("matmul", np.matmul, PRODUCTS, "real", "real"),
    *_cases(
        "matvec", lambda A, x: np.einsum("ij,j->i", A, x),
        [((2, 3), (3,)), ((5, 2), (2,)), ((1, 4), (4,)), ((3, 1), (1,)), ((2, 0), (0,)), ((0, 2), (2,))],
        "real", "real",
    ),
    *_cases("inner", lambda a, x: np.sum(a * x), [((3,), (3,)), ((1,), (1,)), ((0,), (0,))], "real", "real"),
    *_cases(
        "outer", lambda x, y: x[:, None] * y, [((2,), (3,)), ((4,), (1,)), ((1,), (2,)), ((0,), (3,))],
        "real", "real",
    ),
    *_cases(
        "bilinear", lambda a, X, b: np.einsum("i,ij,j", a, X, b),
        [((2,), (2, 3), (3,)), ((4,), (4, 1), (1,)), ((5,), (5, 2), (2,)), ((0,), (0, 2), (2,))],
        "real", "real", "real",
    ),
    *_cases(
        "quadratic", lambda x, A: np.einsum("i,ij,j", x, A, x),
        [((3,), (3, 3)), ((2,), (2, 2)), ((1,), (1, 1)), ((0,), (0, 0))], "real", "real",
    ),
    *_cases("transpose", lambda X: np.einsum("ij->ji", X), [*MATRICES, ((0, 3),)], "real"),
    *_cases("trace", lambda X: np.sum(np.diagonal(X)), [((2, 2),), ((3, 3),), ((1, 1),), ((0, 0),)], "real"),
    *_cases("det", np.linalg.det, SQUARE, "invertible"),
    *_cases("inv", np.linalg.inv, SQUARE, "invertible"),
    *_cases(
        "solve", _solve,
        [((3, 3), (3,)), ((2, 2), (2, 3)), ((4, 4), (4, 2)), ((1, 1), (1,)), ((2, 3, 3), (2, 3, 4))],
        "invertible", "real",
    ),
    *_cases(
        "squared_error", lambda y, t: 0.5 * np.sum((y - t) ** 2),
        [((3,), (3,)), ((2, 3), (2, 3)), ((1,), (1,)), ((), ()), ((0, 3), (0, 3))], "real", "real",
    ),
    *_cases("add", lambda A, B: A + B, BROADCAST, "real", "real"),
    *_cases("subtract", lambda A, B: A - B, BROADCAST, "real", "real"),
    *_cases("multiply", lambda A, B: A * B, BROADCAST, "real", "real"),
    *_cases("divide", lambda A, B: A / B, BROADCAST, "real", "nonzero"),
    *_cases("power", lambda X, p: np.exp(p * np.log(X)), BROADCAST, "positive", "real"),
    *_cases("scale", lambda c, X: c * X, [((), s[0]) for s in ELEMENTWISE], "real", "real"),
    *_cases("sum", lambda X: X.sum(), ELEMENTWISE, "real"),
    *_cases("norm", lambda X: np.sqrt((X * X).sum()), [((2, 3),), ((4,),), ((1, 3),), ((2, 4, 3),)], "real"),
    *_cases(
        "kron", _kron,
        [((2, 3), (4, 5)), ((1, 2), (3, 1)), ((2,), (3,)), ((2,), (3, 2)), ((2, 3), (2,)), ((0, 2), (3, 2)),
         ((), (2, 3)), ((2, 1, 2), (3, 2))],
        "real", "real",
    ),
    *[Case("einsum", _einsum(text), shapes, ("real",) * len(shapes), True, text) for text, shapes in EINSUMS],
    *_cases("negative", lambda X: -X, ELEMENTWISE, "real"),
    *_cases("exp", np.exp, ELEMENTWISE, "real"),
    *_cases("log", np.log, ELEMENTWISE, "positive"),
    *_cases("sqrt", np.sqrt, ELEMENTWISE, "positive"),
    *_cases("square", lambda X: X * X, ELEMENTWISE, "real"),
    *_cases("tanh", np.tanh, ELEMENTWISE, "real"),
    *_cases("sin", np.sin, ELEMENTWISE, "real"),
    *_cases("cos", np.cos, ELEMENTWISE, "real"),
    *_cases("sigmoid", lambda X: 1 / (1 + np.exp(-X)), ELEMENTWISE, "real"),
    *_cases("relu", lambda X: np.where(X > 0, X, 0), ELEMENTWISE, "nonzero", analytic=False),
    *_cases(
        "logsumexp", lambda X: np.log(np.sum(np.exp(X))),
        [((2, 3),), ((4,),), ((),), ((3, 1),), ((2, 4, 3),)], "real"
    ),
    *_cases(
        "softmax", lambda X: np.exp(X) / np.sum(np.exp(X)), [((2, 3),), ((4,),), ((),), ((3, 1),), ((2, 4, 3),)],
        "real",
    ),
    *_cases("absolute", np.abs, ELEMENTWISE, "nonzero", analytic=False),
]  # fmt: skip

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "matmul": ("B", "C"), "matvec": ("A", "x"), "inner": ("a", "x"), "outer": ("x", "y"),
    "bilinear": ("a", "X", "b"), "quadratic": ("x", "A"), "transpose": ("X",), "trace": ("X",),
    "det": ("X",), "inv": ("X",), "solve": ("A", "b"), "squared_error": ("y", "t"),
    "add": ("A", "B"), "subtract": ("A", "B"), "multiply": ("A", "B"), "divide": ("A", "B"),
    "scale": ("c", "X"), "sum": ("X",), "norm": ("X",), "kron": ("A", "B"), "einsum": (),
    "negative": ("X",), "exp": ("X",), "log": ("X",), "sqrt": ("X",), "square": ("X",),
    "tanh": ("X",), "sin": ("X",), "cos": ("X",), "sigmoid": ("X",), "relu": ("X",),
    "absolute": ("X",), "logsumexp": ("X",), "softmax": ("X",), "power": ("X", "p"),
}  # fmt: skip
"""Names of the array arguments, in order; these are promised to users."""

PROBLEMS: list[tuple[Case, int]] = [(case, n) for case in CASES for n in range(len(case.shapes))]


def problem_name(problem: tuple[Case, int]) -> str:
    """An identifier of a case and an argument."""
    case, position = problem
    names = ARGUMENTS[case.operation]
    return f"{case.name}-{names[position] if names else position}"


@cache
def _numerical(number: int) -> Array:
    case, position = PROBLEMS[number]
    found = numerical.jacobian(case.function, case.arrays(), position, analytic=case.analytic)
    found.setflags(write=False)
    return found


def numerical_jacobian(problem: tuple[Case, int]) -> Array:
    """The case's tensor by numbers alone; read-only, made once."""
    return _numerical(PROBLEMS.index(problem))
