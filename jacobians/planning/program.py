"""Programs: straight-line NumPy source for nodes and sums of terms, compiled once."""

import linecache
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.arrays.plan import Cost
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Sum
from jacobians.operations.linalg import inv
from jacobians.operations.products import contraction
from jacobians.optimising.gram import halved
from jacobians.optimising.inlining import inliner
from jacobians.optimising.rewriting import Change, all_terms, changed, renewed, uses_of
from jacobians.optimising.solving import solver
from jacobians.planning.lowering import Lowering
from jacobians.planning.steps import Step, alive, lines_of

Array = NDArray[Any]
_numbers = count()
# Ufuncs that warn about values (log 0, 1 / 0) which a mask may rule out later.
_WARN = {"divide", "log", "log2", "log10", "log1p", "sqrt", "power", "reciprocal", "arctanh", "exp"}


class Program:
    """A function of arrays that is one straight line of NumPy calls.

    Attributes
    ----------
    source : str
        The text that runs: a function ``derivative`` of the inputs, and of the constants by name.
    constants : dict of str to numpy.ndarray
        The arrays that are the same in every call.
    steps : list of Step
        The lines, with shapes and operations.
    warns : bool
        Whether a step may warn about a value that NumPy calls invalid.
    """

    def __init__(
        self, inputs: Mapping[Node, str], result: Sum | Sequence[Node], dtype: Any
    ) -> None:
        lowering = Lowering(inputs)
        self.dense = isinstance(result, Sum)
        result = _rewritten(result)
        lowering.share(_nodes_of(result))
        if isinstance(result, Sum):
            self.shape = result.shape
            self._itemsize = np.dtype(dtype).itemsize
            returned = self._lower_tensor(lowering, result, np.dtype(dtype))
        else:
            lowering.need(result)
            returned = [lowering.names[node] for node in result]
        self.inputs = tuple(inputs.values())
        self.steps = alive(lowering.steps, returned)
        read = {word for step in self.steps for word in re.findall(r"\w+", step.code)}
        read.update(returned)
        self.constants = {n: array for n, array in lowering.constants.items() if n in read}
        self._functions = lowering.functions
        self.source = self._text(returned)
        self.run: Callable[..., Any] = self._compiled()
        self.warns = self._may_warn()

    def _lower_tensor(self, lowering: Lowering, tensor: Sum, dtype: np.dtype[Any]) -> list[str]:
        """Steps for a dense result, into ``out`` if it is given."""
        lowering.need(tensor.operands)
        operands = {node: (lowering.names[node], node) for node in tensor.operands}
        name = lowering.tensor(tensor, operands, dtype, reused=True)
        if name in (lowering.zeroed, lowering.unset):
            self._into(lowering, name)  # the caller's array may stand in for the new one
            return [name]
        last = lowering.steps[-1] if lowering.steps else None
        # NumPy gives scalars for results without axes.
        new = last is not None and last.target == name and not last.view and tensor.shape != ()
        if last is None or not new or (last.dtype, last.shape) != (dtype, tensor.shape):
            name = lowering.step(f"np.array({name}, np.{dtype.name})", (name,), tensor.shape, dtype)
            self._copy_out = name
        elif last.ufunc or last.into:
            self._written_out = name
        else:
            self._copy_out = name
        return [name]

    _copy_out = ""
    _written_out = ""
    _begun = ""

    def _into(self, lowering: Lowering, name: str) -> None:
        """Begin with ``out``, if it is given: cleared where zeros are needed and it is not clean."""
        self._begun = name
        clear = f"\n        if not clean:\n            {name}.fill(0)"
        lowering.steps = [
            step._replace(
                target="",
                code=f"if out is None:\n        {name} = {step.code}\n"
                f"    else:\n        {name} = out{clear if name == lowering.zeroed else ''}",
            )
            if step.target == name
            else step
            for step in lowering.steps
        ]

    def _text(self, returned: Sequence[str]) -> str:
        names = [*self.inputs]
        head = ", ".join([*names, *self.constants])
        extra = ", out=None, clean=False" if self.dense else ""
        lines = ["import numpy as np"]
        functions = sorted(self._functions)
        if functions:
            lines.append(f"from jacobians.planning.functions import {', '.join(functions)}")
        lines += ["", "", f"def derivative({head}{extra}):".replace("(, ", "(")]
        body = lines_of(self.steps, returned, self._written_out)
        if self.dense and self._copy_out:
            body.append(
                f"if out is not None:\n        out[...] = {self._copy_out}\n        return out"
            )
        together = f"({''.join(f'{name}, ' for name in returned).strip()})"
        body.append(f"return {returned[0] if self.dense else together}")
        return "\n".join([*lines, *(f"    {line}" for line in body)]) + "\n"

    def _compiled(self) -> Callable[..., Any]:
        name = f"<jacobians plan {next(_numbers)}>"
        # The functions are handed in, so that operations of the user's own work too.
        text = "\n".join(
            line for line in self.source.splitlines() if not line.startswith("from jacobians")
        )
        space: dict[str, Any] = {"np": np, **self._functions}
        bound = ", ".join(self.constants)
        if bound:
            # Constants become variables of an outer function: quicker than globals.
            inner = text[text.index("def derivative") :].replace(
                ", ".join([*self.inputs, *self.constants]), ", ".join(self.inputs), 1
            )
            inner = "\n".join("    " + line for line in inner.splitlines())
            text = f"def bind({bound}):\n{inner}\n    return derivative\n"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), space)
        made = space["bind"](**self.constants) if bound else space["derivative"]
        function: Callable[..., Any] = made
        return function

    def _may_warn(self) -> bool:
        return bool(self._functions.keys() - {"view"}) or any(
            step.ufunc in _WARN or any(f"np.{name}(" in step.code for name in _WARN)
            for step in self.steps
        )

    def cost(self) -> Cost:
        """Predicted operations, and bytes of the arrays that are made."""
        made = sum(
            step.size * step.dtype.itemsize for step in self.steps if step.target and not step.view
        )
        if self._begun:
            made += prod(self.shape) * self._itemsize
        return Cost(sum(step.flops for step in self.steps), made)

    def __str__(self) -> str:
        return self.source


