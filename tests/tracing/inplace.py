"""Random programs in in-place idioms, as source text that runs on plain and on traced arrays alike.

A program has arrays by names; each statement makes one, or changes some in place. A statement that
NumPy refuses is skipped, and must be refused on traced arrays too. What is returned depends on every
entry of every array at the end.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import jacobians as jb
from jacobians.tracing.traced import Traced

MAKE = """
{v} * 1.5
np.sin({v})
{v} + {w}
{v} * {w}
{v} - np.mean({w})
-{v}
+{v}
{v}.T
{v}.copy()
{v}.ravel()
{v}.flatten()
{v}.reshape(-1)
{v}.reshape({v}.shape)
np.reshape({v}, -1, copy=True)
{v}[...]
{v}[None]
{v}[0]
{v}[-1]
{v}[1:]
{v}[::-1]
{v}[::2]
{v}[..., 0]
{v}[..., 1:]
{v}[[0, -1]]
{v}[{v} > 0.2]
{v}[()]
np.sum({v})
np.sum({v}, axis=0)
np.sum({v}, axis=())
np.sum({v}, axis=-1, keepdims=1)
np.max({v})
{v}.mean(axis=0)
np.dot({v}, {w})
{v} @ {w}
np.linalg.norm({v})
np.cumsum({v}, axis=0)
np.cumsum({v})
np.roll({v}, {k})
np.roll({v}, 0)
np.concatenate([{v}])
np.concatenate([{v}, {v}])
np.concatenate([np.ravel({v}), np.ravel({w})])
np.stack([{v}, {v}])
np.vstack([{v}])
np.atleast_1d({v})
np.atleast_2d({v})
np.squeeze({v})
np.expand_dims({v}, 0)
np.swapaxes({v}, 0, -1)
np.diagonal({v})
np.diag({v})
np.real({v})
{v}.real
{v}.conj()
{v}.view()
{v}.astype(float)
{v}.astype(float, copy=False)
np.nan_to_num({v}, copy=False)
np.broadcast_to({v}, (2, *np.shape({v})))
np.meshgrid({v})[0]
np.meshgrid({v}, copy=False)[0]
np.split({v}, 1)[0]
np.array_split({v}, 2)[-1]
np.delete({v}, [])
np.repeat({v}, 1, axis=0)
np.tile({v}, 1)
np.flip({v})
np.rot90({v}, {k})
np.where({v} > 0.3, {v}, {w})
np.where({v} > 0.3, {v}, 0.0)
np.sort({v}, axis=0)
np.outer({v}, {w})
np.zeros_like({v})
np.ones_like({v})
np.full_like({v}, 0.5)
np.empty_like({v})
jb.zeros(np.shape({v}))
jb.zeros((3, 4))
jb.full(3, np.sum({v}))
jb.array([{v}, {v}])
jb.array({v})
np.einsum("ij->ji", {v})
np.einsum("ii->i", {v})
np.abs({v})
np.clip({v}, -0.6, 0.7)
np.tanh({v})
sum({v})
sum(row * 2 for row in {v})
{v}.flat[{k}]
{v}.take([0, 1])
{v}.squeeze()
"""
CHANGE = """
{v} += 1
{v} += {w}
{v} -= 0.5 * {w}
{v} *= 0.7
{v} *= {w}
{v} /= 2 + np.abs({w})
{v} **= 2
{v} -= np.mean({v})
{v} @= {w}
{v}[0] = {w}
{v}[0] = 0.25
{v}[0] += 1
{v}[-1] *= {w}
{v}[1:] += {v}[:-1]
{v}[1:] = {v}[:-1]
{v}[:-1] -= {v}[1:]
{v}[::-1] += {v}
{v}[:] = {w}
{v}[...] = 0.5
{v}[...] *= 2
{v}[()] = {w}
{v}[{v} > 0.2] = 0.1
{v}[{v} > 0.2] *= 0.5
{v}[{v} < 0] = {v}[0]
{v}[{v} > 0.4] -= 0.4
{v}[[0, -1]] = {w}
{v}[[0, 0]] += 1
{v}[..., 0] = {w}
{v}[..., 1:] *= 0.3
{v}[:, 0] = {v}[:, 1]
{v}[0, 1] = {v}[1, 0]
{v}[np.arange(2), [1, 0]] = {w}
{v}.fill(0.3)
{v}.fill({w})
{v}.sort()
{v}.sort(axis=0)
{v}.flat[{k}] = {w}
{v}.flat[::2] *= 2
{v}.flat = np.copy({w})
{v}.T[...] = {w}
{v}.T[0] += 1
np.fill_diagonal({v}, {w})
np.fill_diagonal({v}, 0.2)
if ok({v}): np.add.at({v}, [0, 1, 0], 0.5)
if ok({v}): np.add.at({v}, [0, 0, -1], np.copy({w}))
if ok({v}): np.subtract.at({v}, ([0, 1], [1, 1]), np.copy({w}))
if ok({v}): np.multiply.at({v}, [0, 0], np.copy({w}))
if ok({v}): np.copyto({v}, {w})
if ok({v}): np.copyto({v}, {w}, where={v} > 0.1)
np.multiply({v}, {w}, out={v})
np.add({v}, 1, out={v})
np.add({v}, {w}, {v})
np.sin({w}, out={v})
np.exp({v}, out={v}, where={v} < 0.5)
if np.ndim({w}) and np.shape({v}) == np.shape({w}): np.cumsum({w}, axis=0, out={v})
np.sum({w}, axis=0, out={v})
np.clip({v}, -0.5, 0.5, out={v})
if ok({v}): np.put({v}, [0, 1], {w})
if ok({v}): np.place({v}, {v} > 0.3, [0.1, 0.2])
if ok({v}): np.putmask({v}, {v} > 0.3, {w})
if ok({v}): np.put_along_axis({v}, np.zeros((1,) * np.ndim({v}), int), 0.2, 0)
np.nan_to_num({v}, copy=False)
for row in {v}: row *= 0.9
for row in {v}: row += 0.1
for i in range(1, len({v})): {v}[i] = {v}[i - 1] * 0.5 + {v}[i]
for i in range(len({v})): {v}[i] = np.sin({w}[i])
{v}[0], {v}[1] = {v}[1], {v}[0]
{v} = {w}
"""
STARTS: dict[str, Any] = {
    "a vector": lambda r: r.uniform(-1, 1, 4),
    "a matrix": lambda r: r.uniform(-1, 1, (3, 3)),
    "a wide matrix": lambda r: r.uniform(-1, 1, (2, 3)),
    "an array without axes": lambda r: np.array(r.uniform(0.2, 1)),
    "a number": lambda r: np.float64(r.uniform(0.2, 1)),
    "three axes": lambda r: r.uniform(-1, 1, (2, 3, 2)),
}


def program(seed: int, length: int = 12) -> list[str]:
    """The statements of a random program."""
    choose = random.Random(seed)
    make, change = MAKE.strip().splitlines(), CHANGE.strip().splitlines()
    names = ["x"]
    lines = []
    for number in range(length):
        v, w = (choose.choice(names[-4:] if choose.random() < 0.7 else names) for _ in "vw")
        how = {"v": v, "w": w, "k": choose.randrange(3)}
        if choose.random() < 0.5:
            names.append(f"y{number}")
            lines.append(f"{names[-1]} = " + choose.choice(make).format(**how))
        else:
            lines.append(choose.choice(change).format(**how))
    return lines


def ok(x: Any) -> bool:
    """Whether an array can be written: some functions of NumPy 2.4 write into read-only ones."""
    return bool(x.writeable and not x.number if isinstance(x, Traced) else x.flags.writeable)


def run(lines: list[str], x: Any, refused: list[int] | None = None) -> Any:
    """What a program returns; the numbers of statements that were refused are noted."""
    names = {"np": np, "jb": jb, "ok": ok, "x": x}
    for number, line in enumerate(lines):
        try:
            exec(line, names)
        except Exception as error:
            if refused is not None:
                refused.append(number)
            names.setdefault("errors", []).append((line, error))  # type: ignore[attr-defined]
    total = 0.0
    for name, value in names.items():
        if name not in ("np", "jb", "ok", "errors", "i", "row") and not name.startswith("__"):
            flat = np.ravel(value)
            total = total + np.sum(np.cos(1.0 + len(name) + 0.3 * np.arange(flat.size)) * flat)
    return total


def function(lines: list[str], refused: list[int] | None = None) -> Callable[[Any], Any]:
    """A program as a function of one argument, which it does not change outside."""

    def f(x: Any) -> Any:
        if refused is not None:
            refused.clear()
        return run(lines, np.copy(x) if isinstance(x, np.ndarray) else x, refused)

    return f
