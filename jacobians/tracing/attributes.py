"""Attributes of NumPy's arrays that traced ones do not have: each refused with its reason and the line."""

from typing import NoReturn

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.tracing.session import user_line

_CUT_OFF = (
    "it would cut the values off from their derivative; do it with the result of the function"
)
_MEMORY = "where the entries lie in memory is no matter of a traced array"
_REASONS = {
    "base": f"{_MEMORY}; np.may_share_memory(x, y) answers",
    "flags": f"{_MEMORY}; np.may_share_memory(x, y) answers",
    "setflags": f"{_MEMORY}; write x.copy() to keep a state",
    "resize": "it changes the shape in place; write x = np.resize(x, shape)",
    "byteswap": "its entries are numbers, not bytes; leave it out",
    "getfield": "its entries are numbers without fields; write x.astype(dtype)",
    "setfield": "its entries are numbers without fields; assign with x[...] = value",
    "to_device": "all values are where NumPy has them; leave it out",
    **dict.fromkeys(
        ("data", "ctypes"), f"compiled code would read or write past the record; {_CUT_OFF}"
    ),
    **dict.fromkeys(("tobytes", "tofile", "dump", "dumps"), _CUT_OFF),
}


class RefusedAttribute(UnsupportedError, AttributeError):
    """An attribute of NumPy's arrays that a traced one has not."""


def refuse(what: str, reason: str) -> NoReturn:
    """Raise that something is not possible with a traced array."""
    raise UnsupportedError(f"{what} of a traced array at {user_line()} is not supported: {reason}")


def refused_attribute(name: str) -> AttributeError:
    """The error for an attribute that a traced array has not."""
    if name.startswith("_") or not hasattr(np.ndarray, name):
        return AttributeError(
            f"'Traced' object has no attribute {name!r}, and neither has numpy.ndarray"
        )
    reason = _REASONS.get(name, "nothing is known of its derivative; use NumPy's functions")
    return RefusedAttribute(
        f"x.{name} of a traced array at {user_line()} is not supported: {reason}"
    )
