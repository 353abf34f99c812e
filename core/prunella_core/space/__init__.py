"""What files take on disk, and what a set of them frees."""
