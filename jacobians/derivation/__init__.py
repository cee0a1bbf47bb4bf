"""The chain rule over a graph: Jacobians of nodes by nodes, in an order of elimination.

Floor 6. Imports errors, notation, graph, execution, operations.
"""
