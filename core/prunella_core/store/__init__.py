"""Which store, where it is, and what its owner pinned."""
