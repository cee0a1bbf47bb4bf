"""One derivation: what a transform derives from a trace, whoever asks for it.

A *row* is a result of the function (for a Hessian: the gradient of a result by an argument); a *column*
is an argument. Each has a :class:`Block` of terms. The eager transforms evaluate the blocks, ``compile``
lowers them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jacobians.derivation.chain_rule import Strategy, as_single_node, jacobians, reverse
from jacobians.derivation.history import Record
from jacobians.display.expressions import title, with_output
from jacobians.errors import ShapeError
from jacobians.graph.node import Node
from jacobians.ground.trees import LEAF
from jacobians.notation.explicit import axis_names
from jacobians.notation.terms import Sum, added, contracted, relabelled
from jacobians.tensor.batching import per_sample
from jacobians.tracing.running import Run, Wanted, name_of, output_node

Title = tuple[str, str]


class Block(NamedTuple):
    """The derivative of one result by one argument.

    Attributes
    ----------
    terms : Sum
        Over nodes of the trace.
    output, start : Node
        The result and the argument.
    named : Sum
        The terms with the function's own result under its name.
    names : (str, str)
        What result and argument are called.
    dtype : numpy.dtype
        Of the dense derivative.
    """

    terms: Sum
    output: Node
    start: Node
    named: Sum
    names: Title
    dtype: np.dtype[Any]

    @property
    def out_ndim(self) -> int:
        """How many axes are the output's."""
        return len(self.terms.shape) - self.start.ndim

    @property
    def axes(self) -> str:
        """The names of the axes."""
        return axis_names(self.out_ndim, self.start.ndim)

    @property
    def title(self) -> str:
        """``∂A_ij/∂B_kl``."""
        return title(self.names, self.axes, self.out_ndim)

    @property
    def out_axes(self) -> range:
        """The output's axes."""
        return range(self.out_ndim)

    @property
    def in_axes(self) -> range:
        """The input's axes."""
        return range(self.out_ndim, len(self.terms.shape))

    @property
    def values(self) -> dict[Node, Node]:
        """For each operand of the named terms the node that gives its value."""
        named = (f.operand for term in self.named.terms for f in term.factors)
        plain = (f.operand for term in self.terms.terms for f in term.factors)
        return dict(zip(named, plain, strict=True))


class Accumulation(NamedTuple):
    """How to derive: by which nodes (with their names), what of, in which order; and where steps go.

    Attributes
    ----------
    starts : mapping of Node to str
        The arguments, with their names.
    title : str
        What the function is called.
    strategy : {"auto", "forward", "reverse"}
        The order of accumulation.
    record : list, optional
        Steps are appended to it (see ``derivation.history``).
    """

    starts: Mapping[Node, str]
    title: str
    strategy: Strategy
    record: Record | None

    def jacobians(self, output: Node) -> list[Sum]:
        """The Jacobian of a node by each of the arguments."""
        return jacobians(output, list(self.starts), self.strategy, self.record)

    def row(self, found: Sequence[Sum], result: Node, what: str) -> list[Block]:
        """The blocks of one row, whose terms were found; ``what`` is differentiated."""
        dtype = result.dtype if result.dtype.kind == "f" else np.dtype(np.float64)
        return [
            Block(terms, result, start, with_output(terms, result, self.title), (what, name), dtype)
            for terms, (start, name) in zip(found, self.starts.items(), strict=True)
        ]


Rows = list[list[Block]]


def _jacobian_rows(results: Sequence[Node], order: Accumulation) -> Rows:
    return [order.row(order.jacobians(node), node, order.title) for node in results]


def _hessian_rows(results: Sequence[Node], order: Accumulation) -> Rows:
    rows = []
    for node in results:
        for first, name in zip(order.jacobians(node), order.starts.values(), strict=True):
            second = order.jacobians(as_single_node(first))
            rows.append(order.row(second, node, f"(∂{order.title}/∂{name})"))
    return rows


def _gradient_rows(results: Sequence[Node], order: Accumulation) -> Rows:
    (node,) = results
    found = reverse(node, list(order.starts), record=order.record)
    return [[b._replace(dtype=b.start.dtype) for b in order.row(found, node, "L")]]


class Kind(NamedTuple):
    """What a transform derives.

    Attributes
    ----------
    name : str
        The transform's.
    rows : callable
        The function's results and an order, to the rows of blocks.
    gradient : bool
        Whether the function returns one number, and the results are arrays of its arguments' shapes.
    valued : bool
        Whether the value is handed out too.
    nested : bool
        Whether there are as many rows for a result as arguments.
    """

    name: str
    rows: Callable[[Sequence[Node], Accumulation], Rows]
    gradient: bool = False
    valued: bool = False
    nested: bool = False


JACOBIAN = Kind("jacobian", _jacobian_rows)
HESSIAN = Kind("hessian", _hessian_rows, nested=True)
GRAD = Kind("grad", _gradient_rows, gradient=True)
VALUE_AND_GRAD = Kind("value_and_grad", _gradient_rows, gradient=True, valued=True)


