"""How long programs grow: a program with loops from its function to its first result, and later runs.

    python -m benchmarks.growth [--quick] [--only NAME] [--peers]

Each program is doubled several times. Per size: operations traced, the first result eagerly, derive and
compile and first call together, later calls as multiples of the function itself, peak memory; an
exponent is fitted to each. With --peers, JAX (traced and compiled in the same time) and autograd stand
beside ours where they are installed. Values are compared before anything is timed.
"""

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import jacobians as jb
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.sweeping import fitted_exponent

Array = Any


class Program(NamedTuple):
    """A program for each size, written for any of NumPy's likes.

    ``make(n)`` gives the arguments, ``write(np)`` the function; ``transform`` names what is derived.
    """

    name: str
    sizes: Sequence[int]
    make: Callable[[int], tuple[Any, ...]]
    write: Callable[[Any], Callable[..., Any]]
    transform: str = "grad"


def _chain(xp: Any) -> Callable[..., Any]:
    def chain(x: Array) -> Array:
        y = x
        for _ in range(len(x) * 0 + _STEPS[0]):
            y = xp.sin(y) * 0.9 + 0.1 * x
        return xp.sum(y)

    return chain


_STEPS = [0]


def _steps(n: int) -> int:
    _STEPS[0] = n
    return n


def _rnn(xp: Any) -> Callable[..., Any]:
    def rnn(W: Array, U: Array, xs: Array) -> Array:
        h = xp.zeros(8)
        for t in range(_STEPS[0]):
            h = xp.tanh(W @ h + U @ xs[t])
        return xp.sum(h**2)

    return rnn


def _pendulum(xp: Any) -> Callable[..., Any]:
    def pendulum(state: Array) -> Array:
        path = []
        angle, speed = state[0], state[1]
        for _ in range(_STEPS[0]):
            speed = speed - 0.01 * xp.sin(angle)
            angle = angle + 0.01 * speed
            path.append(angle)
        return xp.stack(path)

    return pendulum


def _rotation(xp: Any, w: Array) -> Array:
    zero = w[0] * 0
    K = xp.stack(
        [
            xp.stack([zero, -w[2], w[1]]),
            xp.stack([w[2], zero, -w[0]]),
            xp.stack([-w[1], w[0], zero]),
        ]
    )
    t2 = w @ w + 1e-12
    t = xp.sqrt(t2)
    return xp.eye(3) + xp.sin(t) / t * K + (1 - xp.cos(t)) / t2 * (K @ K)


def _cameras(xp: Any) -> Callable[..., Any]:
    def residuals(cameras: Array, points: Array) -> Array:
        rows = []
        for c in range(cameras.shape[0]):
            R = _rotation(xp, cameras[c, :3])
            for p in range(points.shape[0]):
                q = R @ points[p] + cameras[c, 3:6]
                rows.append(q[:2] / q[2] - SEEN[c % 4, p % 4])
        return xp.concatenate(rows)

    return residuals


SEEN = np.random.default_rng(5).standard_normal((4, 4, 2))


def _kalman(xp: Any) -> Callable[..., Any]:
    def likelihood(A: Array, Q: Array, R: Array, ys: Array) -> Array:
        H = np.eye(2, 4)
        m, P, total = xp.zeros(4), xp.eye(4), 0.0
        for t in range(_STEPS[0]):
            m, P = A @ m, A @ P @ A.T + Q
            S = H @ P @ H.T + R
            v = ys[t] - H @ m
            K = xp.linalg.solve(S, H @ P).T
            m, P = m + K @ v, P - K @ H @ P
            total = total + v @ xp.linalg.solve(S, v) + xp.log(xp.linalg.det(S))
        return total

    return likelihood


