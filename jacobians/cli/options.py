"""What the user names becomes arrays: from files, and random numbers of fitting shapes."""

import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from math import inf, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.cli.files import read_array, read_npz
from jacobians.cli.loading import read_function
from jacobians.cli.own import OwnFunction, arrays_of
from jacobians.cli.sizing import as_shape, name_and_sizes
from jacobians.errors import JacobiansError, TensorTooLargeError
from jacobians.graph.node import Node, input_node
from jacobians.ground.memory import SHARE, available_bytes, in_gib
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.library import LibraryOperation, ops

Array = NDArray[Any]
Shape = tuple[int, ...]

_SMALL = (2, 3, 5, 4)  # sizes of the operation's letters where nothing else says them
_MOST_AXES = 64
_POSITIVE = {("log", "X"), ("sqrt", "X"), ("power", "X"), ("divide", "B")}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


class Request(NamedTuple):
    """An operation, what to differentiate by, and its arrays.

    Attributes
    ----------
    operation : LibraryOperation or OwnFunction
        From ``jb.ops``, or a function of the user's.
    position : int
        Of the argument to differentiate by.
    arrays : dict of str to numpy.ndarray
        In the operation's order.
    sources : dict of str to str
        Where each came from: a file's name, or "random".
    subscripts : str or None
        Of an einsum.
    """

    operation: LibraryOperation | OwnFunction
    position: int
    arrays: dict[str, Array]
    sources: dict[str, str]
    subscripts: str | None

    @property
    def wrt(self) -> str:
        """The name of the argument to differentiate by."""
        return list(self.arrays)[self.position]

    @property
    def shapes(self) -> str:
        """``B=2x3 c=scalar``, as ``--shape`` takes them."""
        return " ".join(f"{k}={shape_option(np.shape(a))}" for k, a in self.arrays.items())

    @property
    def heading(self) -> str:
        """``matmul(B, C)``."""
        names = list(self.arrays) if self.subscripts is None else [self.subscripts, *self.arrays]
        return f"{self.operation.name}({', '.join(names)})"

    def jacobian(self) -> JacobianTensor:
        """The Jacobian at the arrays."""
        leading = () if self.subscripts is None else (self.subscripts,)
        try:
            with np.errstate(all="ignore"):
                return self.operation.jacobian(*leading, *self.arrays.values(), wrt=self.position)
        except np.linalg.LinAlgError as error:
            raise JacobiansError(f"{self.operation.name}: {error}") from None


def shape_option(shape: Shape) -> str:
    """``2x3``; a number's shape is ``scalar``."""
    return "x".join(map(str, shape)) or "scalar"


def prepare(
    name: str,
    wrt: str | None,
    *,
    shapes: Sequence[str] | None,
    subscripts: str | None,
    seed: int,
    data: Sequence[str] | None = None,
    sizes: Sequence[int] = (),
    max_default_bytes: float = inf,
) -> Request:
    """The operation with arrays: the user's, and random ones of fitting shapes.

    Parameters
    ----------
    name, wrt, shapes, subscripts, seed, data
        As on the command line.
    sizes : sequence of int
        Sizes to give axes whose size nothing else says: the first one that keeps the full tensor
        below ``max_default_bytes``, else the last. None at all means small sizes, each different.
    max_default_bytes : float
        See ``sizes``.

    Raises
    ------
    JacobiansError
        For an unknown name, a shape or file that cannot be read, or arrays too large for memory.
    """
    if seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {seed}")
    if ":" in name:
        return _of_own(name, wrt, shapes=shapes, subscripts=subscripts, seed=seed, data=data)
    operation = ops[name]
    if name == "einsum" and subscripts is None:
        raise JacobiansError("einsum needs its subscripts, as in --subscripts 'ij,jk->ik'")
    if name != "einsum" and subscripts is not None:
        raise JacobiansError(f"--subscripts is for einsum only; {name} has its own letters")
    sample, _ = operation.sample(0, subscripts)
    usual = {node.name: node.shape for node in sample.operands}
    position = operation.position(_position(wrt), len(usual))
    arrays, sources = _read_all(operation, list(usual), data or ())
    arrays = {k: _fitted(v, len(usual[k]), sources[k]) for k, v in arrays.items()}
    asked = _parse_shapes(operation, list(usual), shapes or ())
    for argument in asked:
        if argument in arrays:
            raise JacobiansError(f"{argument} is given twice, by --data and by --shape")
    if data:
        for argument in usual:
            if argument not in arrays and argument not in asked:
                raise JacobiansError(
                    f"no array for {name}'s argument {argument}: add {argument}=FILE to --data, or "
                    f"give --shape {argument}=SIZES for a random one"
                )
    known = {**{k: v.shape for k, v in arrays.items()}, **asked}
    made = _fill_in(known, usual, None)
    for size in sizes:
        made = _fill_in(known, usual, size)
        if _tensor_bytes(sample, position, made) <= max_default_bytes:
            break
    _check_memory(name, [made[k] for k in usual if k not in arrays])
    random = np.random.default_rng(seed)
    for argument in usual:
        if argument not in arrays:
            array = np.asarray(random.standard_normal(made[argument]))
            arrays[argument] = 0.5 + np.abs(array) if (name, argument) in _POSITIVE else array
            sources[argument] = "random"
    ordered = {argument: arrays[argument] for argument in usual}
    return Request(operation, position, ordered, sources, subscripts)


