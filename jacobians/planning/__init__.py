"""From nodes and terms to a straight line of NumPy calls, as source text that is compiled once.

Plans depend on shapes and dtypes, never on data.

Floor 7. Imports notation, graph, arrays, operations, optimising.
"""
