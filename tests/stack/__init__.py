"""A whole Greenroom of real processes on the real control plane, in its own namespace, to be looked at and hurt."""

from __future__ import annotations

from tests.stack.fleet import FleetPlan
from tests.stack.journal import Journal
from tests.stack.kubectl import Kubectl
from tests.stack.meters import ServerMeter
from tests.stack.programs import Program
from tests.stack.rest import Answer, Rest
from tests.stack.stack import Stack

__all__ = ["Answer", "FleetPlan", "Journal", "Kubectl", "Program", "Rest", "ServerMeter", "Stack"]
