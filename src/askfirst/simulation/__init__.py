"""A population whose true answers are known."""
