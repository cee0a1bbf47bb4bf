"""One file for each family of NumPy functions."""
