"""Every function of NumPy is in one of the two tables, and in one only."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.fft
import numpy.lib.stride_tricks
import numpy.linalg
import pytest
from numpy.testing import overrides

import jacobians as jb
from jacobians.tracing.dispatch import call
from jacobians.tracing.numpy import families
from jacobians.tracing.tables import SUPPORTED, UNSUPPORTED, name_of

MODULES = (np, np.linalg, np.fft, np.lib.scimath, np.lib.stride_tricks)
DISPATCHED = (
    overrides.get_overridable_numpy_array_functions() | overrides.get_overridable_numpy_ufuncs()
)


def public() -> Iterator[tuple[str, Any]]:
    """NumPy's public functions that hand a traced array to us, by name."""
    for module in MODULES:
        for name in dir(module):
            found = None if name.startswith("_") else getattr(module, name)
            if callable(found) and (isinstance(found, np.ufunc) or found in DISPATCHED):
                yield f"{module.__name__}.{name}", found


FUNCTIONS = dict(public())


def test_the_walk_finds_numpys_functions() -> None:
    assert families.FAMILIES
    assert len(FUNCTIONS) > 350
    for name in (
        "numpy.einsum",
        "numpy.linalg.svdvals",
        "numpy.fft.irfftn",
        "numpy.sin",
        "numpy.vecdot",
    ):
        assert name in FUNCTIONS


def test_every_function_is_in_a_table() -> None:
    assert [n for n, f in FUNCTIONS.items() if f not in SUPPORTED and f not in UNSUPPORTED] == []


def test_no_function_is_in_both_tables() -> None:
    assert [name_of(f) for f in SUPPORTED if f in UNSUPPORTED] == []


def test_every_reason_is_a_clause() -> None:
    for function, reason in UNSUPPORTED.items():
        assert len(reason.split()) >= 4, (function, reason)
        assert not reason.endswith("."), (function, reason)
        assert reason[0].islower() or reason.startswith(("NumPy", "SciPy", "np.")), (
            function,
            reason,
        )


@pytest.mark.parametrize("function", UNSUPPORTED, ids=name_of)
def test_an_unsupported_call_gives_its_name_the_reason_and_the_line(function: Any) -> None:
    with pytest.raises(jb.UnsupportedError, match=r"test_tables.py:\d+") as caught:
        call(function, (), {})
    assert UNSUPPORTED[function] in str(caught.value)
    assert function.__name__ in str(caught.value)


def test_a_function_of_a_newer_numpy_raises() -> None:
    def brand_new(x: Any) -> Any:
        return x.__array_function__(brand_new, (type(x),), (x,), {})

    brand_new.__module__ = "numpy"
    with pytest.raises(
        jb.UnsupportedError, match=r"numpy\.brand_new at .*:\d+ .*no operation is known"
    ):
        jb.jacobian(brand_new)(np.ones(2))


def test_a_ufunc_of_somebody_else_raises() -> None:
    strange = np.frompyfunc(lambda x: x, 1, 1)
    with pytest.raises(jb.UnsupportedError, match="no operation is known"):
        jb.jacobian(strange)(np.ones(2))


def test_like_gives_plain_constants() -> None:
    J = jb.jacobian(lambda x: x * np.ones(2, like=x) + np.zeros(2, like=x))(np.ones(2))
    np.testing.assert_array_equal(J.dense(), np.eye(2))
    with pytest.raises(jb.UnsupportedError, match=r"jb\.array"):
        jb.jacobian(lambda x: np.array([x[0]], like=x))(np.ones(2))


def test_a_transform_fills_the_tables() -> None:
    # In a new interpreter: importing the package must be enough.
    import subprocess
    import sys

    code = "import numpy as np, jacobians as jb; jb.jacobian(np.convolve)(np.ones(2), np.ones(2))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
