"""A provider to test against: OpenAI and Anthropic shapes, faults, and a bill of its own.

It imports nothing else of Scrimp: it is an independent witness.
"""

from scrimp.simulator.bill import Bill, BillRow, Usage
from scrimp.simulator.link import Connection
from scrimp.simulator.records import Recorded
from scrimp.simulator.server import Simulator, run_simulator
from scrimp.simulator.settings import BELIEVABLE, Settings
from scrimp.simulator.upstream import Upstream

__all__ = [
    "BELIEVABLE",
    "Bill",
    "BillRow",
    "Connection",
    "Recorded",
    "Settings",
    "Simulator",
    "Upstream",
    "Usage",
    "run_simulator",
]
