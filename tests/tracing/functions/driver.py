"""One table of cases drives everything that a differentiated function must satisfy.

Each family has a module with ``CASES``; ``test_functions.py`` runs every case through ``hold``.
The judges are numerical: complex step where the function takes complex arrays, differences otherwise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import jacobians as jb
from tests import numerical


class Case(NamedTuple):
    """A function of arrays, and the arrays.

    ``analytic`` says that the function takes complex arrays and is analytic there; ``hessian`` that
    a scalar of it should be differentiated twice; ``wrt`` which arguments (all by default).
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]
    analytic: bool = False
    hessian: bool = True
    wrt: tuple[int, ...] | None = None


def values(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Random numbers in a range, no two alike, with a fixed seed."""
    return np.random.default_rng(seed + 97 * len(shape)).uniform(low, high, shape)


def hold(case: Case) -> None:
    """Everything that must hold for a case, for each differentiable argument."""
    f, arguments = case.function, list(case.arguments)
    before = [a.copy() for a in arguments]
    plain = np.asarray(f(*arguments))
    rng = np.random.default_rng(1)
    for position in case.wrt if case.wrt is not None else range(len(arguments)):
        x = arguments[position]
        expected = numerical.jacobian(f, arguments, position, analytic=case.analytic)
        scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
        close = {"rtol": 1e-7, "atol": 2e-8 * scale}
        J = jb.jacobian(f, wrt=position)(*arguments)
        assert J.shape == plain.shape + x.shape
        np.testing.assert_allclose(J.dense(), expected, **close)
        np.testing.assert_allclose(J.explicit(), expected, **close)
        for strategy in ("forward", "reverse"):
            other = jb.jacobian(f, wrt=position, strategy=strategy)(*arguments)
            np.testing.assert_allclose(other.dense(), expected, **close)
        assert J.nnz >= np.count_nonzero(np.abs(expected) > 1e-6 * scale)
        G, dX = rng.normal(size=plain.shape), rng.normal(size=x.shape)
        pulled = np.tensordot(G, expected, plain.ndim)
        pushed = np.tensordot(expected, dX, x.ndim)
        loose = {"rtol": 1e-6, "atol": 1e-7 * scale * max(1, plain.size, x.size)}
        np.testing.assert_allclose(J.vjp(G), pulled, **loose)
        np.testing.assert_allclose(J.jvp(dX), pushed, **loose)
        y, pullback = jb.vjp(f, *arguments)
        np.testing.assert_allclose(y, plain, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(pullback(G)[position], pulled, **loose)
        directions = [dX if n == position else None for n in range(len(arguments))]
        np.testing.assert_allclose(jb.jvp(f, arguments, directions)[1], pushed, **loose)
        contractions = (G, pulled), (dX, pushed)
        _hold_compiled(f, arguments, position, expected, close, *contractions, loose)
        if case.hessian and x.size:
            _hold_hessian(f, arguments, position, G)
    for now, then in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(now, then)


def compiled(f: Any, *args: Any, wrt: int = 0, kind: str = "jacobian", on: str = "numpy") -> Any:
    """The compiled transform, or None for a function that branches on values."""
    try:
        return getattr(jb, kind)(f, wrt=wrt).compile(*args, on=on)
    except jb.UnsupportedError as error:
        if "branches on a value" in str(error) or "is static" in str(error):
            return None
        raise


def run_alone(c: Any, args: Any) -> Any:
    """Run the printed source, as a person would who pasted it."""
    space: dict[str, Any] = {}
    exec(c.source, space)
    inputs = [a for a in args if np.asarray(a).dtype.kind == "f"]
    with np.errstate(all="ignore"):
        return space["derivative"](*inputs, **c.constants)


def _hold_compiled(
    f: Any,
    args: list[Any],
    position: int,
    expected: Any,
    close: Any,
    pulled: Any,
    pushed: Any,
    loose: Any,
) -> None:
    """Every way of the compiled derivative, held to the numbers of the judge."""
    c = compiled(f, *args, wrt=position)
    if c is None:
        return
    found = c.dense(*args)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, **close)
    assert not any(np.may_share_memory(found, a) for a in args)
    np.testing.assert_allclose(c(*args).dense(), expected, **close)
    np.testing.assert_allclose(run_alone(c, args), expected, **close)
    buffer = c.buffer()
    for _ in range(2):
        np.testing.assert_allclose(c.dense(*args, out=buffer), expected, **close)
    for contract, (given, wanted) in ((c.vjp, pulled), (c.jvp, pushed)):
        np.testing.assert_allclose(contract(given, *args), wanted, **loose)
    assert c.cost().bytes > 0 or not expected.size


def _hold_hessian(f: Any, arguments: list[Any], position: int, G: Any) -> None:
    def scalar(*args: Any) -> Any:
        return np.sum(G * f(*args))

    H = jb.hessian(scalar, wrt=position)(*arguments).dense()
    x = arguments[position]
    along = np.random.default_rng(2).uniform(0.5, 1, x.shape)

    def gradient(t: Any) -> Any:
        moved = [*arguments[:position], x + t * along, *arguments[position + 1 :]]
        return jb.grad(scalar, wrt=position)(*moved)

    # The gradient is held by the checks above, so differences of it judge the Hessian; those along one
    # direction without zeros reach every entry, at the cost of one column.
    expected = numerical.jacobian(gradient, [np.zeros(())], 0, analytic=False)
    matrix = H.reshape(x.size, x.size)
    scale = max(1.0, float(np.max(np.abs(H), initial=0)))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6, atol=1e-7 * scale)
    product = np.tensordot(H, along, x.ndim)
    np.testing.assert_allclose(product, expected, rtol=1e-5, atol=1e-6 * scale * max(1, x.size))
