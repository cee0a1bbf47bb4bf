"""``jb.derive``: the derivation of a Jacobian as steps, its matrix notation, and NumPy that computes it."""
