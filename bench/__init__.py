"""Side-by-side measurements: ``python -m bench`` runs them all, ``bench/README.md`` holds them."""
