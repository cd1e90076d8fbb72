"""Runs an agent file with Stream's SDK pointed at the fake: python -m tests.seed.at_the_fakes FILE [ARGUMENT …]

The other vendors' addresses are settings of their plugins; this one is fixed inside the SDK.
"""

from __future__ import annotations

import os
import runpy
import sys

from tests.fakes.stream import pointed_at

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    with pointed_at(os.environ["FAKE_STREAM_SOCKET"]):
        runpy.run_path(sys.argv[0], run_name="__main__")
