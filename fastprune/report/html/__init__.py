"""Results as HTML: one page that needs no network, and what a notebook shows."""
