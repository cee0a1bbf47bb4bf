"""``jb.testing``: a check as an assertion, for pytest or any other runner of tests.

Floor 11. Imports verification.
"""

from collections.abc import Callable
from typing import Any

from jacobians.verification.checking import check

__all__ = ["assert_jacobian"]


def assert_jacobian(f: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Fail unless a derivative is right; the failure's text is the report.

    Parameters
    ----------
    f, *args, **options
        As for :func:`jacobians.check`: ``wrt``, ``jacobian``, ``vjp``, ``jvp``, ``against``, ``rtol``,
        ``atol``, ``seed``, ``kwargs``.

    Raises
    ------
    VerificationError
        An AssertionError, unless everything that is claimed is right.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def test_backward():
    ...     W, x = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 4.0])
    ...     jb.testing.assert_jacobian(
    ...         lambda W, x: W @ x, W, x, vjp=lambda G, W, x: np.outer(G, x)
    ...     )
    >>> test_backward()
    """
    __tracebackhide__ = True  # pytest then points at the test
    check(f, *args, **options).raise_if_failed()
