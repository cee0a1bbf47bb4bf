"""Both sides of every size from which something is done another way.

A constant of the package is either in ``BOTH_SIDES``, with functions whose sizes lie on both sides of it
and closed forms that judge them, or in ``NO_SIZE``, with the reason. One that is in neither fails a test.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import jacobians as jb

ROOT = Path(jb.__file__).parent
ROOMS = (
    "execution", "optimising", "derivation", "notation", "operations", "graph", "tensor",
    "transforms", "tracing", "ground",
)  # fmt: skip


class Judged(NamedTuple):
    """A function at a point, by its first argument, and the derivative in plain NumPy."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    exact: Any
    kind: str = "jacobian"


def rng(n: int) -> np.random.Generator:
    return np.random.default_rng(n)


def elementwise(n: int) -> Judged:
    x = rng(n).normal(size=n)
    s, c = np.sin(x), np.cos(x)
    exact = np.exp(s * x) * (s + x * c) + 2 * x
    return Judged(lambda x: np.sum(np.exp(np.sin(x) * x) + x**2), (x,), exact, "grad")


def products_of_vectors(n: int) -> Judged:
    X, w = rng(n).normal(size=(n, 2)), rng(n + 1).normal(size=2)
    z = X @ w
    f = lambda w, X: np.sum(np.sin(X @ w) * (X @ w) ** 2)  # noqa: E731
    return Judged(f, (w, X), X.T @ (np.cos(z) * z**2 + 2 * z * np.sin(z)), "grad")