def _nodes_of(result: Sum | Sequence[Node]) -> list[Node]:
    return ordered(result.operands if isinstance(result, Sum) else result)


def _rewritten(result: Sum | Sequence[Node]) -> Sum | Sequence[Node]:
    """The same values by terms that are cheaper to compute; passes that can do nothing are left out."""
    nodes = _nodes_of(result)
    if any(node.operation is contraction for node in nodes):
        result = _pass(result, inliner(uses_of(nodes, *_read(result))))
        nodes = _nodes_of(result)
    tensor, kept = _read(result)
    terms = all_terms(nodes, tensor)
    if any(len(term.factors) > 2 for term in terms):
        result = _pass(result, halved)
    if any(node.operation is inv for node in nodes):
        result = _pass(result, solver(terms, uses_of(nodes, tensor, kept)))
    return result


def _read(result: Sum | Sequence[Node]) -> tuple[Sum | None, Sequence[Node]]:
    return (result, ()) if isinstance(result, Sum) else (None, result)


def _pass(result: Sum | Sequence[Node], change: Change) -> Sum | Sequence[Node]:
    if isinstance(result, Sum):
        return changed(result, change)
    new = renewed(_nodes_of(result), change)
    return [new[node] for node in result]


def wrapped(line: str, width: int) -> list[str]:
    """A line of source in lines of at most this width, where it has spaces; the others indented."""
    indent = line[: len(line) - len(line.lstrip())] + "    "
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def described(steps: Sequence[Step]) -> str:
    """The steps with their shapes, in 80 columns."""
    lines: list[str] = []
    for step in steps:
        for line in f"    {step.line()}".splitlines():
            lines += wrapped(line[4:], 60)  # what follows a first line is indented as in the source
        if step.target:
            lines[-1] = f"{lines[-1]:<60} {step.shape}"
    return "\n".join(lines)
