"""The chain rule over a graph: Jacobians of nodes by nodes, in an order of elimination, and its record.

Floor 6. Imports errors, ground, notation, graph, operations.
"""
