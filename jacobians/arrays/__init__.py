"""Numbers for terms: operands read at slots as views, contracted, and written into a tensor.

A :class:`~jacobians.arrays.plan.Plan` is made from structure and shapes alone and can be run on any
arrays of those shapes.

Floor 3. Imports notation.
"""
