"""Holding a derivative against a reference, and explaining what is wrong with it.

``diagnosis`` is pure: arrays in, findings out, in words of axes, entries and terms. It may import
notation and errors; nothing below this folder imports it.
"""
