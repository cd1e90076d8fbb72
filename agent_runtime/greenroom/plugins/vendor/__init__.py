"""What plugins on a vendor's service have in common: keys, missing packages, errors, retries, shared clients.

Knows no vendor.
"""

from __future__ import annotations

from greenroom.plugins.vendor.errors import VendorError
from greenroom.plugins.vendor.keys import Key, MissingKeyError, find_key
from greenroom.plugins.vendor.leases import Leases
from greenroom.plugins.vendor.limits import limited
from greenroom.plugins.vendor.packages import load, require
from greenroom.plugins.vendor.retries import Backoff, repeated
from greenroom.plugins.vendor.service import Service

__all__ = [
    "Backoff",
    "Key",
    "Leases",
    "MissingKeyError",
    "Service",
    "VendorError",
    "find_key",
    "limited",
    "load",
    "repeated",
    "require",
]
