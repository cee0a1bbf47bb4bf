"""Both sides of every size from which something is done another way.

A constant of the package is either in ``BOTH_SIDES``, with functions whose sizes lie on both sides of it
and closed forms that judge them, or in ``NO_SIZE``, with the reason. One that is in neither fails a test.

That the sizes do reach both sides is seen, not believed: while a row runs, its constant is an ``int`` that
notes how each comparison with it comes out, and every place that compares must have seen yes and no.
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation.powers import _Powers
from jacobians.execution.interpret import contract
from jacobians.execution.parallel import parallel
from jacobians.graph.node import apply, evaluate, input_node
from jacobians.ground.caches import ByteCache
from jacobians.notation.rewrite import merge
from jacobians.notation.slots import distinct, letter_slot, table_slot
from jacobians.notation.structure import nonzeros
from jacobians.notation.terms import Factor, Sum, Term
from jacobians.operations.products import contraction, einsum
from jacobians.optimising import gram
from tests.numerical import complex_step

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


class Direct(NamedTuple):
    """A call of one of the package's own functions, and its value in plain NumPy."""

    call: Callable[[], Any]
    exact: Any


def rng(n: int) -> np.random.Generator:
    return np.random.default_rng(n)


def elementwise(n: int) -> Judged:
    x = rng(n).normal(size=n)
    s, c = np.sin(x), np.cos(x)
    exact = np.exp(s * x) * (s + x * c) + 2 * x
    return Judged(lambda x: np.sum(np.exp(np.sin(x) * x) + x**2), (x,), exact, "grad")


def shared(n: int) -> Direct:
    """By the function that large programs call; a small one does not get there."""
    x = rng(n).normal(size=n)
    return Direct(lambda: parallel(np.multiply, x, 2.5), 2.5 * x)


def stacked(n: int) -> Judged:
    """A block of n rows is written into the result, as it is."""
    A, x = rng(n).normal(size=(n, 1 << 11)), rng(n + 1).normal(size=1 << 11)
    f = lambda x, A: np.concatenate([A @ x, 2 * x])  # noqa: E731
    return Judged(f, (x, A), np.concatenate([A, 2 * np.eye(1 << 11)]))