class Contracted(NamedTuple):
    """All blocks contracted with upstream gradients, or with directions, and added up.

    Attributes
    ----------
    seeds : tuple of Node
        What is given: an upstream gradient for each row, or a direction for each column.
    nodes : tuple of Node
        What comes out: for each column, or for each row.
    dtypes : tuple of numpy.dtype
        Of what comes out.
    structured : callable
        What comes out in the structure that the caller expects.
    leaves_of : callable
        What is given, named in errors as told, one for each seed.
    letter, what, side : str
        How seeds are called: in a program, in errors, and which side of the derivative they are on.
    """

    seeds: tuple[Node, ...]
    nodes: tuple[Node, ...]
    dtypes: tuple[np.dtype[Any], ...]
    structured: Callable[[Sequence[Any]], Any]
    leaves_of: Callable[[Any, str], list[Any]]
    letter: str
    what: str
    side: str


class Derived:
    """The blocks of a transform of a function that was traced, and the structure of its results."""

    def __init__(
        self, f: Callable[..., Any], kind: Kind, run: Run, starts: Mapping[Node, str],
        strategy: Strategy = "auto", record: Record | None = None, wanted: Wanted | None = None,
    ) -> None:  # fmt: skip
        self.name, self.kind = name_of(f), kind
        self.wanted = run.wanted if wanted is None else wanted
        self._treedef = run.treedef
        self.outputs = [output_node(output) for output in run.outputs]
        if kind.gradient:
            only_number(self.name, self.outputs)
        self.rows = kind.rows(self.outputs, Accumulation(starts, run.title, strategy, record))
        self._columns = len(starts)

    @property
    def blocks(self) -> list[Block]:
        """All of them, row by row."""
        return [block for row in self.rows for block in row]

    @property
    def single(self) -> bool:
        """Whether there is one result, by one argument, with no structure around it."""
        return self.wanted.single and len(self.rows) == 1 and self._treedef == LEAF

    def by_argument(self, found: Sequence[Any]) -> Any:
        """Values for the columns in the structure of the arguments that ``wrt`` names."""
        return self.wanted.restore(found)

    def by_result(self, found: Sequence[Any]) -> Any:
        """Values for the rows in the structure of the function's result."""
        if self.kind.gradient:
            return found[0]
        if self.kind.nested:
            found = [
                self.by_argument(found[n : n + self._columns])
                for n in range(0, len(found), self._columns)
            ]
        return self._treedef.restore(found)

    def result_leaves(self, given: Any, what: str) -> list[Any]:
        """One value for each row, of values in the structure of the function's result."""
        if self.kind.gradient:
            return [given]
        leaves = self._treedef.leaves_of(given, what, "the result")
        if not self.kind.nested:
            return leaves
        return [leaf for one in leaves for leaf in self.wanted.leaves_of(one, what)]

    def leaves_of(self, given: Any, what: str) -> list[Any]:
        """One value for each block, of values in the structure of the transform's result."""
        rows = [given] if self.kind.gradient else self._treedef.leaves_of(given, what, "the result")
        if self.kind.nested:
            rows = [leaf for one in rows for leaf in self.wanted.leaves_of(one, what)]
        return [leaf for row in rows for leaf in self.wanted.leaves_of(row, what)]

    def structured(self, found: Sequence[Any]) -> Any:
        """Values for the blocks in the structure of the transform's result."""
        size = self._columns
        rows = [self.by_argument(found[n : n + size]) for n in range(0, len(found), size)]
        return self.by_result(rows)

    def vjp(self) -> Contracted:
        """The blocks contracted with an upstream gradient for each row."""
        seeds = [_seed("G", row[0], row[0].out_axes) for row in self.rows]
        columns = [
            added(
                [
                    contracted(row[n].terms, seed, row[n].out_axes)
                    for row, seed in zip(self.rows, seeds, strict=True)
                ]
            )
            for n in range(self._columns)
        ]
        return Contracted(
            tuple(seeds), tuple(map(as_single_node, columns)),
            tuple(block.start.dtype for block in self.rows[0]), self.by_argument, self.result_leaves,
            "G", "the upstream gradient G", "the output",
        )  # fmt: skip

    def jvp(self) -> Contracted:
        """The blocks contracted with a direction for each column."""
        seeds = [_seed("d", block, block.in_axes) for block in self.rows[0]]
        rows = [
            added(
                [
                    contracted(block.terms, seed, block.in_axes)
                    for block, seed in zip(row, seeds, strict=True)
                ]
            )
            for row in self.rows
        ]
        return Contracted(
            tuple(seeds), tuple(map(as_single_node, rows)),
            tuple(row[0].dtype for row in self.rows), self.by_result, self.wanted.leaves_of,
            "d", "the direction", "the input",
        )  # fmt: skip


def _seed(name: str, block: Block, axes: range) -> Node:
    shape = tuple(block.terms.shape[a] for a in axes)
    return Node(None, (), (), shape, block.dtype, name=name)


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


class _Titled(NamedTuple):
    """A block as errors show a tensor: its named terms, whose arrays have no values yet."""

    terms: Sum
    operands: Mapping[Node, Any]
    out_ndim: int
    axes: str
    title: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.terms.shape

    @property
    def ndim(self) -> int:
        return len(self.terms.shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        return self.terms.shape[: self.out_ndim]

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.terms.shape[self.out_ndim :]


def samples(block: Block, batch_axis: Any) -> Sum:
    """The Jacobian of each sample as terms; see ``tensor.batching.per_sample``."""
    operands = dict.fromkeys(block.named.operands)
    shown: Any = _Titled(block.named, operands, block.out_ndim, block.axes, block.title)
    return relabelled(per_sample(shown, batch_axis), block.values.__getitem__)
