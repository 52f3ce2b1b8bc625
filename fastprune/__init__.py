"""The pruning defense on backdoored networks, exactly and for the price of one pass."""

__version__ = "0.1.0"
