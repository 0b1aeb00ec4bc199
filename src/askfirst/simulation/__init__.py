"""A synthetic population of a tool's users whose true answers are known.

`Population` draws it, `arrivals` puts its events in the order a collector sees them, `fill`,
`write` and `deliver` put them into a store, a file or a collector, `truth` counts the answers
another way than the questions do, and `compare` says where the two differ.
"""

from askfirst.simulation.arrival import arrivals
from askfirst.simulation.comparison import compare
from askfirst.simulation.delivery import Delivered, DeliveryError, deliver
from askfirst.simulation.filling import fill, write
from askfirst.simulation.population import Population
from askfirst.simulation.truth import truth

__all__ = [
    "Delivered",
    "DeliveryError",
    "Population",
    "arrivals",
    "compare",
    "deliver",
    "fill",
    "truth",
    "write",
]
