"""Running nodes and sums of terms: lowered to steps, which are data, and executed.

``lowering`` makes a program of steps from nodes or a sum of terms; ``passes`` change it; ``interpret``
runs it at once, ``numpy_source`` prints it and compiles what it printed, ``jax`` runs it on JAX. Programs
depend on shapes and dtypes, never on data.

Floor 4. Imports errors, ground, notation, graph.
"""
