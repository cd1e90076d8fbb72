"""For `kopf run -m greenroom_operator.app`: the same operator, started by kopf's own command.

Settings come from GREENROOM_… variables alone, for the command line is kopf's.
"""

from __future__ import annotations

import kopf

from greenroom_core.kube import auth
from greenroom_core.settings import load
from greenroom_operator.handlers import register
from greenroom_operator.settings import Settings
from greenroom_operator.shell import Shell

register(kopf.get_default_registry(), Shell(load(Settings, "kopf run", []), auth.discover()))
