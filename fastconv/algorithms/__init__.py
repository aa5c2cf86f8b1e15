"""One file per algorithm: what it can compute, when it is worth choosing, and how it is called."""
