"""Every error is a JacobiansError, and the built-in error that a caller would expect."""

import pytest

import jacobians as jb
from jacobians import errors

BUILT_IN = {
    "ShapeError": ValueError,
    "UnsupportedError": TypeError,
    "TensorTooLargeError": MemoryError,
    "VerificationError": AssertionError,
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_error_is_a_jacobians_error(name: str) -> None:
    error = getattr(jb, name)
    assert issubclass(error, jb.JacobiansError)
    assert issubclass(error, BUILT_IN[name])


def test_the_table_has_all_errors() -> None:
    own = {
        n
        for n, v in vars(errors).items()
        if isinstance(v, type) and issubclass(v, jb.JacobiansError)
    }
    assert own == {*BUILT_IN, "JacobiansError"}
