"""Channel orders: criteria, the activations they look at, and which channel goes first."""
