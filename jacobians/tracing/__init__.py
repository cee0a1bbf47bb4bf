"""Recording NumPy code: traced arrays, and the tables from NumPy's callables to operations.


A traced array has a value and the node that made it, and is in memory what NumPy's would be
(``handle``, ``memory``). NumPy hands calls on it to ``dispatch``, which looks them up in one table; an
explicit second table says what is not supported, and why.

Floor 6. Imports errors, ground, notation, graph, operations.
"""