def outer(n: int) -> Judged:
    m = next(d for d in range(int(np.sqrt(n)), 0, -1) if n % d == 0)
    a, X, b = rng(n).normal(size=m), rng(n).normal(size=(m, n // m)), rng(n).normal(size=n // m)
    return Judged(lambda X, a, b: a @ np.sin(X) @ b, (X, a, b), np.outer(a, b) * np.cos(X), "grad")


def inverse(n: int) -> Judged:
    A = np.eye(n) * 3 + rng(n).normal(size=(n, n)) / n
    M = np.linalg.inv(A)
    return Judged(np.linalg.inv, (A,), -np.einsum("ik,lj->ijkl", M, M))


def weighted(n: int) -> Judged:
    X, w = rng(n).normal(size=(7, n)) / n, rng(n).normal(size=n)
    f = lambda w, X: np.sum(np.exp(X @ w))  # noqa: E731
    return Judged(f, (w, X), (X.T * np.exp(X @ w)) @ X, "hessian")


def nested_weights(n: int) -> Judged:
    X, w = rng(n).normal(size=(20, 17)) / 9, rng(n).normal(size=17)

    def f(w: Any, X: Any) -> Any:
        return np.sum(np.exp(X @ w) * deep)

    deep = np.ones(20)
    for k in range(n):
        deep = deep + 0.1 * np.sin(k + np.arange(20.0)) ** 2
    return Judged(f, (w, X), (X.T * (np.exp(X @ w) * deep)) @ X, "hessian")


def solved(n: int) -> Judged:
    A, B = 4 * np.eye(6) + rng(n).normal(size=(6, 6)), rng(n).normal(size=(6, n))
    M = np.linalg.inv(A)
    Y = M @ B
    f = lambda A, B: np.sum(np.linalg.inv(A) @ B)  # noqa: E731
    return Judged(f, (A, B), -M.T @ np.ones((6, n)) @ Y.T, "grad")


def chained(n: int) -> Judged:
    matrices = [rng(10 * n + k).normal(size=(2 + k, 3 + k)) for k in range(n)]
    x = rng(n).normal(size=2)

    def f(x: Any) -> Any:
        y = x
        for matrix in matrices:
            y = y @ matrix
        return y * y

    P = np.linalg.multi_dot(matrices) if n > 1 else matrices[0]
    return Judged(f, (x,), 2 * (x @ P)[:, None] * P.T)


def joint(n: int) -> Judged:
    operands = [rng(10 * n + k).normal(size=(2 + k % 3, 2 + (k + 1) % 3)) for k in range(n)]
    text = ",".join("abcdefghijk"[k : k + 2] for k in range(n)) + "->a" + "abcdefghijk"[n]
    rest = text.replace("ab,", "", 1) if n > 1 else text
    exact = np.einsum(rest.replace("->a", "->b"), *operands[1:])
    size = operands[0].shape[0]
    full = np.einsum("ik,lj->ijkl", np.eye(size), exact)
    return Judged(lambda X, *more: np.einsum(text, X, *more), tuple(operands), full)


def steps(n: int) -> Judged:
    x = rng(n).normal(size=5)

    def f(x: Any) -> Any:
        for _ in range(n):
            x = np.sin(x)
        return x

    slope, y = np.ones(5), x
    for _ in range(n):
        slope, y = slope * np.cos(y), np.sin(y)
    return Judged(f, (x,), np.diag(slope))


def residual(n: int) -> Judged:
    A, x = rng(n).normal(size=(4, 4)) / 4, rng(n).normal(size=4)

    def f(x: Any) -> Any:
        for _ in range(n):
            x = x + np.tanh(A @ x)
        return x

    J, y = np.eye(4), x
    for _ in range(n):
        J, y = J + (1 - np.tanh(A @ y) ** 2)[:, None] * (A @ J), y + np.tanh(A @ y)
    return Judged(f, (x,), J)


def shifted(n: int) -> Judged:
    x, c = rng(n).normal(size=11), rng(n).normal(size=n + 1)
    f = lambda x: sum(c[k] * np.roll(x**2, k) for k in range(n + 1))  # noqa: E731
    exact = sum(c[k] * np.roll(np.diag(2 * x), k, axis=0) for k in range(n + 1))
    return Judged(f, (x,), exact)


def wide(n: int) -> Judged:
    A, B = rng(n).normal(size=(3 * n, 4)), rng(n).normal(size=(4, 3))
    x = rng(n).normal(size=3)
    s = 1 - np.tanh(B @ x) ** 2
    t = 1 - np.tanh(A @ np.tanh(B @ x)) ** 2
    f = lambda x: np.tanh(A @ np.tanh(B @ x))  # noqa: E731
    return Judged(f, (x,), t[:, None] * A @ (s[:, None] * B))


def indexed(n: int) -> Judged:
    x, places = rng(n).normal(size=9), rng(n).integers(0, 9, size=n)
    exact = np.zeros((n, 9))
    exact[np.arange(n), places] = np.cos(x[places])
    return Judged(lambda x: np.sin(x)[places], (x,), exact)


def gathered(n: int) -> Judged:
    X = rng(n).normal(size=(3, n))
    rows, columns = rng(n).integers(0, 3, size=n), rng(n + 1).integers(0, n, size=n)
    exact = np.zeros((n, 3, n))
    exact[np.arange(n), rows, columns] = 2 * X[rows, columns]
    return Judged(lambda X: (X**2)[rows, columns], (X,), exact)


def masked(n: int) -> Judged:
    X, w, c = 1 + rng(n).random((n, 2)), rng(n).normal(size=2), rng(n).normal(size=n)
    t = rng(n).normal(size=n)
    X[0, 0], t[0] = np.inf, -1.0
    f = lambda w, X, c, t: np.sum(np.where(t > 0, c * (np.log(X) @ w), 0))  # noqa: E731
    chosen = t > 0
    return Judged(f, (w, X, c, t), np.log(X[chosen]).T @ c[chosen], "grad")


def dense(n: int) -> Judged:
    x = rng(n).normal(size=n)
    return Judged(lambda x: x**3, (x,), np.diag(3 * x**2))


def contracted_by_einsum(n: int) -> Judged:
    X, v = rng(n).normal(size=(n, 3)), rng(n).normal(size=3)
    f = lambda v, X: np.einsum("ij,j->i", X, v) ** 2  # noqa: E731
    return Judged(f, (v, X), 2 * (X @ v)[:, None] * X)


def powers(n: int) -> Judged:
    x = 1 + rng(n).random(5) / 8
    return Judged(lambda x: np.sum(x**n / x ** (n - 2)), (x,), 2 * x, "grad")


def quotients(n: int) -> Judged:
    x = rng(n).random(4) + 1

    def f(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = y / np.sum(y)
        return y

    s = x.sum()
    return Judged(f, (x,), np.eye(4) / s - x[:, None] / s**2)


def sums(n: int) -> Judged:
    x = rng(n).normal(size=6)

    def f(x: Any) -> Any:
        y = x - np.mean(x)
        for k in range(n):
            y = y + k * (x - np.mean(x))
        return np.sum(y) + np.sum(x**2)

    return Judged(f, (x,), 2 * x, "grad")


BOTH_SIDES: dict[str, tuple[tuple[Callable[[int], Judged], tuple[int, ...]], ...]] = {
    "execution.passes.REUSE": ((elementwise, (1, 2, 1023, 1024, 1025)),),
    "execution.parallel.LARGE": ((elementwise, ((1 << 22) - 1, (1 << 22) + 1)),),
    "execution.contracting.BY_DOT": (
        (outer, (4095, 4096, 4097, (1 << 19) - 1, 1 << 19, (1 << 19) + 1)),
        (products_of_vectors, (2047, 2048, 4095, 4096, 4097, 70_001, (1 << 19) + 1)),
    ),
    "execution.contracting.SHORT": ((inverse, (1, 2, 21, 22, 23, 24)),),
    "execution.exact._CHUNK": ((masked, (3, 1 << 18, (1 << 20) + 1)),),
    "execution.ordering.MOST": ((joint, (2, 4, 5, 6, 7)), (chained, (4, 5, 6, 7))),
    "optimising.gram._WIDE": ((weighted, (1, 15, 16, 17)),),
    "optimising.gram._DEEPEST": ((nested_weights, (1, 7, 8, 9)),),
    "optimising.inlining._MOST": ((chained, (5, 6, 7, 8)),),
    "optimising.solving._NARROW": ((solved, (1, 2, 3, 4, 5)),),
    "derivation.chain_rule._READABLE": ((shifted, (1, 2, 3, 4)),),
    "derivation.chain_rule._FEW": ((shifted, (4, 5, 6, 7, 8)),),
    "derivation.chain_rule._DEEP": ((steps, (22, 23, 24, 25)), (residual, (7, 8, 9))),
    "derivation.chain_rule._FAR": ((wide, (1, 2, 3, 4, 5)),),
    "derivation.likely.DEEPEST": ((quotients, (1, 7, 8, 9)),),
    "derivation.likely._NEAR": ((quotients, (2, 3, 4)),),
    "derivation.powers._MANY": ((quotients, (4, 5, 6)),),
    "derivation.powers._LARGEST": ((powers, (2, 3, 63, 64, 65, 67)),),
    "derivation.quotients._DEEPEST": ((sums, (1, 7, 8, 9)),),
    "derivation.quotients._SUMMANDS": ((sums, (4, 5, 6)),),
    "notation.structure._FEW_ADDRESSES": ((gathered, (127, 128, 255, 256, 257)),),
    "notation.rewrite._TRIED": ((chained, (3, 4, 5)),),
    "operations.declare._LIGHT": ((indexed, (1, 2, 63, 64, 65)),),
    "operations.products._SMALL": ((contracted_by_einsum, (681, 682, 683)),),
    "ground.memory.SMALL": ((dense, (2047, 2048, 2049)),),
    "tracing.numpy.shapes._FEW": ((shifted, (7, 8, 9)),),
}
NO_SIZE = {
    "execution.building._FIRST": "a number in names",
    "execution.interpret._STEP": "bytes of a cache's entry",
    "execution.jax.MOSTLY_ZERO": "both sides in tests/peers",
    "notation.writing.SUM": "how tightly text binds",
    "notation.writing.PRODUCT": "how tightly text binds",
    "notation.writing.ATOM": "how tightly text binds",
    "notation.writing._LARGEST": "text",
    "notation.writing._ROUNDING": "text",
    "operations.linalg._ROUNDING": "both sides in tests/tracing/functions/test_linalg_points.py",
    "ground.caches._OVERHEAD": "bytes of a cache's entry",
    "ground.memory.SHARE": "a part of what is available",
    "ground.memory._FALLBACK": "what is available where the system does not say",
    "ground.stopwatch._REPEATS": "of a measurement",
    "tensor.jacobian_tensor._LONGEST": "text",
    "tensor.jacobian_tensor._LONGEST_LATEX": "text",
    "tensor.jacobian_tensor._TERMS": "text",
    "tensor.jacobian_tensor._PARTS": "text",
    "transforms.compiling._MOST": "bytes of a cache, tested in tests/transforms/test_on_use.py",
    "transforms.compiling._PLAN": "bytes of a cache's entry",
}


def constants() -> Iterator[str]:
    """The numbers that modules give a name in capitals."""
    for path in (p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Assign) or not _is_number(node.value):
                continue
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                names = [part.id for part in parts if isinstance(part, ast.Name)]
                yield from (f"{module}.{n}" for n in names if re.match(r"_?[A-Z][A-Z_]*$", n))


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) and _is_number(node.right)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def test_every_constant_has_its_sizes_or_a_reason() -> None:
    assert {*BOTH_SIDES, *NO_SIZE} == set(constants())
    assert not set(BOTH_SIDES) & set(NO_SIZE)


CASES = dict.fromkeys(
    (make, n) for rows in BOTH_SIDES.values() for make, sizes in rows for n in sizes
)


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize(("make", "n"), CASES, ids=[f"{make.__name__}-{n}" for make, n in CASES])
def test_both_sides_are_right(make: Callable[[int], Judged], n: int) -> None:
    f, args, exact, kind = make(n)
    transform = getattr(jb, kind)(f)
    scale = max(1.0, float(np.max(np.abs(exact), initial=0)))
    close: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10 * scale * np.sqrt(n)}
    compiled = transform.compile(*args)
    eager = transform(*args)
    np.testing.assert_allclose(np.asarray(eager), exact, **close)
    found = compiled.dense(*args)
    assert found.shape == exact.shape
    np.testing.assert_allclose(found, exact, **close)
    if found.size < 1 << 21:
        buffer = compiled.buffer()
        for _ in range(2):
            np.testing.assert_allclose(compiled.dense(*args, out=buffer), exact, **close)
    if kind != "grad":
        G, D = rng(n).normal(size=eager.out_shape), rng(n).normal(size=eager.in_shape)
        by_G = np.tensordot(G, exact, G.ndim)
        by_D = np.tensordot(exact, D, D.ndim)
        for tensor, extra in ((eager, ()), (compiled, args)):
            np.testing.assert_allclose(tensor.vjp(G, *extra), by_G, rtol=1e-8, atol=1e-8 * scale)
            np.testing.assert_allclose(tensor.jvp(D, *extra), by_D, rtol=1e-8, atol=1e-8 * scale)
        assert eager.nnz >= np.count_nonzero(exact)
