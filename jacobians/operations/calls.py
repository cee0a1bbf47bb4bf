"""What printed programs import: the functions that give the values of this package's operations."""

from typing import Any

from jacobians.operations.kinds import DECLARED


def __getattr__(name: str) -> Any:
    """The function of the operation with this key."""
    operation = DECLARED.get(name)
    if operation is None:
        raise AttributeError(name)
    return operation.function
