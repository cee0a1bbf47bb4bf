"""SciPy's special functions, found by name: SciPy is imported when a function uses it, not before.

Its ufuncs reach NumPy's protocol; ``logsumexp`` and ``softmax`` do not, and have their operations in
``jb.ops``, which along some axes are called through here.
"""

from math import prod
from typing import Any

import numpy as np

from jacobians.operations import reductions, special
from jacobians.tracing.numpy.basics import axes_tuple, expand, reshape, transpose, ufunc
from jacobians.tracing.numpy.reductions import as_traced, last
from jacobians.tracing.tables import RESOLVERS, TableEntry, implements
from jacobians.tracing.traced import record


def ufunc_of_scipy(function: Any) -> TableEntry | None:
    """What a ufunc of ``scipy.special`` means on traced arrays; None if there is no operation."""
    operation = special.UFUNCS.get(getattr(function, "__name__", ""))
    if operation is None or not isinstance(function, np.ufunc):
        return None
    from scipy import special as scipys  # loaded already: the function comes from it

    if getattr(scipys, function.__name__) is not function:
        return None
    return TableEntry(ufunc(operation, function))


RESOLVERS.append(ufunc_of_scipy)


@implements(reductions.logsumexp)
def logsumexp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """scipy.special.logsumexp of real arrays, without weights (SciPy's third argument)."""
    a = as_traced(a)
    axes = axes_tuple(axis, a.ndim)
    if len(axes) == a.ndim:
        result = record(reductions.logsumexp, [a])
    else:
        result = record(reductions.logsumexp_last, [last(a, axes)])
    return expand(result, axes) if keepdims else result


@implements(reductions.softmax)
def softmax(x: Any, axis: Any = None) -> Any:
    """scipy.special.softmax."""
    x = as_traced(x)
    axes = axes_tuple(axis, x.ndim)
    kept = tuple(n for n in range(x.ndim) if n not in axes)
    order = (*kept, *axes)
    moved = transpose(x, order)
    flat = reshape(moved, (*moved.shape[: len(kept)], prod(moved.shape[len(kept) :])))
    found = reshape(record(reductions.softmax_last, [flat]), moved.shape)
    return transpose(found, tuple(int(n) for n in np.argsort(order)))