def outer(n: int) -> Judged:
    m = next(d for d in range(int(np.sqrt(n)), 0, -1) if n % d == 0)
    a, X, b = rng(n).normal(size=m), rng(n).normal(size=(m, n // m)), rng(n).normal(size=n // m)
    return Judged(lambda X, a, b: a @ X @ b, (X, a, b), np.outer(a, b), "grad")


def inverse(n: int) -> Judged:
    A = np.eye(n) * 3 + rng(n).normal(size=(n, n)) / n
    M = np.linalg.inv(A)
    return Judged(np.linalg.inv, (A,), -np.einsum("ik,lj->ijkl", M, M))


def layered(n: int) -> Judged:
    """The weights' derivative reads the inputs across: n³ entries that can be nonzero."""
    W, X = rng(n).normal(size=(n, n)), rng(n + 1).normal(size=(n, n))
    slope = 1 - np.tanh(W @ X) ** 2
    return Judged(
        lambda W, X: np.tanh(W @ X), (W, X), np.einsum("ij,ik,lj->ijkl", slope, np.eye(n), X)
    )


def rolled_apart(n: int) -> Judged:
    """A vector times itself, rolled by so many different numbers."""
    x = rng(n).normal(size=50)
    exact = sum(np.roll(x, k) + np.roll(x, -k) for k in range(1, n + 1))
    return Judged(lambda x: sum(np.sum(np.roll(x, k) * x) for k in range(1, n + 1)), (x,), exact)


def weighted(columns: int, squares: int = 0) -> Judged:
    """The weights are an exponential and so many squares, within each other."""
    n = columns + squares
    X, w = rng(n).normal(size=(20, columns)) / 9, rng(n).normal(size=columns)
    z = rng(n + 1).normal(size=20)

    def weights(z: Any) -> Any:
        deep = np.exp(z)
        for k in range(squares):
            deep = deep + np.sin(k + z) ** 2
        return deep

    f = lambda w, X, z: np.sum(np.exp(X @ w) * weights(z))  # noqa: E731
    return Judged(f, (w, X, z), (X.T * (np.exp(X @ w) * weights(z))) @ X, "hessian")


def nested_weights(n: int) -> Judged:
    return weighted(17, n)


def solved(n: int) -> Judged:
    """By the matrix, ``-M^T C Y^T`` with C of n columns."""
    A, B = 4 * np.eye(6) + rng(n).normal(size=(6, 6)), rng(n).normal(size=(6, n))
    M = np.linalg.inv(A)
    Y = M @ B
    f = lambda A, B: np.sum(np.sin(np.linalg.inv(A) @ B))  # noqa: E731
    return Judged(f, (A, B), -M.T @ np.cos(Y) @ Y.T, "grad")


def product_of(n: int) -> Direct:
    """n matrices, in a ring with letters of three sizes: nothing about their order is easy."""
    letters = "abcdefghijk"
    arrays = [rng(10 * n + k).normal(size=(2 + k % 3, 2 + (k + 1) % n % 3)) for k in range(n)]
    text = ",".join(letters[k] + letters[(k + 1) % n] for k in range(n)) + "->b"
    tensor = einsum.structure(tuple(a.shape for a in arrays), (("subscripts", text),))
    return Direct(lambda: contract(tensor, arrays, np.float64), np.einsum(text, *arrays))


def beside(n: int) -> Judged:
    """A slope of three factors, multiplied as one array, beside n - 1 vectors."""
    x, *v = rng(n).normal(size=(n, 2))
    letters = "abcdefghij"[:n]
    text = f",{','.join(letters[1:])}->{letters}"
    f = lambda x, *v: np.einsum("a" + text, np.sin(np.exp(np.tanh(x))), *v)  # noqa: E731
    t = np.tanh(x)
    slope = np.diag(np.cos(np.exp(t)) * np.exp(t) * (1 - t**2))
    return Judged(f, (x, *v), np.einsum("az" + text + "z", slope, *v))


def joined(n: int) -> Judged:
    """n parts, each a function of the same array, side by side."""
    x = rng(n).normal(size=3)
    f = lambda x: np.concatenate([np.sin((k + 1) * x) for k in range(n)]) ** 2  # noqa: E731
    rows = [(k + 1) * np.diag(np.sin(2 * (k + 1) * x)) for k in range(n)]
    return Judged(f, (x,), np.concatenate(rows))


def paths(n: int) -> Judged:
    """n paths through one array."""
    x = rng(n).normal(size=3)

    def f(x: Any) -> Any:
        u = np.tanh(x)
        return np.sum(sum((np.sin((k + 1) * u) for k in range(n)), 0 * u))

    t = np.tanh(x)
    slope = sum((k + 1) * np.cos((k + 1) * t) for k in range(n))
    return Judged(f, (x,), slope * (1 - t**2), "grad")


def recurrent(n: int) -> Judged:
    """n repetitions, each of a few steps, whose results are all read again."""
    A, x = rng(3).normal(size=(4, 4)) / 3, rng(4).normal(size=4)

    def f(x: Any) -> Any:
        found = []
        for _ in range(n):
            x = np.tanh(A @ x)
            found.append(x)
        return np.concatenate(found)

    J, y, rows = np.eye(4), x, []
    for _ in range(n):
        y = np.tanh(A @ y)
        J = (1 - y**2)[:, None] * (A @ J)
        rows.append(J)
    return Judged(f, (x,), np.concatenate(rows))


def chosen_often(n: int) -> Judged:
    """n parts of one array, no two of a size, each with a mask of its own."""
    x, at, weights = rng(n).normal(size=12), rng(n + 1).normal(size=n) / 2, rng(n + 2).random(n)

    def f(x: Any) -> Any:
        u = np.sin(x)
        own = enumerate(zip(at, weights, strict=True))
        return sum(np.sum(np.where(u[k:] > t, w * u[k:] ** 2, 0.0)) for k, (t, w) in own)

    u = np.sin(x)
    chosen = (u > at[:, None]) & (np.arange(12) >= np.arange(n)[:, None])
    return Judged(f, (x,), np.cos(x) * 2 * u * (weights @ chosen), "grad")


def loops_in_a_loop(n: int) -> Judged:
    """n repetitions of nine repetitions."""
    x = rng(n).normal(size=3)

    def f(x: Any) -> Any:
        for _ in range(n):
            y = x
            for _ in range(9):
                y = 0.9 * np.sin(y)
            x = x + 0.1 * y
        return x

    J, z = np.ones(3), x
    for _ in range(n):
        K, y = J, z
        for _ in range(9):
            y, K = 0.9 * np.sin(y), 0.9 * np.cos(y) * K
        z, J = z + 0.1 * y, J + 0.1 * K
    return Judged(f, (x,), np.diag(J))


def crossing(n: int) -> Judged:
    """n results in an order that no loop has, read by a loop."""
    x = rng(n).normal(size=3)
    order = rng(n + 1).permutation(n)

    def f(x: Any) -> Any:
        made = [x * (k + 2) if k % 2 else x + k for k in range(n)]
        total = 0 * x
        for k in order:
            total = np.sin(total + made[k])
        return total

    total, J = 0 * x, 0 * x
    for k in order:
        J = np.cos(total + (x * (k + 2) if k % 2 else x + k)) * (J + (k + 2 if k % 2 else 1))
        total = np.sin(total + (x * (k + 2) if k % 2 else x + k))
    return Judged(f, (x,), np.diag(J))


def kept_ends(n: int) -> Judged:
    """n steps of a stencil whose ends are joined to it: ever more paths lead to each entry."""
    x = rng(n).normal(size=12)
    step = np.eye(12)
    for k in range(1, 11):
        step[k, k - 1 : k + 2] += 0.2, -0.4, 0.2

    def f(a: Any) -> Any:
        for _ in range(n):
            inner = a[1:-1] + 0.2 * (a[:-2] - 2 * a[1:-1] + a[2:])
            a = np.concatenate([a[:1], inner, a[-1:]])
        return a

    return Judged(f, (x,), np.linalg.matrix_power(step, n))


def residual(n: int) -> Judged:
    """More results than inputs, but not many times as many: both orders are tried."""
    A, x, C = rng(n).normal(size=(4, 4)) / 4, rng(n).normal(size=4), rng(n).normal(size=(8, 4))

    def f(x: Any) -> Any:
        for _ in range(n):
            x = x + np.tanh(A @ x)
        return C @ x

    J, y = np.eye(4), x
    for _ in range(n):
        J, y = J + (1 - np.tanh(A @ y) ** 2)[:, None] * (A @ J), y + np.tanh(A @ y)
    return Judged(f, (x,), C @ J)


def shifted(n: int) -> Judged:
    x, c = rng(n).normal(size=11), rng(n).normal(size=n + 1)
    f = lambda x: sum(c[k] * np.roll(x**2, k) for k in range(n + 1))  # noqa: E731
    exact = sum(c[k] * np.roll(np.diag(2 * x), k, axis=0) for k in range(n + 1))
    return Judged(f, (x,), exact)


def layers(n: int) -> Judged:
    """Two layers of 2 n inputs and 3 n results, with two numbers between them."""
    A, B, x = rng(n).normal(size=(3 * n, 2)), rng(n).normal(size=(2, 2 * n)), rng(n).random(2 * n)
    s = 1 - np.tanh(B @ x) ** 2
    t = 1 - np.tanh(A @ np.tanh(B @ x)) ** 2
    f = lambda x: np.tanh(A @ np.tanh(B @ x))  # noqa: E731
    return Judged(f, (x,), t[:, None] * A @ (s[:, None] * B))


def indexed(n: int) -> Judged:
    x, places = rng(n).normal(size=9), rng(n).integers(0, 9, size=n)
    exact = np.zeros((n, 9))
    exact[np.arange(n), places] = np.cos(x[places])
    return Judged(lambda x: np.sin(x)[places], (x,), exact)


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


def nested_products(n: int) -> Judged:
    """The square of n products within each other, by all but the last."""
    x, *v = rng(n).random((n + 1, 4)) + 1

    def f(x: Any, *v: Any) -> Any:
        for one in v[:-1]:
            x = x * one
        return np.square(x * v[-1]) / x

    return Judged(f, (x, *v), np.diag(np.prod(v, axis=0) * v[-1]))


def saturated(n: int) -> Judged:
    """``e / (1 + e)`` beside n times ``1 / (1 + e)``."""
    x = rng(n).normal(size=5)
    e = np.exp(-x)
    return Judged(lambda x: (1 + np.exp(-x)) ** -n, (x,), np.diag(n * e * (1 + e) ** (-n - 1)))


def squared_often(n: int) -> Judged:
    """``x`` squared n times, by ``x``: squares of squares that cancel."""
    x = rng(n).uniform(0.9, 1.1, size=5)

    def f(x: Any) -> Any:
        over = x
        for _ in range(n):
            over = np.square(over)
        return np.square(over) / x

    power = 2 ** (n + 1) - 1
    return Judged(f, (x,), np.diag(power * x ** (power - 1)))


def shares(n: int) -> Judged:
    """``e^x`` by a sum of n and it, within each other."""
    x, v = rng(n).normal(size=5), rng(n + 1).random((n, 5)) + 1

    def f(x: Any, *v: Any) -> Any:
        below = np.exp(x)
        for one in v:
            below = below + one
        return np.exp(x) / below

    rest = v.sum(axis=0)
    return Judged(f, (x, *v), np.diag(np.exp(x) * rest / (np.exp(x) + rest) ** 2))


def centred(n: int) -> Judged:
    """A sum over n + 1 summands, within each other, that is 0 whatever the numbers."""
    x = rng(n).normal(size=6)

    def f(x: Any) -> Any:
        y = x - np.mean(x)
        for k in range(n):
            y = y + (k + 2) * (x - np.mean(x))
        return np.sum(y**2)

    times = 1 + sum(k + 2 for k in range(n))
    return Judged(f, (x,), 2 * times**2 * (x - x.mean()), "grad")


def norms(n: int) -> Judged:
    """n powers of a norm, whose kink cancels in each summand of the slope."""
    x = rng(n).normal(size=5)

    def f(x: Any) -> Any:
        s = np.linalg.norm(x)
        return sum(s ** (k + 2) for k in range(n))

    s = np.linalg.norm(x)
    return Judged(f, (x,), sum((k + 2) * s**k for k in range(n)) * x, "grad")


def repeated(n: int) -> Judged:
    """n entries, each two or three times: as many runs."""
    x, counts = rng(n).normal(size=n), 2 + np.arange(n) % 2
    return Judged(lambda x: np.repeat(x**2, counts), (x,), np.repeat(np.diag(2 * x), counts, 0))


def crossed(n: int) -> Direct:
    """The diagonals of a square of n rows, counted."""
    a, back = letter_slot(0), letter_slot(0, -1, n - 1)
    terms = tuple(Term(1, (n,), (), slots) for slots in ((a, a), (a, back)))
    mask = np.eye(n, dtype=bool)
    return Direct(lambda: nonzeros(Sum((n, n), terms)), np.count_nonzero(mask | mask[::-1]))


def read_by_rows(n: int) -> Judged:
    """The gradient by a weight stacks the rows that it was multiplied with."""
    V, xs = rng(n).normal(size=(3, 2)), rng(n + 1).normal(size=(n, 2))

    def f(V: Any, xs: Any) -> Any:
        h = np.zeros(3)
        for z in xs:
            h = np.tanh(V @ z) * h + V[:, 0]
        for _ in range(12):
            h = np.tanh(h)
        return np.sum(h)

    return Judged(f, (V, xs), complex_step(lambda V: f(V, xs), V))


def rowwise(n: int) -> Judged:
    x = rng(n).normal(size=n)
    return Judged(lambda x: np.stack([x[i] ** 2 for i in range(n)]), (x,), np.diag(2 * x))


def scattered(n: int) -> Direct:
    """A permutation's places and the diagonal, counted."""
    order = rng(n).permutation(n)
    slots = ((letter_slot(0), table_slot(0, order)), (letter_slot(0), letter_slot(0)))
    terms = tuple(Term(1, (n,), (), own) for own in slots)
    exact = np.count_nonzero(np.eye(n, dtype=bool) | (np.arange(n) == order[:, None]))
    return Direct(lambda: nonzeros(Sum((n, n), terms)), exact)


def beside_block(n: int) -> Direct:
    """Three places by tables, of which one lies in the block of n rows that begins at 1, counted."""
    block = Term(1, (n, n), (), (letter_slot(0, 1, 1), letter_slot(1, 1, 1)))
    rows, columns = [0, 2, 0], [n, n, 1]
    table = Term(1, (3,), (), (table_slot(0, rows), table_slot(0, columns)))
    return Direct(lambda: nonzeros(Sum((n + 1, n + 1), (block, table))), n * n + 2)


def spread(n: int) -> Direct:
    """Whether 0, n, 3 are distinct."""
    return Direct(lambda: float(distinct(np.array([0, n, 3]))), 1.0)


def alike(n: int) -> Direct:
    """``tr(B^n)`` twice, under other names: n letters that look alike."""
    B = rng(n).normal(size=(3, 3))
    names = [*range(n)], [*rng(n + 1).permutation(n).tolist()]
    terms = []
    for own in names:
        pairs = zip(own, own[1:] + own[:1], strict=True)
        factors = tuple(Factor(0, (letter_slot(a), letter_slot(b))) for a, b in pairs)
        terms.append(Term(1, (3,) * n, factors, ()))
    exact = 2 * np.trace(np.linalg.matrix_power(B, n))
    return Direct(lambda: contract(merge(Sum((), tuple(terms))), [B], np.float64), exact)


def long_sum(n: int) -> Direct:
    """So many multiples of vectors, half of them from the second entry on, added up."""
    arrays = rng(n).normal(size=(n, 3))
    nodes = [input_node(f"x{k}", (3,)) for k in range(n)]
    terms = []
    for k in range(n):
        late = k % 2
        slot = letter_slot(0, 1, late)
        terms.append(Term(k + 1, (3 - late,), (Factor(k, (slot,)),), (slot,)))
    node = apply(contraction, nodes, tensor=Sum((3,), tuple(terms)))
    whole = np.arange(1, n + 1)[:, None] * arrays
    whole[1::2, 0] = 0
    given = dict(zip(nodes, arrays, strict=True))
    return Direct(lambda: evaluate([node], given)[node], whole.sum(axis=0))


Make = Callable[[int], Judged | Direct]
BOTH_SIDES: dict[str, tuple[tuple[Make, tuple[int, ...]], ...]] = {
    "execution.passes.REUSE": ((elementwise, (1, 2, 1023, 1024, 1025)),),
    "execution.parallel.LARGE": (
        (elementwise, ((1 << 22) - 1, (1 << 22) + 1)),
        (shared, (1000, (1 << 22) + 1)),
        (stacked, ((1 << 11) - 1, 1 << 11)),
    ),
    "execution.contracting.BY_DOT": (
        (outer, (4095, 4096, 4097, (1 << 19) - 1, 1 << 19, (1 << 19) + 1)),
    ),
    "execution.contracting.STRIDED": ((layered, (1, 31, 32, 33)),),
    "execution.contracting.SHORT": ((inverse, (1, 2, 21, 22, 23, 24)),),
    "execution.interpret._LONG": ((long_sum, (1, 31, 32, 33, 200)),),
    "execution.exact._CHUNK": ((masked, (3, 1 << 18, (1 << 20) + 1)),),
    "execution.ordering.MOST": ((product_of, (3, 4, 5, 6, 7, 8, 9)),),
    "optimising.gram._WIDE": ((weighted, (1, 15, 16, 17)),),
    "optimising.gram._DEEPEST": ((nested_weights, (1, 6, 7, 8, 9, 10)),),
    "optimising.inlining._MOST": ((beside, (3, 4, 5, 6, 7)),),
    "optimising.solving._NARROW": ((solved, (1, 2, 3, 4, 5)),),
    "derivation.chain_rule._READABLE": ((shifted, (1, 2, 3, 4)),),
    "derivation.chain_rule._FEW": (
        (shifted, (4, 5, 6, 7, 8)),
        (chosen_often, (1, 5, 6, 7, 8)),
    ),
    "derivation.chain_rule._DEEP": ((residual, (1, 7, 8, 9)),),
    "derivation.chain_rule._LONG": ((residual, (1, 132, 133, 140)),),
    "derivation.chain_rule._OFTEN": ((kept_ends, (1, 5, 6, 7, 12)),),
    "derivation.chain_rule._MANY": ((shifted, (6, 7, 8, 16)),),
    "execution.rolling._TIMES": (
        (recurrent, (1, 2, 7, 8, 9, 10, 12)),
        (loops_in_a_loop, (1, 3, 12)),
    ),
    "execution.rolling._FEWEST": ((recurrent, (8, 9, 12)), (crossing, (20,)), (rowwise, (8, 9))),
    "execution.rolling._ROW": ((crossing, (8, 15, 16, 17, 20)),),
    "execution.rolling._RUN": (
        (recurrent, (1, 2, 3, 4, 12)),
        (crossing, (12, 20)),
        (read_by_rows, (1, 2, 3, 4, 12)),
    ),
    "derivation.likely.WIDEST": ((joined, (1, 7, 8, 9, 12)),),
    "derivation.copies._DEPTH": ((shares, (1, 11, 12, 13, 15)),),
    "derivation.links._ANSWERS": ((rolled_apart, (1, 14, 15, 16, 17, 18, 40)),),
    "operations.by_terms._AT_ONCE": ((joined, (1, 7, 8, 9, 12)),),
    "derivation.links._OPERANDS": ((paths, (1, 23, 24, 25, 30)),),
    "notation.stacking._ALIKE": ((rowwise, (1, 2, 6, 7, 8)), (shifted, (6, 7))),
    "notation.structure._LONGER": (
        (scattered, (3, 16, 17, 40, 200)),
        (beside_block, (30, 31, 32, 33)),
    ),
    "notation.slots._WIDER": ((spread, (4, 46, 47, 48, 49)),),
    "derivation.likely.DEEPEST": ((shares, (1, 7, 8, 9, 10)), (nested_products, (1, 8, 9, 10))),
    "derivation.likely._NEAR": ((shares, (1, 2, 3, 4)), (nested_products, (2, 3, 4, 5))),
    "derivation.powers._MANY": ((saturated, (1, 3, 4, 5, 6)), (squared_often, (1, 2, 3, 4, 8))),
    "derivation.powers._LARGEST": ((powers, (2, 3, 63, 64, 65, 67)),),
    "derivation.quotients._DEEPEST": ((centred, (1, 7, 8, 9)),),
    "derivation.quotients._SUMMANDS": ((norms, (2, 5, 6, 7, 8)),),
    "notation.structure._FEW_ADDRESSES": ((crossed, (7, 511, 512, 513)),),
    "notation.rewrite._TRIED": ((alike, (2, 3, 4, 5, 6)),),
    "operations.by_terms._LIGHT": ((indexed, (1, 2, 63, 64, 65)),),
    "operations.products._SMALL": ((contracted_by_einsum, (681, 682, 683)),),
    "ground.memory.SMALL": ((dense, (2047, 2048, 2049)),),
    "tracing.numpy.shapes._FEW": ((repeated, (7, 8, 9)),),
}
NO_SIZE = {
    "tracing.session._MOST_APART": "both sides in tests/transforms/deriving/test_derive.py",
    "execution.rolling._SEVERAL": "both sides in tests/execution/test_rolling.py",
    "ground.collecting._NEW": "objects between two looks for garbage: test_collecting makes more",
    "transforms.deriving.derivations._WIDTH": "text",
    "transforms.deriving.derivative_program._WIDTH": "text",
    "transforms.deriving.local_jacobians._LONGEST_ROUTE": "text",
    "transforms.deriving.local_jacobians._MOST_ROUTES": "text",
    "transforms.deriving.product_rule._MOST_TERMS": "text",
    "transforms.deriving.read_problem._LISTED": "text",
    "transforms.deriving.steps_told._READABLE": "text",
    "transforms.deriving.declared._LETTERS": "text",
    "transforms.deriving.symbolic_sizes._PRIMES": "text",
    "transforms.deriving.language.LONGEST_CHAIN": "both sides in tests/transforms/deriving/test_others.py",
    "transforms.deriving.language.MOST_NESTED": "both sides in tests/transforms/deriving/test_derive.py",
    "transforms.deriving.language.MOST_PARTS": "both sides in tests/transforms/deriving/test_others.py",
    "transforms.deriving.language.LARGEST_KRON": "both sides in tests/transforms/deriving/test_others.py",
    "transforms.deriving.declared._MOST": "text",
    "transforms.deriving.declared._TRIES": "text",
    "transforms.deriving.language.LARGEST_EXPONENT": "both sides in tests/transforms/deriving/test_derive.py",
    "transforms.deriving.language.LONGEST": "both sides in tests/transforms/deriving/test_derive.py",
    "transforms.deriving.layouts._LONG": "text",
    "transforms.deriving.layouts._REPEATED": "text",
    "transforms.deriving.programs._LITERAL": "text",
    "transforms.deriving.typesetting._LINE": "text",
    "tracing.closed_over._REMEMBERED": "entries of a cache",
    "tracing.session._MOST_READ": "both sides in tests/transforms/deriving/test_derive.py",
    "execution.building._FIRST": "a number in names",
    "execution.interpret._STEP": "bytes of a cache's entry",
    "execution.jax.MOSTLY_ZERO": "both sides in tests/execution/test_jax.py",
    "notation.writing.SUM": "how tightly text binds",
    "notation.writing.PRODUCT": "how tightly text binds",
    "notation.writing.ATOM": "how tightly text binds",
    "notation.writing._LARGEST": "text",
    "notation.writing._ROUNDING": "text",
    "operations.linalg._ROUNDING": "both sides in tests/tracing/functions/test_linalg_points.py",
    "execution.rolling._BEGINNING": "both sides in tests/execution/test_rolling.py",
    "execution.rolling._TRIES": "beginnings from which no loop can be written, beyond which none is sought",
    "execution.rolling._ENDS": "repetitions at the ends that are written out",
    "execution.rolling._PERIOD": "a bound on what is looked for; a longer loop is written out",
    "derivation.repeated._NOTED": "bytes of a cache",
    "derivation.making._STEP": "bytes of a cache's entry",
    "tracing.session._SURE": "both sides in tests/transforms/deriving/test_derive.py",
    "tracing.session._MOST_READS": "both sides in tests/transforms/deriving/test_derive.py",
    "derivation.repeated._KEPT": "bytes of a cache, tested in tests/derivation/test_repeated.py",
    "derivation.copies._AHEAD": "operations, up to which results are known as users",
    "ground.caches._OVERHEAD": "bytes of a cache's entry",
    "ground.memory.SHARE": "a part of what is available",
    "ground.memory._FALLBACK": "what is available where the system does not say",
    "ground.stopwatch._REPEATS": "of a measurement",
    "operations.kinds.MOST_KEPT": "bytes of a cache",
    "tracing.culprits._LONGEST": "text",
    "tensor.jacobian_tensor._LONGEST": "text",
    "tensor.jacobian_tensor._LONGEST_LATEX": "text",
    "tensor.jacobian_tensor._TERMS": "text",
    "tensor.jacobian_tensor._PARTS": "text",
    "tracing.generators._MOST": "how far generators are looked for",
    "transforms.compiled._SHOWN": "text",
    "transforms.functional._SHOWN_NODES": "text",
    "transforms.compiling._MOST": "bytes of a cache, tested in tests/transforms/test_on_use.py",
    "transforms.compiling._PLAN": "bytes of a cache's entry",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in (p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def constants() -> Iterator[str]:
    """The numbers that modules give a name in capitals."""
    for module, tree in modules():
        for node in tree.body:
            if not isinstance(node, ast.Assign) or not _is_number(node.value):
                continue
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                names = [part.id for part in parts if isinstance(part, ast.Name)]
                yield from (f"{module}.{n}" for n in names if re.match(r"_?[A-Z][A-Z_]*$", n))


def comparisons(constant: str) -> set[str]:
    """The places where a constant is written in a comparison."""
    own, _, name = constant.rpartition(".")
    return {
        f"{module.rpartition('.')[2]}.py:{node.lineno}"
        for module, tree in modules()
        if module == own or not name.startswith("_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if name in (getattr(part, "id", None), getattr(part, "attr", None))
    }


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) and _is_number(node.right)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def test_every_constant_has_its_sizes_or_a_reason() -> None:
    assert {*BOTH_SIDES, *NO_SIZE} == set(constants())
    assert not set(BOTH_SIDES) & set(NO_SIZE)


# Whether both sides are reached

Seen = dict[str, Counter[bool]]


class Watched(int):
    """A number that notes how comparisons with it, and with what is made from it, come out."""

    seen: Seen

    def __new__(cls, number: int, seen: Seen) -> "Watched":
        made = super().__new__(cls, number)
        made.seen = seen
        return made

    @property
    def numerator(self) -> int:
        """Itself: a fraction compares by it."""
        return self


def _watching(of_int: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Watched, *other: Any) -> Any:
        found = of_int(self, *other)
        if isinstance(found, bool):
            frame: Any = sys._getframe(1)
            while not Path(frame.f_code.co_filename).is_relative_to(ROOT):  # but in fractions
                frame = frame.f_back
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self.seen[place][found] += 1
        return Watched(found, self.seen) if type(found) is int else found

    return method


for _name in ("lt", "le", "gt", "ge", "eq", "bool", "add", "sub", "mul", "rmul", "lshift"):
    setattr(Watched, f"__{_name}__", _watching(getattr(int, f"__{_name}__")))

DEFAULTS: dict[str, tuple[Any, ...]] = {
    "optimising.gram._DEEPEST": (gram.interval, gram.not_negative),
    "derivation.likely.DEEPEST": (_Powers._read,),
}
"""Functions of which a constant is the default of the last argument."""


def watch(constant: str, patch: pytest.MonkeyPatch) -> list[Seen]:
    """What each number of a constant will have seen, wherever the constant is read."""
    module, _, name = f"jacobians.{constant}".rpartition(".")
    before = getattr(import_module(module), name)
    numbers = before if isinstance(before, tuple) else (before,)
    seen: list[Seen] = [defaultdict(Counter) for _ in numbers]
    watched = [Watched(number, own) for number, own in zip(numbers, seen, strict=True)]
    after = tuple(watched) if isinstance(before, tuple) else watched[0]
    for other, holder in list(sys.modules.items()):
        imports = other.startswith("jacobians.") and not name.startswith("_")
        if other == module or (imports and getattr(holder, name, None) is before):
            patch.setattr(holder, name, after)
    for function in DEFAULTS.get(constant, ()):
        assert function.__defaults__[-1] == before
        patch.setattr(function, "__defaults__", (*function.__defaults__[:-1], after))
    return seen


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize("constant", BOTH_SIDES)
def test_both_sides_are_reached_and_right(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(constant, monkeypatch)
    for module in [m for name, m in sys.modules.items() if name.startswith("jacobians.")]:
        for cache in (value for value in vars(module).values() if isinstance(value, ByteCache)):
            cache.clear()  # what was worked out before, on one side, is worked out again
    for make, sizes in BOTH_SIDES[constant]:
        for n in sizes:
            judge(make(n), n, f"{make.__name__}({n})")
    for own in seen:
        assert own
        assert own.keys() >= comparisons(constant)
        for place, outcomes in own.items():
            assert len(outcomes) == 2, f"{place}: always {[*outcomes]}"


def judge(case: Judged | Direct, n: int, name: str) -> None:
    """Raise where the package's derivative, made in several ways, is not the exact one."""
    exact = case.exact
    scale = max(1.0, float(np.max(np.abs(exact), initial=0)))
    close: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10 * scale * np.sqrt(n), "err_msg": name}
    if isinstance(case, Direct):
        np.testing.assert_allclose(case.call(), exact, **close)
        return
    f, args, _, kind = case
    transform = getattr(jb, kind)(f)
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
        loose = {**close, "rtol": 1e-8, "atol": 1e-8 * scale}
        for tensor, extra in ((eager, ()), (compiled, args)):
            np.testing.assert_allclose(tensor.vjp(G, *extra), by_G, **loose)
            np.testing.assert_allclose(tensor.jvp(D, *extra), by_D, **loose)
        assert eager.nnz >= np.count_nonzero(exact)