def _rk4(xp: Any) -> Callable[..., Any]:
    def end(theta: Array, y0: Array) -> Array:
        def slope(y: Array) -> Array:
            return xp.stack([y[1], theta[0] * (1 - y[0] ** 2) * y[1] - theta[1] * y[0]])

        y, h = y0, 0.01
        for _ in range(_STEPS[0]):
            k1 = slope(y)
            k2 = slope(y + h / 2 * k1)
            k3 = slope(y + h / 2 * k2)
            k4 = slope(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return xp.sum(y**2)

    return end


def _lstm(xp: Any) -> Callable[..., Any]:
    def lstm(W: Array, b: Array, xs: Array) -> Array:
        h, c = xp.zeros(6), xp.zeros(6)
        for t in range(_STEPS[0]):
            z = W @ xp.concatenate([h, xs[t]]) + b
            i, f, o = (1 / (1 + xp.exp(-z[k * 6 : k * 6 + 6])) for k in range(3))
            c = f * c + i * xp.tanh(z[18:])
            h = o * xp.tanh(c)
        return xp.sum(h * h)

    return lstm


def _soft_dtw(xp: Any) -> Callable[..., Any]:
    def distance(x: Array, y: Array) -> Array:
        n, m, far = len(x), len(y), 1e10
        R = {(i, 0): far for i in range(n + 1)} | {(0, j): far for j in range(m + 1)}
        R[0, 0] = 0.0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                three = xp.stack(
                    [R[i - 1, j] + 0 * x[0], R[i, j - 1] + 0 * x[0], R[i - 1, j - 1] + 0 * x[0]]
                )
                low = -xp.log(xp.sum(xp.exp(-(three - xp.min(three))))) + xp.min(three)
                R[i, j] = (x[i - 1] - y[j - 1]) ** 2 + low
        return R[n, m]

    return distance


def _recurrence(xp: Any) -> Callable[..., Any]:
    def recurrence(a: Array, b: Array) -> Array:
        found = [b[0]]
        for t in range(1, len(b)):
            found.append(a[t] * found[-1] + b[t])
        return xp.sum(xp.sin(xp.stack(found)))

    return recurrence


def _numbers(*shapes: Any) -> tuple[Array, ...]:
    rng = np.random.default_rng(7)
    return tuple(rng.standard_normal(shape) / 2 for shape in shapes)


def _kalman_args(n: int) -> tuple[Array, ...]:
    (ys,) = _numbers((_steps(n), 2))
    A = np.eye(4) + np.diag([0.1, 0.1, 0.1], 1)
    return A, 0.1 * np.eye(4), 0.2 * np.eye(2), ys


PROGRAMS = [
    Program("chain", (250, 500, 1000, 2000), lambda n: (_steps(n), *_numbers(50))[1:], _chain),
    Program("rnn", (125, 250, 500, 1000), lambda n: _numbers((8, 8), (8, 5), (_steps(n), 5)), _rnn),
    Program(
        "pendulum",
        (150, 300, 600, 1200),
        lambda n: (_steps(n), *_numbers(2))[1:],
        _pendulum,
        "jacobian",
    ),
    Program("cameras", (5, 10, 20, 40), lambda n: _numbers((4, 6), (n, 3)), _cameras, "jacobian"),
    Program("kalman", (75, 150, 300, 600), _kalman_args, _kalman),
    Program(
        "rk4",
        (50, 100, 200, 400),
        lambda n: (_steps(n), np.array([1.0, 0.8]), np.array([0.5, 0.2]))[1:],
        _rk4,
    ),
    Program("lstm", (12, 24, 48, 96), lambda n: _numbers((24, 11), 24, (_steps(n), 5)), _lstm),
    Program("recurrence", (250, 500, 1000, 2000), lambda n: _numbers(n, n), _recurrence),
    Program("soft dtw", (6, 12, 24), lambda n: _numbers(n, n + 1), _soft_dtw),
]


class Row(NamedTuple):
    """One program at one size: seconds, and bytes."""

    size: int
    operations: int
    eager: float
    first: float
    call: float
    function: float
    memory: int
    peers: dict[str, float]


def seconds(run: Callable[[], Any]) -> float:
    """One run, by the wall clock."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def repeated(run: Callable[[], Any], rounds: int = 5) -> float:
    """The median of some runs."""
    return sorted(seconds(run) for _ in range(rounds))[rounds // 2]


def measured(program: Program, n: int, peers: bool) -> Row:
    """One program at one size; raises AssertionError where two results differ."""
    args = program.make(n)
    f = program.write(np)
    transform = getattr(jb, program.transform)
    eager_value: list[Any] = []
    gc.collect()  # what earlier programs have left behind
    eager = seconds(lambda: eager_value.append(transform(f)(*args)))
    made: list[Any] = []

    def first() -> None:
        compiled = transform(f).compile(*args)
        made.extend([compiled, compiled.dense(*args)])

    gc.collect()
    taken = seconds(first)
    np.testing.assert_allclose(np.asarray(eager_value[0]), made[1], rtol=1e-6, atol=1e-9)
    call = repeated(lambda: made[0].dense(*args))
    function = repeated(lambda: f(*args))
    tracemalloc.start()
    transform(f)(*args)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    operations = len(jb.record(f, *args).nodes)
    return Row(
        n,
        operations,
        eager,
        taken,
        call,
        function,
        memory,
        _peers(program, args, made[1]) if peers else {},
    )


def _peers(program: Program, args: tuple[Any, ...], expected: Any) -> dict[str, float]:
    found = {}
    try:
        import autograd
        import autograd.numpy as anp

        take = autograd.grad if program.transform == "grad" else autograd.jacobian
        value: list[Any] = []
        found["autograd"] = seconds(lambda: value.append(take(program.write(anp))(*args)))
        np.testing.assert_allclose(value[0], expected, rtol=1e-6, atol=1e-9)
    except ImportError:
        pass
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        take = jax.grad if program.transform == "grad" else jax.jacobian
        value = []
        run = jax.jit(take(program.write(jax.numpy)))
        found["jax"] = seconds(lambda: value.append(jax.block_until_ready(run(*args))))
        np.testing.assert_allclose(value[0], expected, rtol=1e-5, atol=1e-8)
    except ImportError:
        pass
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all programs, and print a table for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes")
    parser.add_argument("--only", help="one program")
    parser.add_argument("--peers", action="store_true", help="JAX and autograd too")
    options = parser.parse_args(argv)
    print(describe(machine()))
    for program in PROGRAMS:
        if options.only not in (None, program.name):
            continue
        print(f"\n{program.name}, {program.transform}", flush=True)
        rows = []
        for n in program.sizes[:2] if options.quick else program.sizes:
            rows.append(measured(program, n, options.peers))
            print(written(rows[-1]), flush=True)
        if len(rows) > 1:
            sizes = [row.operations or row.size for row in rows]
            fits = [
                f"{name} n^{fitted_exponent(sizes, [getattr(row, name) for row in rows]):.2f}"
                for name in ("eager", "first", "call", "memory")
            ]
            print("  " + ", ".join(fits))
    return 0


def written(row: Row) -> str:
    """One line."""
    each = row.operations or 1
    beside = "".join(f", {name} {took:.2f} s" for name, took in row.peers.items())
    return (
        f"  {row.size:>5} ({row.operations} operations): eager {row.eager:6.2f} s "
        f"({1e3 * row.eager / each:.2f} ms "
        f"each), first {row.first:6.2f} s ({1e3 * row.first / each:.2f}), later {1e3 * row.call:7.2f} ms "
        f"({row.call / row.function:.1f} f), {row.memory / 2**20:.1f} MiB{beside}"
    )


if __name__ == "__main__":
    sys.exit(main())
