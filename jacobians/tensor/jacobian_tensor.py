"""``JacobianTensor``: the derivative ``J_ijkl = ∂A_ij/∂B_kl`` kept as a sum of terms."""

import textwrap
from collections.abc import Mapping, Sequence
from math import prod
from numbers import Real
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.derivation.chain_rule import combine
from jacobians.display import plots
from jacobians.display.explaining import explained
from jacobians.display.explanation import Explanation
from jacobians.display.expressions import title
from jacobians.display.formulas import MORE, Formula, where_lines
from jacobians.display.naming import distinct_names
from jacobians.display.page import tensor_fragment, write_page
from jacobians.display.shown import formula_shown
from jacobians.display.stored import StoredNode, restored, stored
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.execution.interpret import Bound, contract, program_for
from jacobians.graph.node import Node, evaluate
from jacobians.ground.arguments import shaped_array
from jacobians.ground.memory import check_bytes, check_size
from jacobians.notation import explicit, rewrite, structure
from jacobians.notation.explicit import axis_names
from jacobians.notation.join import composed
from jacobians.notation.slicing import sliced
from jacobians.notation.terms import (
    Sum,
    added,
    contracted,
    numbered,
    relabelled,
    scaled,
    transposed,
)
from jacobians.tensor import export
from jacobians.tensor.batching import on_diagonal, per_sample
from jacobians.tensor.costs import TensorCost, explicit_cost, predicted

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Array = NDArray[Any]
_LONGEST = 240  # characters of a formula in a repr
_LONGEST_LATEX, _TERMS = 1200, 12  # and in a notebook
_PARTS = 12  # that are written for either: no more would be shown


