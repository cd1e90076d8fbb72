"""With this folder on PYTHONPATH, the SDK of every Python process connects to STREAM_BASE_URL.

For programs that start others. Stands alone, since it is imported before anything else can be; see
`tests.fakes.stream.pointing`.
"""

import functools
import os

import getstream_rtc

if "STREAM_BASE_URL" in os.environ:
    getstream_rtc.Client = functools.partial(
        getstream_rtc.Client, ws_url=os.environ["STREAM_BASE_URL"].replace("http", "ws", 1)
    )
