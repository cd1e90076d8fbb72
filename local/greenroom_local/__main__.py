"""``python -m greenroom_local``."""

from __future__ import annotations

import sys

from greenroom_local.main import main

sys.exit(main())
