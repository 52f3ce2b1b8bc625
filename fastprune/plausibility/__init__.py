"""Whether sets can be what they are called: what B says of a few of their images tells.

Networks and sets that do not belong together give tables that look like any other. Each verdict is
a pure function of classes and labels (`scales`, `labels`, `pairs`); `looking` gathers what they
judge: one small forward of B per set, before anything else is paid for.
"""
