"""All public operations by name."""

from jacobians.graph.node import Operation
from jacobians.operations import elementwise, linalg, products, reductions

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for family in (products, linalg, elementwise, reductions)
    for operation in family.PUBLIC
}
