"""Passes over steps: each takes the steps of a program and returns others with the same results."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jacobians.execution.parallel import LARGE
from jacobians.execution.steps import (
    OUT,
    Kernel,
    Literal,
    Place,
    Program,
    Ref,
    Step,
    Ufunc,
    literal,
)

REUSE = 1 << 10
"""Entries from which writing into a dead array is quicker than a new one (``benchmarks.suite``)."""


def in_memory(program: Program) -> Program:
    """The program as NumPy runs it best: products go straight to their places, dead arrays are reused."""
    steps = stored_at_once(program.steps, program.returned)
    return program._replace(steps=tuple(threaded(reused(steps, program.returned))))


def alive(steps: Sequence[Step], returned: Iterable[str]) -> list[Step]:
    """The steps without those whose result nobody reads."""
    read = set(returned)
    found: list[Step] = []
    for step in reversed(steps):
        if step.target in read or (not step.target and step.writes in read):
            read.update(step.reads)
            found.append(step)
    return found[::-1]


def stored_at_once(steps: Sequence[Step], returned: Iterable[str]) -> list[Step]:
    """A ufunc whose result is only stored in a place, by the next step, is computed into that place."""
    uses: dict[str, int] = dict.fromkeys(returned, 1)
    for step in steps:
        for name in step.reads:
            uses[name] = uses.get(name, 0) + 1
    found: list[Step] = []
    for step in steps:
        new: list[Step] = []  # arrays that are made between the two, the place's among them
        while found and found[-1].kernel in (Kernel.EMPTY, Kernel.ZEROS):
            new.insert(0, found.pop())
        last = found[-1] if found else None
        if (
            last is not None
            and isinstance(last.kernel, Ufunc)
            and last.into is None
            and step.kernel is Kernel.STORE
            and step.operands == (Ref(last.target),)
            and uses[last.target] == 1
            and isinstance(step.into, Place)
            and not step.into.at
            and last.shape == step.into.written
            and last.dtype == step.dtype
        ):
            found[-1:] = [*new, written_into(last._replace(target=""), step.into)]
        else:
            found += [*new, step]
    return found


def into_out(steps: Sequence[Step]) -> list[Step]:
    """The last step writes into the caller's array for the result, if there is one."""
    return [*steps[:-1], written_into(steps[-1], Ref(OUT))]


def written_into(step: Step, place: Ref | Place) -> Step:
    """A step that writes into an array that need not be contiguous.

    ``numpy.negative`` writes wrong numbers there where it reads every 64th byte (NumPy 2.4, x86).
    """
    if step.kernel == Ufunc("negative"):
        operands = (*step.operands, literal(-1))
        step = step._replace(kernel=Ufunc("multiply"), operands=operands)
    return step._replace(into=place)


def filled_out(
    steps: Sequence[Step], name: str, shape: Sequence[int], dtype: np.dtype[Any]
) -> list[Step]:
    """An array that the last step fills is the caller's for the result, if there is one."""

    def fits(step: Step) -> bool:
        own = (step.target, step.kernel, step.shape, step.dtype)
        return own == (name, Kernel.EMPTY, tuple(shape), dtype)

    return [step._replace(given=True) if fits(step) else step for step in steps]


def threaded(steps: Sequence[Step]) -> list[Step]:
    """Large elementwise work is shared among threads."""

    def is_large(step: Step) -> bool:
        plain = isinstance(step.into, Place) and not step.into.at
        elementwise = isinstance(step.kernel, Ufunc) or (step.kernel is Kernel.STORE and plain)
        return elementwise and step.size >= LARGE

    return [step._replace(shared=True) if is_large(step) else step for step in steps]


def reused(steps: Sequence[Step], returned: Iterable[str]) -> list[Step]:
    """Large ufunc results go into operands that nobody reads any more."""
    last = last_reads(steps, returned)
    made = {s.target: s for s in steps if s.target and not s.shares and s.writes != OUT}
    owner: dict[str, str] = {}  # which variable's memory a reused one has
    found: list[Step] = []
    for number, step in enumerate(steps):
        if isinstance(step.kernel, Ufunc) and step.into is None and step.size >= REUSE:
            for operand in step.operands:
                if isinstance(operand, Literal) or operand.views:
                    continue
                source = made.get(operand.root)
                fits = source is not None and (source.shape, source.dtype) == (
                    step.shape,
                    step.dtype,
                )
                if fits and last[operand.root] == number:
                    own = owner.get(operand.root, operand.root)
                    owner[step.target] = own
                    step = step._replace(into=Ref(own))
                    break
        found.append(step)
    return found


def last_reads(steps: Sequence[Step], returned: Iterable[str]) -> dict[str, int]:
    """For each variable the number of the last step that reads its memory, under any name."""
    sources: dict[str, frozenset[str]] = {}  # a variable, and those whose memory it may share
    last: dict[str, int] = {}

    def touched(name: str) -> frozenset[str]:
        return sources.get(name, frozenset({name}))

    for number, step in enumerate(steps):
        if step.target:
            shared = [touched(name) for name in step.reads] if step.shares else []
            sources[step.target] = frozenset({step.target}).union(*shared)
        for name in (*step.reads, step.writes):
            for source in touched(name):
                last[source] = number
    for name in returned:
        for source in touched(name):
            last[source] = len(steps)
    return last
