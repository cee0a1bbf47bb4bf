"""`jb.course`: exercises, and a grader that explains

Floor 11. Imports errors.
"""
