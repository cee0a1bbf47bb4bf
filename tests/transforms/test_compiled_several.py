"""Compiled derivatives by several arguments and of several results, judged by numerical differences."""

import threading
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.numerical import differences

RNG = np.random.default_rng(5)
W, V, b, x = (RNG.normal(size=s) for s in ((3, 4), (2, 3), (3,), (4,)))
ARGS = (W, V, b, x)


def loss(W: Any, V: Any, b: Any, x: Any) -> Any:
    return np.sum((V @ np.tanh(W @ x + b)) ** 2)


def both(W: Any, V: Any, b: Any, x: Any) -> dict[str, Any]:
    hidden = np.tanh(W @ x + b)
    return {"hidden": hidden, "parts": [V @ hidden, np.sum(hidden**2)]}


def numerical(f: Any, place: int) -> Any:
    def of_one(X: Any) -> Any:
        return np.asarray(f(*ARGS[:place], X, *ARGS[place + 1 :]))

    return differences(of_one, ARGS[place])


def close(found: Any, wanted: Any, atol: float = 1e-8) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=atol)


def test_gradient_by_several() -> None:
    c = jb.grad(loss, wrt=("b", "W", 1)).compile(*ARGS)
    found = c(*ARGS)
    assert isinstance(found, tuple)
    for gradient, place in zip(found, (2, 0, 1), strict=True):
        close(gradient, numerical(loss, place))
    assert c.shape == ((3,), (3, 4), (2, 3))


def test_value_and_gradient_by_several() -> None:
    value, (by_W, by_x) = jb.value_and_grad(loss, wrt=(0, 3)).compile(*ARGS)(*ARGS)
    close(value, loss(*ARGS))
    close(by_W, numerical(loss, 0))
    close(by_x, numerical(loss, 3))


def test_jacobians_of_several_results() -> None:
    c = jb.jacobian(both, wrt=("W", "b")).compile(*ARGS)
    parts = {
        "hidden": lambda *a: both(*a)["hidden"],
        0: lambda *a: both(*a)["parts"][0],
        1: lambda *a: both(*a)["parts"][1],
    }
    tensors, arrays = c(*ARGS), c.dense(*ARGS)
    for place, column in ((0, 0), (2, 1)):
        for name, f in parts.items():
            wanted = numerical(f, place)
            inside = name if name == "hidden" else "parts"
            pick = (lambda t: t) if name == "hidden" else (lambda t, n=name: t[n])
            close(pick(arrays[inside])[column], wanted)
            close(pick(tensors[inside])[column].dense(), wanted)
    G = {"hidden": RNG.normal(size=3), "parts": [RNG.normal(size=2), 2.0]}
    by_W, by_b = c.vjp(G, *ARGS)
    for found, place in ((by_W, 0), (by_b, 2)):
        wanted = (
            np.tensordot(G["hidden"], numerical(parts["hidden"], place), 1)
            + np.tensordot(G["parts"][0], numerical(parts[0], place), 1)
            + 2.0 * numerical(parts[1], place)
        )
        close(found, wanted)
    dW, db = RNG.normal(size=W.shape), RNG.normal(size=b.shape)
    change = c.jvp((dW, db), *ARGS)
    wanted = np.tensordot(numerical(parts[0], 0), dW, 2) + numerical(parts[0], 2) @ db
    close(change["parts"][0], wanted)


def test_hessian_by_several() -> None:
    c = jb.hessian(loss, wrt=("W", "b")).compile(*ARGS)
    rows = c.dense(*ARGS)
    for row, first in zip(rows, (0, 2), strict=True):
        gradient = jb.grad(loss, wrt=first)
        for found, second in zip(row, (0, 2), strict=True):
            close(found, numerical(gradient, second), 1e-6)
    assert np.array_equal(rows[0][1], np.moveaxis(rows[1][0], 0, -1))


def test_the_source_of_several_runs_alone() -> None:
    c = jb.grad(loss, wrt=("W", "b")).compile(*ARGS)
    space: dict[str, Any] = {}
    exec(c.source, space)
    by_W, by_b = space["derivative"](*ARGS, **c.constants)
    close(by_W, numerical(loss, 0))
    close(by_b, numerical(loss, 2))
    assert c.source.count("np.tanh") == 1  # what they share is computed once


def test_results_are_new_arrays_of_their_own() -> None:
    c = jb.grad(lambda a, b: np.sum(a * b) + np.sum(a + b), wrt=(0, 1)).compile(b, b)
    by_a, by_b = c(b, b)
    assert not np.may_share_memory(by_a, by_b)
    same = jb.grad(lambda a, b: np.sum(a * x[:3]) + np.sum(b * x[:3]), wrt=(0, 1)).compile(b, b)
    first, second = same(b, b)
    first[...] = 7
    close(second, x[:3])
    close(same(b, b)[0], x[:3])


def test_out_has_the_structure_of_the_result() -> None:
    c = jb.grad(loss, wrt=("W", "b")).compile(*ARGS)
    kept = c.buffer()
    assert c.dense(*ARGS, out=kept) is kept
    close(kept[0], numerical(loss, 0))
    with pytest.raises(jb.ShapeError, match=r"out= has one, not 2; give one for each"):
        c.dense(*ARGS, out=np.zeros((3, 4)))
    with pytest.raises(jb.ShapeError, match=r"shape \(3, 4\) and dtype float64, not \(4, 3\)"):
        c.dense(*ARGS, out=(np.zeros((4, 3)), np.zeros(3)))
    with pytest.raises(
        jb.ShapeError, match=r"upstream gradient G has shape \(2,\), but the output has shape \(\)"
    ):
        c.vjp((1.0, 2.0), *ARGS)


def test_an_argument_that_is_not_passed() -> None:
    def shifted(x: Any, by: float = 2.0) -> Any:
        return np.sum(x * by)

    with pytest.raises(jb.UnsupportedError, match="wrt='by' is not among the 1 example arguments"):
        jb.grad(shifted, wrt="by").compile(b)


def test_threads_do_not_mix() -> None:
    c = jb.grad(loss, wrt=("W", "b")).compile(*ARGS)
    wrong = []

    def work(seed: int) -> None:
        own = tuple(np.random.default_rng(seed).normal(size=a.shape) for a in ARGS)
        wanted = jb.grad(loss, wrt=("W", "b"))(*own)
        for _ in range(50):
            found = c(*own)
            if not all(np.allclose(f, w) for f, w in zip(found, wanted, strict=True)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
