"""A network: its file checked and loaded, its graph, where it is cut, and B′ and G made of it."""
