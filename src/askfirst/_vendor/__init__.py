"""tomli 2.0.1, for Python 3.10: what tomllib is in 3.11. The client may have no dependency.

Its code without its comments: MIT, 2021 Taneli Hukkinen, licensed to PSF under a Contributor Agreement.
"""
