"""Text, LaTeX, MathML, pictures and HTML of nodes, terms and results; the floors above call them.

Functions of whatever is ``Shown``, never of the tensor's class.

Floor 7. Imports errors, ground, notation, graph, execution, operations, algebra.
"""
