"""The questions the makers asked: one file each."""
