"""What a sweep found, as values: counts, rates, intervals, G as a detector. NumPy alone.

No module here knows files or the command line.
"""
