"""Steps: one line of a program each, and the passes over a list of them."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.arrays.parallel import LARGE

REUSE = 1 << 10  # entries from which writing into a dead array is quicker than a new one


class Ref(NamedTuple):
    """A readable piece of source that stands for an array: a name, or a view of one.

    ``letters`` are the letters of its axes; ``root`` is the name of the variable that it reads.
    """

    text: str
    root: str
    letters: tuple[int, ...] = ()


class Step(NamedTuple):
    """``target = code``.

    Attributes
    ----------
    target : str
        The variable that is assigned; empty for a line that writes into an array.
    code : str
        The right side; for a ufunc its arguments, separated by commas.
    reads : tuple of str
        The variables that it reads.
    shape, dtype
        Of the result.
    ufunc : str
        The name of an elementwise ufunc, whose result may be written into a dead operand.
    into : bool
        Whether the code is a call that takes ``out=`` as its last argument; so does every ufunc.
    view : bool
        Whether the result may share memory with what it reads.
    flops : int
        Operations; a multiply-add counts as 2.
    """

    target: str
    code: str
    reads: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ufunc: str = ""
    view: bool = False
    flops: int = 0
    into: bool = False

    @property
    def size(self) -> int:
        """Entries of the result."""
        return prod(self.shape)

    def line(self, out: str = "") -> str:
        """The line of source, written into an existing array if ``out`` names one."""
        code = self.code
        into = f", out={out}" if out else ""
        if self.ufunc:
            code = f"{called(self.ufunc, self.size)}{self.code}{into})"
        elif self.into:
            code = f"{code[:-1]}{into})"
        return f"{self.target} = {code}" if self.target else code


def called(ufunc: str, size: int) -> str:
    """The beginning of the call of a ufunc whose result has so many entries."""
    return f"parallel(np.{ufunc}, " if size >= LARGE else f"np.{ufunc}("


def alive(steps: Sequence[Step], kept: Sequence[str]) -> list[Step]:
    """The steps without those whose result nobody reads."""
    read = set(kept)
    found: list[Step] = []
    for step in reversed(steps):
        if not step.target or step.target in read:
            read.update(step.reads)
            found.append(step)
    return found[::-1]


def lines_of(steps: Sequence[Step], kept: Sequence[str], result: str = "") -> list[str]:
    """The source lines; large ufunc results go into operands that nobody reads any more.

    ``kept`` are variables that must survive to the end; ``result`` is one that goes into ``out``.
    """
    roots: dict[str, frozenset[str]] = {}  # a variable, and those whose memory it may share
    last: dict[str, int] = {}
    for number, step in enumerate(steps):
        shared = frozenset().union(*(roots.get(n, frozenset({n})) for n in step.reads))
        roots[step.target] = shared | {step.target} if step.view else frozenset({step.target})
        for name in step.reads:
            for root in roots.get(name, frozenset({name})):
                last[root] = number
    for name in kept:
        for root in roots.get(name, frozenset({name})):
            last[root] = len(steps)
    made: Mapping[str, Step] = {
        step.target: step for step in steps if step.target and not step.view
    }
    owner: dict[str, str] = {}  # which variable's memory a reused one has
    lines = []
    for number, step in enumerate(steps):
        out = "out" if result and step.target == result else ""
        if not out and step.ufunc and step.size >= REUSE:
            for name in step.reads:
                source = made.get(name)
                fits = source is not None and (source.shape, source.dtype) == (
                    step.shape,
                    step.dtype,
                )
                plain = name in step.code.replace("(", " ").replace(")", " ").split(", ")
                if fits and plain and last.get(name) == number:
                    out = owner.get(name, name)
                    owner[step.target] = out
                    break
        lines.append(step.line(out))
    return lines