def _of_own(
    name: str, wrt: str | None, *, shapes: Sequence[str] | None, subscripts: str | None, seed: int,
    data: Sequence[str] | None,
) -> Request:  # fmt: skip
    """A function of the user's, ``file.py:function``, with arrays for its arguments."""
    if subscripts is not None:
        raise JacobiansError("--subscripts is for einsum only")
    own = OwnFunction(read_function(name))
    arrays, sources = arrays_of(own.function, data or (), shapes or (), seed)
    position = own.position(_position(wrt), list(arrays))
    return Request(own, position, arrays, sources, None)


def _position(wrt: str | None) -> str | int:
    if wrt is None:
        return 0
    return int(wrt) if re.fullmatch(r"-?[0-9]+", wrt) else wrt


def _fill_in(
    known: Mapping[str, Shape], usual: Mapping[str, Shape], size: int | None
) -> dict[str, Shape]:
    """Shapes for all arguments: those known, and ``size`` (or small ones) for letters still free.

    ``usual`` has a different prime for each letter of the operation, so a prime is a letter here.
    """
    bound: dict[int, int] = {}
    for name, shape in known.items():
        if len(shape) == len(usual[name]):
            bound.update(zip(usual[name], shape, strict=True))
    letters = list(dict.fromkeys(letter for shape in usual.values() for letter in shape))
    small = dict(zip(letters, cycle(_SMALL), strict=False))
    return {
        name: tuple(known[name])
        if name in known
        else tuple(bound.get(letter, size or small[letter]) for letter in shape)
        for name, shape in usual.items()
    }


def _tensor_bytes(sample: Node, position: int, shapes: Mapping[str, Shape]) -> float:
    """Of the full tensor at these shapes; nothing is allocated."""
    assert sample.operation is not None
    nodes = [input_node(name, shape) for name, shape in shapes.items()]
    try:
        shape, _ = sample.operation.infer(nodes, dict(sample.parameters))
    except JacobiansError:
        return 0  # shapes that do not fit: the Jacobian itself will say so
    return 8.0 * prod(shape) * prod(nodes[position].shape)


def _check_memory(name: str, shapes: Sequence[Shape]) -> None:
    needed = 8 * sum(prod(shape) for shape in shapes)
    limit = SHARE * available_bytes()
    if needed > limit:
        raise TensorTooLargeError(
            f"{name}: random arrays of shapes {', '.join(map(str, shapes))} need {in_gib(needed)}, "
            f"more than the limit of {in_gib(limit)}; give smaller sizes to --shape"
        )


def _parse_shapes(
    operation: LibraryOperation, names: Sequence[str], texts: Sequence[str]
) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for text in texts:
        forms = "a matrix as B=2x3, a vector as x=3, a number as c=scalar"
        name, sizes = name_and_sizes(text, "[0-9]+", forms)
        _check_name(operation, names, name, "--shape", found)
        if sizes.count("x") >= _MOST_AXES:
            raise JacobiansError(
                f"--shape {name}: {sizes.count('x') + 1} axes; a NumPy array has at most {_MOST_AXES}"
            )
        found[name] = as_shape(sizes)
    return found


def _check_name(
    operation: LibraryOperation,
    names: Sequence[str],
    name: str,
    option: str,
    found: Mapping[str, Any],
) -> None:
    if name not in names:
        raise JacobiansError(
            f"{option}: {operation.name} has no argument {name!r}; its arguments are "
            f"{', '.join(names)}"
        )
    if name in found:
        raise JacobiansError(f"{option}: {name} is given twice")


def parse_bytes(text: str | None) -> float | None:
    """``1e9``, ``500MB`` or ``2GiB`` as a number; None stays None.

    Raises
    ------
    JacobiansError
        If it is no positive number of bytes.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9.]+(?:e\+?[0-9]+)?)\s*(?:([kmg]i?)?b)?", text.strip().lower())
    if text.strip().lower() == "inf":
        return inf
    try:
        assert found is not None
        return float(found[1]) * _UNITS[found[2] or ""]
    except (AssertionError, ValueError):
        raise JacobiansError(
            f"--max-bytes {text!r} is no number of bytes: write 1e9, 500MB, 2GiB, or inf for no limit"
        ) from None


def _read_all(
    operation: LibraryOperation, names: Sequence[str], texts: Sequence[str]
) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays in ``file.npz`` and ``NAME=file`` arguments, and the file of each."""
    arrays: dict[str, Array] = {}
    sources: dict[str, str] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if equals and name.isidentifier():
            _check_name(operation, names, name, "--data", arrays)
            arrays[name] = read_array(Path(file), name)
            sources[name] = file
        elif text.endswith(".npz"):
            for name, array in read_npz(Path(text)).items():
                _check_name(operation, names, name, f"--data {text}", arrays)
                arrays[name] = array
                sources[name] = text
        else:
            raise JacobiansError(
                f"--data {text!r}: say which argument the file is for, as in {names[0]}={text} "
                "(only an .npz file names its arrays itself)"
            )
    return arrays, sources


def _fitted(array: Array, ndim: int, source: str) -> Array:
    """A csv file's single row, column or number as the vector or number that the operation takes."""
    if source.lower().endswith(".csv") and 1 in array.shape and ndim < array.ndim:
        if ndim == 1:
            return array.reshape(-1)
        if ndim == 0 and array.size == 1:
            return array.reshape(())
    return array


def read_upstream(path: str, shape: Shape) -> Array:
    """The upstream gradient from a file; a csv's row, column or number as the shape needs it."""
    return _fitted(read_array(Path(path), "G"), len(shape), path)
