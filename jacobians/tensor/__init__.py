"""``JacobianTensor``, and its matrices, sparse and Kronecker forms, slices and costs.

Floor 8. Imports errors, ground, notation, graph, execution, operations, derivation,
display.
"""
