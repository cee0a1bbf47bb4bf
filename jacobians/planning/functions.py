"""What printed plans import: the functions of operations that are no function of NumPy's."""

from typing import Any

from jacobians.arrays.exact import exact
from jacobians.arrays.factorised import factorise, lu_inverse, lu_solve
from jacobians.arrays.parallel import parallel
from jacobians.operations.declare import DECLARED
from jacobians.planning.lowering import view

__all__ = ["exact", "factorise", "lu_inverse", "lu_solve", "parallel", "view"]


def __getattr__(name: str) -> Any:
    """The function that gives the value of the operation of this name."""
    found = DECLARED.get(name.rstrip("_"))
    if found is None:
        raise AttributeError(name)
    return found.function