class JacobianTensor:
    """The Jacobian of an array by an array: output axes first, then input axes.

    It is a value: nothing changes it, and it owns (copies of) the arrays that it needs. It is made
    by ``jb.ops.<name>.jacobian(...)`` and by ``jb.jacobian(f)(...)``.

    Attributes
    ----------
    shape, out_shape, in_shape : tuple of int
        ``shape == out_shape + in_shape``.
    dtype : numpy.dtype
        Of the dense tensor.
    in_dtype : numpy.dtype
        Of gradients: the input's.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> B, C = np.arange(6.0).reshape(2, 3), np.arange(15.0).reshape(3, 5)
    >>> J = jb.ops.matmul.jacobian(B, C, wrt="B")
    >>> J.shape, J.nnz, J.formula()
    ((2, 5, 2, 3), 30, 'δ_ik C_lj')
    >>> np.allclose(J.vjp(np.ones((2, 5))), np.ones((2, 5)) @ C.T)
    True
    """

    __slots__ = (
        "__weakref__",
        "_cache",
        "_values",
        "dtype",
        "in_dtype",
        "names",
        "out_ndim",
        "terms",
    )

    def __init__(
        self,
        terms: Sum,
        out_ndim: int,
        values: Mapping[Node, Any],
        *,
        dtype: DTypeLike,
        in_dtype: DTypeLike | None = None,
        names: tuple[str, str] = ("Y", "X"),
    ) -> None:
        self.terms = terms
        self.out_ndim = out_ndim
        self.dtype = np.dtype(dtype)
        self.in_dtype = np.dtype(in_dtype) if in_dtype is not None else self.dtype
        self.names = names
        self._values = {node: np.asarray(values[node]) for node in terms.operands}
        self._cache: dict[Any, Any] = {}

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Output axes, then input axes."""
        return self.terms.shape

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the output."""
        return self.terms.shape[: self.out_ndim]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of the input."""
        return self.terms.shape[self.out_ndim :]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.terms.shape)

    @property
    def size(self) -> int:
        """How many entries the dense tensor has."""
        return prod(self.terms.shape)

    @property
    def nnz(self) -> int:
        """How many entries can be nonzero, counted from the structure without building anything."""
        return structure.nonzeros(self.terms)

    @property
    def axes(self) -> str:
        """The names of the axes: outputs i, j; inputs k, l."""
        return axis_names(self.out_ndim, len(self.in_shape))

    @property
    def title(self) -> str:
        """``∂A_ij/∂B_kl``."""
        return title(self.names, self.axes, self.out_ndim)

    @property
    def operands(self) -> Mapping[Node, Array]:
        """The arrays that the terms are made of, by their nodes; read only."""
        return MappingProxyType({node: _read_only(a) for node, a in self._values.items()})

    def formula(self) -> str:
        """The tensor in index notation; repeated letters that are no axis are summed.

        Different arrays of one name are told apart by primes; an array without a name is ``c``. What
        is too long for its place has a name that is defined behind it: ``δ_ik M_jl, where M_ij = …``.
        ``[k ≤ i]`` is 1 where that holds, else 0.
        """
        return str(formula_shown(self))

    def latex(self) -> str:
        """The formula in LaTeX."""
        return str(formula_shown(self, "latex"))

    def einsum(self) -> str:
        """The subscripts of ``explicit``: one einsum per term, joined by ' + '."""
        return explicit.subscripts(self.terms, self.axes, self._shapes)

    def __repr__(self) -> str:
        out, inner = (", ".join(map(str, s)) for s in (self.out_shape, self.in_shape))
        formula, count = formula_shown(self, "text", _PARTS), len(self.terms.terms)
        if len(formula.main) > _LONGEST:
            formula = Formula(f"{count} term{'s' * (count != 1)}")
        lines = [
            f"<JacobianTensor {self.title} = {formula.main}",
            *where_lines(formula, _LONGEST, _PARTS),
        ]
        wrapped = [
            line for text in lines for line in textwrap.wrap(text, 78, subsequent_indent="   ")
        ]
        facts = f"{self.dtype}, {self.nnz:,} of {self.size:,} can be nonzero"
        return "\n".join([*wrapped, f" shape ({out} | {inner}), {facts}>"])

    def _repr_latex_(self) -> str:
        """Title and formula for a notebook; the number of terms where the formula is very long."""
        count = len(self.terms.terms)
        formula = formula_shown(self, "latex", _PARTS) if count <= _TERMS else None
        if formula is None or len(formula.main) > _LONGEST_LATEX:
            formula = Formula(f"\\text{{{count} term{'s' * (count != 1)}}}")
        elif len(str(formula)) > _LONGEST_LATEX or len(formula.parts) == _PARTS:
            formula = Formula(f"{formula.main},\\quad\\text{{{MORE}}}")
        left = title(self.names, self.axes, self.out_ndim, "latex")
        return f"$\\displaystyle {left} = {formula}$"

    # The numbers

    def dense(self, max_bytes: float | None = None, out: Array | None = None) -> Array:
        """The full tensor.

        Parameters
        ----------
        max_bytes : float, optional
            The most bytes it may take; by default half of what is available, ``math.inf`` for no limit.
        out : numpy.ndarray, optional
            Written whole and returned; of this shape and dtype.

        Raises
        ------
        TensorTooLargeError
            Before anything is allocated.
        """
        if out is not None:
            if (
                not isinstance(out, np.ndarray)
                or out.shape != self.shape
                or out.dtype != self.dtype
            ):
                raise ShapeError(
                    f"{self.title}: out= must be an array of shape {self.shape} and dtype {self.dtype}, not "
                    f"{getattr(out, 'shape', type(out).__name__)} {getattr(out, 'dtype', '')}".rstrip()
                )
            if not out.flags.writeable or (0 in out.strides and out.size > 1):
                raise UnsupportedError(
                    f"{self.title}: out= is read-only or its entries share memory; pass a plain array"
                )
        else:
            check_size(self.title, self.shape, self.dtype.itemsize, max_bytes)
        return self._run(self.terms, out)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise UnsupportedError(
                f"{self.title}: a dense tensor is always a new array; use copy=None"
            )
        result = self.dense()
        return result if dtype is None else result.astype(dtype)

    def explicit(self, max_bytes: float | None = None) -> Array:
        """The full tensor by one einsum per term over identity tensors, ones and operands.

        The slow way that shows the formula; ``dense`` gives the same numbers, except that here an
        infinite operand times the 0 of an identity is nan.
        """
        cost = explicit_cost(self.terms, self.axes, self._shapes, self.dtype.itemsize)
        what = f"the explicit tensor of shape {self.shape}, with its identities,"
        advice = "use J.dense(), J.sparse(), a slice J[...], or contract: J.vjp(G), J.jvp(dX)"
        check_bytes(self.title, what, cost.bytes, max_bytes, advice)
        return explicit.explicit(self.terms, self.axes, self._values.__getitem__, self.dtype)

    def vjp(self, G: Any) -> Array:
        """``Σ_ij G_ij J_ijkl``: the gradient by the input, never building the tensor.

        Parameters
        ----------
        G : array_like
            The upstream gradient, of shape ``out_shape``.

        Returns
        -------
        numpy.ndarray
            A new array of shape ``in_shape`` and the input's dtype.
        """
        what = lambda: f"{self.title}: the upstream gradient G"  # noqa: E731
        G = shaped_array(G, self.out_shape, what, "the output")
        return self._contract("vjp", G, range(self.out_ndim), self.in_dtype)

    def jvp(self, dX: Any) -> Array:
        """``Σ_kl J_ijkl dX_kl``: the change of the output along a direction, never building the tensor.

        Parameters
        ----------
        dX : array_like
            The direction, of shape ``in_shape``.

        Returns
        -------
        numpy.ndarray
            A new array of shape ``out_shape``.
        """
        what = lambda: f"{self.title}: the direction dX"  # noqa: E731
        dX = shaped_array(dX, self.in_shape, what, "the input")
        return self._contract("jvp", dX, range(self.out_ndim, self.ndim), self.dtype)

    def _contract(self, way: str, array: Array, axes: Sequence[int], dtype: DTypeLike) -> Array:
        if array.dtype != self.dtype:
            array = array.astype(self.dtype)
        arrays = [*self._values.values(), array]
        bound: Bound | None = self._cache.get(way)
        if bound is None:
            tensor = numbered(contracted(self.terms, _UPSTREAM, axes), (*self._values, _UPSTREAM))
            shapes, dtypes = tuple(a.shape for a in arrays), tuple(a.dtype for a in arrays)
            bound = self._cache[way] = program_for(tensor, shapes, dtypes, dtype)
        result: Array = bound(arrays)[0]
        return result

    def _run(self, tensor: Sum, out: Array | None = None) -> Array:
        return contract(
            numbered(tensor, self._values), list(self._values.values()), self.dtype, out
        )

    @property
    def _shapes(self) -> dict[Node, tuple[int, ...]]:
        return {node: value.shape for node, value in self._values.items()}

    def cost(self) -> TensorCost:
        """What the ways to use the tensor cost, predicted from shapes alone."""
        return predicted(self.terms, self.out_ndim, self.axes, self._shapes, self.dtype.itemsize)

    # Algebra

    def __matmul__(self, other: object) -> "JacobianTensor":
        """The chain rule: ``(∂A/∂B) @ (∂B/∂C) = ∂A/∂C``, structured."""
        if not isinstance(other, JacobianTensor):
            kind = type(other).__name__
            raise UnsupportedError(
                f"{self.title} @ {kind}: '@' chains two JacobianTensors; to contract with an array use "
                "J.jvp(dX) on the input side or J.vjp(G) on the output side"
            )
        if self.in_shape != other.out_shape:
            raise ShapeError(
                f"cannot chain {self.title} with {other.title}: the input of the first has shape "
                f"{self.in_shape}, the output of the second {other.out_shape}; they must be equal"
            )
        tensor = rewrite.tidy(composed(self.terms, other.terms, len(self.in_shape)), combine)
        values = evaluate(tensor.operands, {**self._values, **other._values})
        return JacobianTensor(
            tensor,
            self.out_ndim,
            values,
            dtype=np.result_type(self.dtype, other.dtype),
            in_dtype=other.in_dtype,
            names=(self.names[0], other.names[1]),
        )

    def __rmatmul__(self, other: object) -> "JacobianTensor":
        raise UnsupportedError(
            f"{type(other).__name__} @ {self.title}: '@' chains two JacobianTensors; to contract with an "
            "upstream gradient use J.vjp(G)"
        )

    def __add__(self, other: object) -> "JacobianTensor":
        if not isinstance(other, JacobianTensor):
            raise UnsupportedError(
                f"{self.title} + {type(other).__name__}: only JacobianTensors add up; use J.dense() for arrays"
            )
        if (self.out_shape, self.in_shape) != (other.out_shape, other.in_shape):
            raise ShapeError(
                f"cannot add {self.title} of shape {self.out_shape} | {self.in_shape} and {other.title} of "
                f"shape {other.out_shape} | {other.in_shape}; they must be equal"
            )
        tensor = rewrite.merge(added([self.terms, other.terms]))
        return JacobianTensor(
            tensor,
            self.out_ndim,
            {**self._values, **other._values},
            dtype=np.result_type(self.dtype, other.dtype),
            in_dtype=np.result_type(self.in_dtype, other.in_dtype),
            names=self.names,
        )

    def __radd__(self, other: object) -> "JacobianTensor":
        return self if type(other) is int and other == 0 else self + other  # sum() starts with 0

    def __sub__(self, other: object) -> "JacobianTensor":
        return self + (-other) if isinstance(other, JacobianTensor) else self + other

    def __rsub__(self, other: object) -> "JacobianTensor":
        return self + other  # raises

    def __mul__(self, number: object) -> "JacobianTensor":
        plain = self._number(number, "*")
        exact = int(plain) if plain.is_integer() else plain
        terms = scaled(self.terms, exact)
        return JacobianTensor(
            terms,
            self.out_ndim,
            self._values,
            dtype=self.dtype,
            in_dtype=self.in_dtype,
            names=self.names,
        )

    __rmul__ = __mul__

    def __truediv__(self, number: object) -> "JacobianTensor":
        plain = self._number(number, "/")
        if plain == 0:
            raise UnsupportedError(f"{self.title} / 0: a JacobianTensor has no quotient by 0")
        return self * (1 / plain)

    def _number(self, value: object, sign: str) -> float:
        """A real number; anything else is refused."""
        scalar = isinstance(value, Real | np.bool_) or (
            isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "fiub"
        )
        if not scalar:
            raise UnsupportedError(
                f"{self.title} {sign} {type(value).__name__}: a JacobianTensor is scaled by real numbers only; "
                "use J.dense() for arrays"
            )
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise UnsupportedError(f"{self.title} {sign} a number that no float can hold") from None

    def __neg__(self) -> "JacobianTensor":
        return self * -1

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy scalars on the left multiply; every other ufunc would need the dense tensor."""
        if ufunc is np.multiply and method == "__call__" and not kwargs and inputs[1] is self:
            return self * inputs[0]
        if ufunc is np.matmul and inputs[1] is self:
            return self.__rmatmul__(inputs[0])
        raise UnsupportedError(
            f"numpy.{ufunc.__name__} of {self.title}: a JacobianTensor is no array; call it on J.dense()"
        )

    # Parts

    def __getitem__(self, index: Any) -> Any:
        """A part of the tensor, at the cost of that part: an array, or a number for a full index.

        Integers, slices and ``...``; as in NumPy, an integer removes its axis.
        """
        part = sliced(self.terms, index, self.title, self.axes)
        check_size(self.title, part.shape, self.dtype.itemsize, None)
        result = self._run(part)
        return result if part.shape else result[()]

    def diagonal(self) -> Array:
        """``J_ijij``: how each entry of the output depends on the same entry of the input."""
        return self._run(on_diagonal(self.terms, self.out_ndim, self.title))

    def blocks(
        self, batch_axis: int | tuple[int, int] = 0, max_bytes: float | None = None
    ) -> Array:
        """The Jacobian of each sample of a batched function, never building the full tensor.

        Parameters
        ----------
        batch_axis : int or (int, int)
            The axis that counts samples, in the output and in the input; two numbers where they
            differ. Negative ones count from the end.
        max_bytes : float, optional
            The most bytes it may take, as for :meth:`dense`.

        Returns
        -------
        numpy.ndarray
            Of shape ``(b, …out, …in)``, without the batch axes of output and input: entry
            ``[b, …]`` is ``J[b, …, b, …]``; all other entries of the tensor are structurally 0.

        Raises
        ------
        UnsupportedError
            Where terms couple samples; it names them.
        ShapeError
            Where the output or the input has no such axis, or their sizes differ.

        Examples
        --------
        >>> import numpy as np, jacobians as jb
        >>> X, W = np.ones((4, 3)), np.ones((3, 2))
        >>> jb.jacobian(lambda X: np.tanh(X @ W))(X).blocks().shape
        (4, 2, 3)
        """
        part = per_sample(self, batch_axis)
        check_size(self.title, part.shape, self.dtype.itemsize, max_bytes)
        return self._run(part)

    # To look at

    def to_html(
        self, path: str | PathLike[str], *, heading: str = "", steps: Sequence[tuple[str, str]] = ()
    ) -> Path:
        """Write one HTML page about the tensor that needs nothing but a browser.

        It has the formula, the unfolded tensor as a heat map that says indices and values, the
        contraction with an upstream gradient, what each way costs, and the structure. Nothing is
        loaded from elsewhere. A large tensor is shown by norms of its blocks, and never built.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write; one that exists is replaced.
        heading : str, optional
            What the tensor is of, such as ``"matmul(B, C)"``.
        steps : sequence of (str, str), optional
            Of its derivation, each what was done and the expression after it: ``jb.derive(…).steps`` has
            them. They can be unfolded on the page.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        JacobiansError
            Where the file cannot be written; names it and the reason.

        Examples
        --------
        >>> import tempfile, pathlib, numpy as np, jacobians as jb
        >>> J = jb.ops.matmul.jacobian(np.ones((2, 3)), np.ones((3, 5)), wrt="B")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     J.to_html(pathlib.Path(folder) / "matmul.html").name
        'matmul.html'
        """
        return write_page(self, path, heading, steps)

    def _repr_html_(self) -> str:
        return tensor_fragment(self)

    # Other forms

    def matrix(self, order: str = "C", max_bytes: float | None = None) -> Array:
        """The dense matrix ``∂vec(A)/∂vec(B)``; ``vec`` is row-major ("C") or column-major ("F")."""
        export.check_order(self.title, order)
        if order == "C":
            dense = self.dense(max_bytes)
        else:
            axes = [*reversed(range(self.out_ndim)), *reversed(range(self.out_ndim, self.ndim))]
            check_size(self.title, self.shape, self.dtype.itemsize, max_bytes)
            dense = self._run(transposed(self.terms, axes))
        return dense.reshape(prod(self.out_shape), prod(self.in_shape))

    def sparse(self, format: str = "csr", order: str = "C", max_bytes: float | None = None) -> Any:
        """The matrix as a SciPy sparse array of its structural nonzeros: "csr", "csc", "coo"."""
        return export.sparse(self, format, order, max_bytes)

    def operator(self, order: str = "C") -> "LinearOperator":
        """The matrix as a ``scipy.sparse.linalg.LinearOperator``: products by jvp and vjp."""
        return export.operator(self, order)

    def kron(self, order: str = "C") -> export.KroneckerForm:
        """The matrix as a sum of Kronecker products, ``I_2 ⊗ Cᵀ``.

        Raises
        ------
        UnsupportedError
            Where a term is none, saying which letters are coupled.
        """
        return export.kronecker(self, order)

    # To look at

    def plot(self, ax: Any = None) -> plots.Artists:
        """Draw the tensor unfolded into blocks: block ``(i, j)`` is ``∂A_ij/∂B``.

        One colour scale, centred at 0, holds for all blocks; values far beyond the others are
        clipped and marked, and so are nan and infinities. Where the entries are too many, a cell is
        the norm of a block, or of a group of blocks; the title says so. The figure is not shown.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Artists
            The axes, image, borders, marks and colorbar, and the numbers drawn (``.picture``).

        Raises
        ------
        JacobiansError
            Without matplotlib, an extra: ``pip install '.[plots]'`` in a copy of the repository.
        """
        return plots.heat_map(self, self.title, ax)

    def spy(self, ax: Any = None) -> plots.Artists:
        """Draw which entries can be nonzero, known from the terms alone, at any size.

        Parameters, result and errors are those of :meth:`plot`.
        """
        return plots.spy(self, self.title, ax)

    def explain(self, *index: int) -> Explanation:
        """Why an entry is what it is, in words and numbers.

        Parameters
        ----------
        *index : int
            One for each axis, output axes first; negative ones count from the end.

        Returns
        -------
        Explanation
            Prints what each delta, factor and sum is at the entry; ``.value`` is ``J[index]``.

        Raises
        ------
        ShapeError
            For an index that is missing, no integer or out of range; names the axis and its size.

        Examples
        --------
        >>> import numpy as np, jacobians as jb
        >>> B, C = np.arange(6.0).reshape(2, 3), np.arange(15.0).reshape(3, 5)
        >>> J = jb.ops.matmul.jacobian(B, C, wrt="B")
        >>> J.explain(1, 2, 0, 1)
        ∂A_ij/∂B_kl at i = 1, j = 2, k = 0, l = 1 is 0
        δ_ik C_lj
          δ_ik: i = 1, k = 0, so 0
        >>> J.explain(1, 2, 1, 1)
        ∂A_ij/∂B_kl at i = 1, j = 2, k = 1, l = 1 is 7
        δ_ik C_lj
          δ_ik: i = 1, k = 1, so 1
          C[1, 2] = 7
        """
        return explained(self, index)

    # A value: nothing is assigned after it is made, and it is no sequence of parts.

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "_cache"):
            raise UnsupportedError(
                f"{self.title}: a JacobianTensor never changes; make a new one instead of setting .{name}"
            )
        object.__setattr__(self, name, value)

    __iter__ = None

    def __copy__(self) -> "JacobianTensor":
        return self

    def __deepcopy__(self, memo: object) -> "JacobianTensor":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = list(self._values)
        with distinct_names(self._values):
            kept, places = stored(nodes)
        return _rebuilt, (
            numbered(self.terms, nodes),
            self.out_ndim,
            kept,
            places,
            [self._values[node] for node in nodes],
            self.dtype,
            self.in_dtype,
            self.names,
        )


_UPSTREAM = Node(None, (), (), (), np.dtype(float), name="G")


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _rebuilt(
    terms: Sum,
    out_ndim: int,
    kept: Sequence[StoredNode],
    places: Sequence[int],
    arrays: Sequence[Array],
    dtype: DTypeLike,
    in_dtype: DTypeLike,
    names: tuple[str, str],
) -> JacobianTensor:
    nodes = restored(kept, places)
    return JacobianTensor(
        relabelled(terms, nodes.__getitem__),
        out_ndim,
        dict(zip(nodes, arrays, strict=True)),
        dtype=dtype,
        in_dtype=in_dtype,
        names=names,
    )
