"""Figures of processes from outside: the API server's own counters, Prometheus pages, CPU time."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenroom_local.admin import Admin

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def samples(text: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """(labels, value) of each sample of that name on a Prometheus page."""
    for line in text.splitlines():
        if line.startswith(name) and (found := _SAMPLE.match(line)) and found.group(1) == name:
            yield dict(_LABEL.findall(found.group(2) or "")), float(found.group(3))


Requests = Counter[tuple[str, str, str]]
"""By (verb, `resource` or `resource/subresource`, code)."""


class ServerMeter:
    """Counts requests that the API server has answered, by its own `apiserver_request_total`."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def read(self) -> Requests:
        page = await self._admin.request("GET", "/metrics")
        requests: Requests = Counter()
        for labels, value in samples(page["text"], "apiserver_request_total"):
            if labels.get("dry_run"):
                continue
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            requests[(labels["verb"], resource, labels["code"])] += int(value)
        for labels, value in samples(page["text"], "authentication_attempts"):
            if labels["result"] != "success":  # these are in no other count
                requests[("any", "anything", "401")] += int(value)
        return requests


def difference(before: Requests, after: Requests) -> Requests:
    """What was asked between."""
    return Counter({key: value - before[key] for key, value in after.items() if value > before[key]})


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far, its threads included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
