"""Index notation: letters, slots, factors, terms and sums of terms, and what can be done with them.

Nothing here computes with numbers: operands are opaque, and every function depends on sizes, slots
and tables alone (``explicit`` builds identity tensors and hands them to ``numpy.einsum``).

Floor 2. Imports errors, ground.
"""
