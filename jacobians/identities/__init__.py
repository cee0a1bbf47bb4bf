"""Identities of matrix calculus: a catalogue whose rows are derived here, and proved by numbers.

Floor 10. Imports errors, transforms.
"""
