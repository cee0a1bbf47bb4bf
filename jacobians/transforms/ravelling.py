"""``jb.ravel``: the arrays of a tree as one vector, and the way back, for what takes flat vectors."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.ground.arguments import float_array
from jacobians.ground.trees import parameters
from jacobians.tracing.running import moves_in_tree
from jacobians.tracing.traced import Traced


def ravel(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The numbers of a tree as one vector, and a function that puts such a vector into the tree's place.

    Parameters
    ----------
    tree : object
        A dict, dataclass or named tuple of arrays, or a list or tuple with arrays in it, in any depth;
        or one array. Text, masks, None and functions in it stay where they are.

    Returns
    -------
    (vector, back)
        ``vector`` is new, of shape (n,), of the leaves' common dtype; integers become float64.
        ``back(vector)`` gives a tree of the same structure with arrays of the same shapes; of traced
        vectors too.

    Raises
    ------
    UnsupportedError
        Where the tree has no numbers, or numbers that have no Jacobian.
    ShapeError
        From ``back``, for a vector of another length.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> vector, back = jb.ravel({"W": np.ones((2, 2)), "b": np.array([3.0, 4.0])})
    >>> vector
    array([1., 1., 1., 1., 3., 4.])
    >>> back(2 * vector)["b"]
    array([6., 8.])
    >>> loss = lambda v: np.sum(back(v)["W"] @ back(v)["b"])
    >>> jb.grad(loss)(vector)
    array([3., 4., 3., 4., 2., 2.])
    """
    leaves, structure = parameters(tree)
    moving = [structure.kind is None or moves_in_tree(leaf) for leaf in leaves]
    arrays = [
        leaf if isinstance(leaf, Traced) else float_array(leaf, f"jb.ravel: the tree{path}")
        for leaf, path, moves in zip(leaves, structure.paths, moving, strict=True)
        if moves
    ]
    if not arrays:
        raise UnsupportedError(f"jb.ravel: a {type(tree).__name__} without numbers; give it arrays")
    shapes = [array.shape for array in arrays]
    dtypes = [array.dtype for array in arrays]
    ends = np.cumsum([prod(shape) for shape in shapes])
    length = int(ends[-1])
    vector = np.concatenate([np.reshape(array, -1) for array in arrays])

    def back(vector: Any) -> Any:
        """The tree with the numbers of a vector."""
        flat = vector if isinstance(vector, Traced) else float_array(vector, "jb.ravel: the vector")
        if flat.shape != (length,):
            raise ShapeError(
                f"jb.ravel: back takes a vector of shape ({length},), not of {flat.shape}: the tree has "
                f"{len(shapes)} arrays with as many numbers"
            )
        parts = iter(
            [
                np.reshape(flat[end - prod(shape) : end], shape).astype(dtype)
                for shape, dtype, end in zip(shapes, dtypes, ends, strict=True)
            ]
        )
        return structure.restore(
            [next(parts) if moves else leaf for leaf, moves in zip(leaves, moving, strict=True)]
        )

    return vector, back
