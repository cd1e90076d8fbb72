"""``python -m greenroom_local``."""

from __future__ import annotations

from greenroom_local.main import main

main()
