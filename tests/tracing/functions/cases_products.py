"""Products: dot and its relatives, einsum, kron, cross, trace, powers, convolution, polynomials."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.tracing.functions.driver import Case, values

Shapes = tuple[tuple[int, ...], ...]


# These take the complex conjugate of one argument, so that the complex step cannot judge them.
CONJUGATING = ("vdot", "vecdot", "linalg.vecdot", "vecmat", "correlate")


def product(
    name: str, function: Callable[..., Any], *shapes: tuple[int, ...], **kwargs: Any
) -> Case:
    """A case with arguments of these shapes, each with numbers of its own."""
    arguments = tuple(values(*shape, seed=n) for n, shape in enumerate(shapes))
    label = " ".join("x".join(map(str, shape)) or "0d" for shape in shapes)
    analytic = name.split()[0] not in CONJUGATING
    return Case(f"{name} {label}", function, arguments, **{"analytic": analytic, **kwargs})


def _flat_cross(a: Any, b: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # vectors of two entries
        return np.cross(a, b)


DOTS = [
    product(function.__name__, function, *shapes)
    for function, several in {
        np.dot: [
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((), (2, 3)), ((3,), ()),
            ((2, 3, 4), (4,)), ((2, 3), (2, 3, 4)), ((2, 1, 3), (2, 3, 2)), ((), ()),
        ],
        np.vdot: [((3,), (3,)), ((2, 3), (2, 3)), ((), ())],
        np.inner: [((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (3,)), ((2,), ()), ((2, 2, 3), (4, 3))],
        np.outer: [((2,), (3,)), ((2, 2), (3,)), ((), (3,))],
        np.kron: [
            ((2, 3), (3, 2)), ((2,), (3,)), ((2,), (3, 2)), ((2, 3), (2,)), ((), (2, 3)), ((2, 1, 2), (3, 2)),
        ],
        np.matmul: [
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (2, 3, 2)), ((2, 3), (2, 3, 4)),
            ((2, 2, 3), (3,)), ((3,), (2, 3, 2)), ((1, 2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)),
        ],
        np.vecdot: [((3,), (3,)), ((2, 3), (2, 3)), ((2, 1, 3), (4, 3))],
    }.items()
    for shapes in several
]  # fmt: skip

NEWER = [
    product(name, getattr(np, name), *shapes)
    for name, several in {
        "matvec": [((2, 3), (3,)), ((2, 2, 3), (2, 3)), ((2, 3), (4, 3))],
        "vecmat": [((3,), (3, 2)), ((2, 3), (2, 3, 2))],
    }.items()
    for shapes in several
    if hasattr(np, name)
]

EINSUMS = [
    product(f"einsum {subscripts}", lambda *a, s=subscripts: np.einsum(s, *a), *shapes)
    for subscripts, *shapes in [
        ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 2)), ("ii", (3, 3)), ("ii->i", (3, 3)),
        ("iij->j", (2, 2, 3)), ("iji->ij", (2, 3, 2)), ("iii->i", (3, 3, 3)), ("ij->ji", (2, 3)),
        ("ba", (2, 3)), ("ij->", (2, 3)), ("i,i->i", (3,), (3,)), ("i,j->ij", (2,), (3,)),
        ("i,ij,j", (2,), (2, 3), (3,)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)), ("...", (2, 3)),
        ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 2)), ("...ij,...j", (2, 2, 3), (3,)),
        ("...ii->...", (2, 3, 3)), ("i...,i...->...", (3, 2), (3, 2)), ("i...->...", (2, 3)),
        ("ij...,jk...->ik...", (2, 3, 2), (3, 2, 1)), ("ij , jk -> k i", (2, 3), (3, 4)),
        ("Ab,bC->AC", (2, 3), (3, 2)), ("ij,ij->", (2, 3), (2, 3)), ("ij,j->i", (2, 3), (1,)),
        ("ij,ij->ij", (2, 3), (2, 1)), ("i,i", (1,), (3,)), ("ij,kj->ik", (2, 1), (3, 4)), (",i->i", (), (3,)),
    ]
]  # fmt: skip

REPEATED = [
    product("einsum x x", lambda x: np.einsum("i,j->ij", x, x), (3,)),
    product("einsum x A x", lambda x, A: np.einsum("i,ij,j->", x, A, x), (3,), (3, 3)),
    product("einsum Gram", lambda X: np.einsum("ij,ik->jk", X, X), (3, 2)),
    product("einsum cube", lambda X: np.einsum("ij,jk,ki", X, X, X), (3, 3)),
    product("einsum of lists", lambda A, B: np.einsum(A, [0, 1], B, [1, 2], [2, 0]), (2, 3), (3, 4)),
    product("einsum of lists, implicit", lambda A, B: np.einsum(A, [7, 1], B, [1, 4]), (2, 3), (3, 4)),
    product(
        "einsum of lists with dots",
        lambda A, B: np.einsum(A, [..., 0, 1], B, [1, 2], [..., 2, 0]), (2, 2, 3), (3, 2),
    ),
    product(
        "einsum optimize",
        lambda A, B, C: np.einsum("ij,jk,kl->il", A, B, C, optimize=True), (2, 3), (3, 2), (2, 3),
    ),
    product(
        "einsum along a path",
        lambda A, B, C: np.einsum(
            "ij,jk,kl->il", A, B, C, optimize=np.einsum_path("ij,jk,kl->il", A, B, C)[0]
        ), (2, 3), (3, 2), (2, 2),
    ),
    product("matmul of itself", lambda X: X @ X @ X, (3, 3)),
    product("kron of itself", lambda X: np.kron(X, X), (2, 3)),
    product("outer of itself", lambda x: np.outer(x, x), (3,)),
]  # fmt: skip

TENSORDOTS = [
    product(f"tensordot {axes}", lambda a, b, n=axes: np.tensordot(a, b, axes=n), *shapes)
    for axes, *shapes in [
        (0, (2,), (3,)), (1, (2, 3), (3, 2)), (2, (2, 3, 2), (3, 2, 2)), (2, (2, 3), (2, 3)),
        ((0, 1), (3, 2), (2, 3)), (([0, 2], [1, 0]), (2, 3, 4), (4, 2, 2)), ((-1, -2), (2, 3), (3, 4)),
        (([1], [0]), (2, 3), (3,)), (([], []), (2,), (2,)),
    ]
]  # fmt: skip

AXES = [
    product(
        "matmul axes", lambda a, b: np.matmul(a, b, axes=[(0, 1), (1, 0), (1, 0)]), (2, 3), (2, 3)
    ),
    product(
        "matmul axes of a stack",
        lambda a, b: np.matmul(a, b, axes=[(0, 1), (-2, -1), (0, 2)]), (2, 3, 2), (2, 3, 4),
    ),
    product("matmul axes of vectors", lambda a, b: np.matmul(a, b, axes=[0, 0, ()]), (3,), (3,)),
    product("vecdot axis", lambda a, b: np.vecdot(a, b, axis=0), (3, 2), (3, 2)),
    product("vecdot keepdims", lambda a, b: np.vecdot(a, b, keepdims=True), (2, 3), (2, 3)),
    product("vecdot axis keepdims", lambda a, b: np.vecdot(a, b, axis=0, keepdims=True), (3, 2), (3, 2)),
    product("vecdot axes", lambda a, b: np.vecdot(a, b, axes=[0, 1]), (3, 2), (2, 3)),
    product("linalg.vecdot", lambda a, b: np.linalg.vecdot(a, b, axis=0), (3, 2), (3, 2)),
    product("linalg.matmul", np.linalg.matmul, (2, 2, 3), (3, 2)),
    product("linalg.outer", np.linalg.outer, (2,), (3,)),
    product("linalg.tensordot", lambda a, b: np.linalg.tensordot(a, b, axes=1), (2, 3), (3, 2)),
]  # fmt: skip

CROSSES = [
    product("cross", np.cross, (3,), (3,)),
    product("cross of stacks", np.cross, (2, 3), (2, 3)),
    product("cross broadcasting", np.cross, (2, 1, 3), (4, 3)),
    product("cross axis", lambda a, b: np.cross(a, b, axis=0), (3, 2), (3, 2)),
    product("cross axes", lambda a, b: np.cross(a, b, 0, 1, 0), (3, 2), (2, 3)),
    product("cross flat", _flat_cross, (2,), (2,)),
    product("cross flat stacks", _flat_cross, (3, 2), (3, 2)),
    product("cross 2 by 3", _flat_cross, (2,), (3,)),
    product("cross 3 by 2", _flat_cross, (4, 3), (4, 2)),
    product("linalg.cross", lambda a, b: np.linalg.cross(a, b, axis=0), (3, 2), (3, 2)),
    product("cross of itself", lambda x: np.cross(x, x[::-1] ** 2), (3,)),
]

TRACES = [
    product("trace", lambda X: np.trace(X) ** 2, (3, 3)),
    product("trace not square", lambda X: np.trace(X) ** 2, (2, 4)),
    product("trace offset", lambda X: np.trace(X, 1) ** 2, (3, 4)),
    product("trace offset below", lambda X: np.trace(X, offset=-1) ** 2, (4, 3)),
    product("trace beside the matrix", lambda X: np.trace(X, offset=5), (2, 3)),
    product("trace of a stack", lambda X: np.trace(X) ** 2, (3, 3, 2)),
    product("trace axes", lambda X: np.trace(X, axis1=-1, axis2=0) ** 2, (3, 2, 4)),
    product("trace method", lambda X: (X @ X).trace(), (3, 3)),
    product("linalg.trace", lambda X: np.linalg.trace(X, offset=1) ** 2, (2, 3, 4)),
    product("linalg.diagonal", lambda X: np.linalg.diagonal(X, offset=-1) ** 2, (2, 3, 4)),
    product("linalg.matrix_transpose", lambda X: np.linalg.matrix_transpose(X) ** 2, (2, 3, 4)),
]

CHAINS = [
    product("multi_dot", lambda *a: np.linalg.multi_dot(a), *shapes)
    for shapes in [
        ((2, 3), (3, 4)), ((2, 3), (3, 2), (2, 4)), ((3,), (3, 2), (2,)), ((3,), (3, 2), (2, 3)),
        ((2, 3), (3, 2), (2,)), ((2, 3), (3, 2), (2, 3), (3, 2)), ((3,), (3,)),
    ]
] + [
    product(f"matrix_power {n}", lambda X, n=n: np.linalg.matrix_power(X, n), shape)
    for n, shape in [(0, (3, 3)), (1, (3, 3)), (2, (3, 3)), (3, (2, 2)), (5, (2, 2)), (6, (2, 2, 2))]
] + [
    Case(
        f"matrix_power {n}", lambda X, n=n: np.linalg.matrix_power(X, n),
        (values(2, 2) + 2 * np.eye(2),), analytic=True,
    )
    for n in (-1, -2, -3)
]  # fmt: skip

CONVOLUTIONS = [
    product(f"{function.__name__} {mode}", lambda a, v, f=function, m=mode: f(a, v, m), *shapes)
    for function in (np.convolve, np.correlate)
    for mode in ("full", "same", "valid")
    for shapes in [((4,), (2,)), ((4,), (3,)), ((2,), (3,)), ((2,), (5,))]
] + [
    product("convolve a constant", lambda a: np.convolve(a, [1.0, -2.0]), (3,)),
    product("convolve by one", np.convolve, (3,), (1,)),
    product("convolve of itself", lambda a: np.convolve(a, a), (3,)),
    product("correlate of itself", lambda a: np.correlate(a, a, "full"), (3,)),
]  # fmt: skip

POLYNOMIALS = [
    product("vander", np.vander, (3,)),
    product("vander N", lambda x: np.vander(x, 2), (3,)),
    product("vander increasing", lambda x: np.vander(x, 4, increasing=True), (3,)),
    Case("vander at 0", lambda x: np.vander(x, 4), (np.array([0.0, 1.0, -2.0]),), analytic=True),
    product("polyval", np.polyval, (4,), (3,)),
    product("polyval of a matrix", np.polyval, (3,), (2, 2)),
    product("polyval at a number", np.polyval, (3,), ()),
    product("polyder", lambda p: np.polyder(p) ** 2, (4,)),
    product("polyder 2", lambda p: np.polyder(p, 2) ** 2, (4,)),
    product("fftshift", lambda x: np.fft.fftshift(x) ** 2, (3, 4)),
    product("fftshift axis", lambda x: np.fft.fftshift(x, axes=1) ** 2, (3, 3)),
    product("ifftshift", lambda x: np.fft.ifftshift(x, axes=(0,)) ** 2, (3, 2)),
]

CASES = [
    *DOTS, *NEWER, *EINSUMS, *REPEATED, *TENSORDOTS, *AXES, *CROSSES, *TRACES, *CHAINS, *CONVOLUTIONS,
    *POLYNOMIALS,
]  # fmt: skip
