"""Symmetric, diagonal and triangular arguments: derivatives by their free entries, or projected.

A wrapped argument is a function of its *free entries*, row by row: for a symmetric matrix those on and
above the diagonal, so that an entry off the diagonal moves two. ``projected`` keeps the full array,
and projects: the derivative is that of the function of the nearest such matrix, ``½ (G + Gᵀ)`` of a
symmetric one.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacobians.errors import ShapeError
from jacobians.ground.arguments import float_array

Array = NDArray[Any]


@dataclass(frozen=True)
class Structure:
    """What a matrix is known to be: which of its entries are free, and where each goes."""

    name: str
    places: Callable[[int], tuple[Array, ...]]
    mirrored: bool = False

    def rebuilt(self, free: Any, n: int) -> Any:
        """The matrix of its free entries."""
        rows, columns = self.places(n)
        index = np.zeros((n, n), dtype=int)
        mask = np.zeros((n, n))
        index[rows, columns] = np.arange(len(rows))
        mask[rows, columns] = 1
        if self.mirrored:
            index[columns, rows] = np.arange(len(rows))
            mask[columns, rows] = 1
        if mask.all():
            return free[index]
        return np.where(mask > 0, free[index], 0.0)

    def nearest(self, X: Any, n: int) -> Any:
        """The nearest matrix of the kind."""
        if self.mirrored:
            return 0.5 * (X + X.T)
        mask = np.zeros((n, n))
        mask[self.places(n)] = 1
        return mask * X


SYMMETRIC = Structure("symmetric", lambda n: np.triu_indices(n), mirrored=True)
DIAGONAL = Structure("diagonal", lambda n: np.diag_indices(n))
LOWER = Structure("lower triangular", lambda n: np.tril_indices(n))
UPPER = Structure("upper triangular", lambda n: np.triu_indices(n))


@dataclass(frozen=True, eq=False)
class Structured:
    """A matrix with a structure, as an argument of ``derive``, ``jacobian`` and ``grad``."""

    array: Array
    structure: Structure
    full: bool = False

    @property
    def free(self) -> Array:
        """Its free entries, row by row."""
        return np.asarray(self.array[self.structure.places(len(self.array))])

    def __repr__(self) -> str:
        kind = "projected " * self.full + self.structure.name
        return f"<{kind} matrix {self.array.shape}>"


def _wrapped(A: ArrayLike, structure: Structure) -> Structured:
    array = np.array(float_array(A, f"{structure.name}: the matrix"))
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ShapeError(
            f"jb.{structure.name.split()[-1]}: a square matrix is needed, not shape {array.shape}"
        )
    other = structure.nearest(array, len(array))
    if not np.allclose(
        array, other, rtol=1e-10, atol=1e-12 * np.abs(array).max(initial=0), equal_nan=True
    ):
        i, j = np.unravel_index(np.nanargmax(np.abs(array - other)), array.shape)
        raise ShapeError(
            f"jb.{structure.name.split()[-1]}: the matrix is not {structure.name}: entry ({i}, {j}) is {array[i, j]:.6g} and "  # noqa: E501
            f"({j}, {i}) is {array[j, i]:.6g}"
        )
    return Structured(array, structure)


def symmetric(A: ArrayLike) -> Structured:
    """A symmetric matrix as an argument: derivatives are by its free entries.

    Parameters
    ----------
    A : array_like, shape (n, n)
        A symmetric matrix.

    Returns
    -------
    Structured
        For ``jb.derive``, ``jb.jacobian`` and ``jb.grad``. The derivative has one last axis of the
        n (n + 1) / 2 entries on and above the diagonal, row by row; an entry off the diagonal moves two entries
        of the matrix, so its derivative is their sum.

    Raises
    ------
    ShapeError
        If the matrix is not square, or not symmetric; names the entries that differ.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> A = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> jb.grad(lambda A: A[0] @ A[1])(jb.symmetric(A))
    array([1., 5., 1.])
    >>> jb.grad(lambda A: A[0] @ A[1])(jb.projected(jb.symmetric(A)))
    array([[1. , 2.5],
           [2.5, 1. ]])
    """
    return _wrapped(A, SYMMETRIC)


def diagonal(D: ArrayLike) -> Structured:
    """A diagonal matrix as an argument: derivatives are by its n diagonal entries; see :func:`symmetric`.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.grad(lambda D: np.sum(D @ D))(jb.diagonal(np.diag([1.0, 2.0])))
    array([2., 4.])
    """
    return _wrapped(D, DIAGONAL)


def triangular(L: ArrayLike, lower: bool = True) -> Structured:
    """A triangular matrix as an argument: derivatives are by its n (n + 1) / 2 entries, row by row.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.grad(lambda L: np.sum(L @ L))(jb.triangular(np.array([[1.0, 0.0], [2.0, 3.0]])))
    array([4., 4., 8.])
    """
    return _wrapped(L, LOWER if lower else UPPER)


def projected(A: Structured) -> Structured:
    """The same argument with derivatives in its full shape, projected on the matrices of its kind.

    For a symmetric matrix that is ``½ (G + Gᵀ)`` of the derivative G with independent entries; for others
    the entries that are free, and 0 elsewhere.
    """
    if not isinstance(A, Structured):
        raise ShapeError("jb.projected takes jb.symmetric(A), jb.diagonal(D) or jb.triangular(L)")
    return replace(A, full=True)


def unwrapped(
    f: Callable[..., Any], args: Sequence[Any], chosen: Sequence[int]
) -> tuple[Callable[..., Any], list[Any]]:
    """The function of free entries, and its arguments; ``chosen`` are those that are differentiated by."""
    kinds = {n: a for n, a in enumerate(args) if isinstance(a, Structured)}
    new = [
        (a.array if a.full or n not in chosen else a.free) if isinstance(a, Structured) else a
        for n, a in enumerate(args)
    ]  # fmt: skip

    @functools.wraps(f)
    def function(*arrays: Any, **named: Any) -> Any:
        whole = list(arrays)
        for n, a in kinds.items():
            if n in chosen:
                size = len(a.array)
                whole[n] = (a.structure.nearest if a.full else a.structure.rebuilt)(whole[n], size)
        return f(*whole, **named)

    return function, new
