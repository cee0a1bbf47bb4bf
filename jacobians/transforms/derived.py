"""What a transform computes: a block for each result of the function and each argument."""

from collections.abc import Callable, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from jacobians.derivation.chain_rule import Strategy, as_single_node, jacobians, reverse
from jacobians.errors import ShapeError
from jacobians.graph.node import Node
from jacobians.notation.terms import Sum, added, contracted
from jacobians.planning.lowering import RESERVED
from jacobians.tracing.running import Run, Wrt, name_of, output_node


class Block(NamedTuple):
    """The derivative of one result by one argument."""

    terms: Sum
    output: Node
    start: Node
    names: tuple[str, str]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the dense derivative."""
        return self.output.dtype

    def axes(self, way: str) -> range:
        """The axes that are summed over: the output's for vjp, the input's for jvp."""
        cut = len(self.terms.shape) - self.start.ndim
        return range(cut) if way == "vjp" else range(cut, len(self.terms.shape))


class Derived:
    """What a compiled transform computes: a block for each result and each argument, row by row.

    A row is a result of the function (for a Hessian: a gradient of a result); a column an argument.
    """

    def __init__(
        self, f: Callable[..., Any], kind: str, wrt: Wrt, run: Run, starts: Sequence[Node],
        strategy: Strategy,
    ) -> None:  # fmt: skip
        self.name, self.kind = name_of(f), kind
        self._wrt, self._rebuild, self._columns = wrt, run.rebuild, len(starts)
        taken = set(RESERVED)
        self.inputs = {n: free_name(_variable(n, k), taken) for k, n in enumerate(run.inputs)}
        outputs = [output_node(output) for output in run.outputs]
        self.value = outputs[0]
        self._rows = len(outputs)
        gradients = kind in ("grad", "value_and_grad")
        if gradients:
            only_number(self.name, outputs)
        self.blocks: list[Block] = []
        for node in outputs:
            title = "L" if gradients else run.title
            if gradients:
                self._row(node, starts, title, reverse(node, starts))
                continue
            first = jacobians(node, starts, strategy)
            if kind == "jacobian":
                self._row(node, starts, title, first)
                continue
            for start, tensor in zip(starts, first, strict=True):
                gradient = as_single_node(tensor)
                inner = f"(∂{title}/∂{start.name})"
                self._row(gradient, starts, inner, jacobians(gradient, starts, strategy))

    def _row(self, node: Node, starts: Sequence[Node], title: str, found: Sequence[Sum]) -> None:
        for start, tensor in zip(starts, found, strict=True):
            output = node
            if self.kind in ("grad", "value_and_grad"):
                output = Node(None, (), (), (), start.dtype)  # gradients have the input's dtype
            self.blocks.append(Block(tensor, output, start, (title, start.name)))

    @property
    def single(self) -> bool:
        """Whether there is one result, by one argument, with no structure around it."""
        alone = isinstance(self._wrt, Integral | str) and self._rows == 1
        return alone and self._rebuild([self]) is self

    @property
    def operands(self) -> list[Node]:
        """Those of all blocks, each once."""
        return list(dict.fromkeys(n for block in self.blocks for n in block.terms.operands))

    def by_argument(self, found: Sequence[Any]) -> Any:
        """One value, or a tuple with one for each argument, as ``wrt`` says."""
        return found[0] if isinstance(self._wrt, Integral | str) else tuple(found)

    def by_result(self, found: Sequence[Any]) -> Any:
        """Values for the rows in the structure of the function's result."""
        if self.kind in ("grad", "value_and_grad"):
            return found[0]
        if self.kind == "hessian":
            found = [self.by_argument(part) for part in _parts(found, self._columns)]
        return self._rebuild(list(found))

    def structured(self, found: Sequence[Any]) -> Any:
        """Values for the blocks in the structure of the transform's result."""
        return self.by_result([self.by_argument(row) for row in _parts(found, self._columns)])

    def seeds(self, way: str) -> list[Node]:
        """Inputs for upstream gradients, one for each row, or for directions, one for each column."""
        return self._seeds[way]

    @cached_property
    def _seeds(self) -> dict[str, list[Node]]:
        def made(blocks: Sequence[Block], way: str) -> list[Node]:
            shapes = [tuple(b.terms.shape[a] for a in b.axes(way)) for b in blocks]
            return [
                Node(None, (), (), shape, b.dtype, name="G")
                for b, shape in zip(blocks, shapes, strict=True)
            ]

        return {
            "vjp": made(self.blocks[:: self._columns], "vjp"),
            "jvp": made(self.blocks[: self._columns], "jvp"),
        }

    @cached_property
    def dtypes(self) -> dict[str, list[np.dtype[Any]]]:
        """Of the results: the blocks', or for vjp the arguments' and for jvp the rows'."""
        return {
            "dense": [block.dtype for block in self.blocks],
            "vjp": [block.start.dtype for block in self.blocks[: self._columns]],
            "jvp": [block.dtype for block in self.blocks[:: self._columns]],
        }

    def contractions(self, way: str) -> list[Sum]:
        """The blocks contracted with the seeds and added up: for each column, or for each row."""
        rows = _parts(self.blocks, self._columns)
        lines = [*map(list, zip(*rows, strict=True))] if way == "vjp" else rows
        return [
            added(
                [
                    contracted(block.terms, seed, block.axes(way))
                    for block, seed in zip(line, self.seeds(way), strict=True)
                ]
            )
            for line in lines
        ]


def _parts(found: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [found[n : n + size] for n in range(0, len(found), size)]


def only_number(name: str, outputs: Sequence[Node]) -> Node:
    """The only result of a function, a number; raises ShapeError where there is no such."""
    if len(outputs) != 1:
        raise ShapeError(
            f"the gradient of {name}: it returns {len(outputs)} arrays; a gradient needs one number, "
            "use jb.jacobian for several outputs"
        )
    if outputs[0].shape != ():
        raise ShapeError(
            f"the gradient of {name}: its result has shape {outputs[0].shape}, a gradient needs a single "
            "number; sum it up, or use jb.jacobian"
        )
    return outputs[0]


def free_name(name: str, taken: set[str]) -> str:
    """A name that is not taken yet; it is then."""
    number = 0
    found = name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    taken.add(found)
    return found


def _variable(node: Node, number: int) -> str:
    return node.name if node.name.isidentifier() else f"x{number}"
