"""``jb.numerical``: Jacobians from values of a function alone, the judge of all others.

Two ways: complex step, exact to rounding where a function is analytic and takes complex arrays; and
central differences extrapolated by Richardson's scheme with Ridders' choice of the best step, for every
other function. ``method="auto"`` takes complex step where real differences agree with it.

Floor 11. Imports ground, tracing, verification.
"""

from collections.abc import Callable
from typing import Any

from jacobians.ground.memory import check_size
from jacobians.tracing.running import Wrt
from jacobians.verification.differences import Estimate
from jacobians.verification.stepping import Method, check_method
from jacobians.verification.subject import Subject

__all__ = ["jacobian", "jacobian_with_error"]


def jacobian(f: Callable[..., Any], *args: Any, wrt: Wrt = 0, method: Method = "auto") -> Any:
    """The full Jacobian of any function of arrays, by evaluating it.

    Parameters
    ----------
    f : callable
        Takes arrays and returns an array, or a tuple, list or dict of arrays. It need not be written in
        NumPy, nor be traceable: it is only called, each time with copies.
    *args : array_like
        Where to differentiate.
    wrt : int, str or sequence of them
        Which arguments to differentiate by: position, parameter name, or several.
    method : {"auto", "complex-step", "richardson"}
        ``"richardson"`` costs 10 to 14 evaluations for each entry of the argument, ``"complex-step"``
        one and is right only for analytic functions; "auto" takes it where differences confirm it.

    Returns
    -------
    numpy.ndarray
        Output axes, then input axes; in the structure of ``f``'s result, and a tuple for several
        ``wrt``, as ``jb.jacobian`` gives. At a kink the mean of the slopes on both sides; nan where
        no derivative was found.

    Raises
    ------
    UnsupportedError
        If ``f`` takes no complex arrays and ``method="complex-step"``.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> x = np.array([1.0, 2.0])
    >>> jb.numerical.jacobian(lambda x: np.array([x[0] * x[1], x[1] ** 2]), x).round(12)
    array([[2., 1.],
           [0., 4.]])
    >>> jb.numerical.jacobian(np.linalg.norm, np.array([3.0, 4.0])).round(12)
    array([0.6, 0.8])
    """
    subject, found = _measured(f, args, wrt, method)
    return _arranged(subject, [[e.value for e in row] for row in found])


def jacobian_with_error(
    f: Callable[..., Any], *args: Any, wrt: Wrt = 0, method: Method = "auto"
) -> tuple[Any, Any]:
    """The Jacobian, and an estimate of the error of each entry.

    Parameters and errors as for :func:`jacobian`.

    Returns
    -------
    (jacobian, error)
        Two of what :func:`jacobian` returns. The error covers both slopes at a kink, and is infinite
        where no derivative was found.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> value, error = jb.numerical.jacobian_with_error(np.abs, np.array([0.0, 2.0]))
    >>> value.round(9)
    array([[0., 0.],
           [0., 1.]])
    >>> error.round(9)                      # slopes −1 and 1 meet at 0
    array([[1., 0.],
           [0., 0.]])
    """
    subject, found = _measured(f, args, wrt, method)
    values = [[e.value for e in row] for row in found]
    errors = [[e.error + abs(e.gap) / 2 for e in row] for row in found]
    return _arranged(subject, values), _arranged(subject, errors)


def _measured(
    f: Callable[..., Any], args: Any, wrt: Wrt, method: Method
) -> tuple[Subject, list[list[Estimate]]]:
    """For each result, the estimate by each argument, shaped."""
    check_method(method)
    subject = Subject(f, args, {}, wrt)
    found: list[list[Estimate]] = [[] for _ in subject.outputs]
    for which, point in enumerate(subject.points):
        check_size(subject.name, (subject.value.size, point.size), 8, None)
        estimate = subject.pointwise(which).measured(method).estimate
        for output, row in enumerate(found):
            pair = subject.pair(output, which)
            row.append(estimate.taken(pair.part).reshaped(pair.shape))
    return subject, found


def _arranged(subject: Subject, found: list[list[Any]]) -> Any:
    return subject.treedef.restore([tuple(row) if subject.several else row[0] for row in found])
