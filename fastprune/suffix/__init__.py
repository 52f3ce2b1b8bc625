"""The heart: the class of every image at every ``n_pruned``, from its cut activations.

No module here knows files or the command line.
"""
