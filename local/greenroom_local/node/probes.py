"""HTTP probes of a pod's process. It tells what it found; what follows from that is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.clock import Clock

_FIRST_SUCCESS_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Probe:
    """An `httpGet` probe with its times and thresholds. The address in `url` is on this machine."""

    url: str
    headers: Mapping[str, str]
    initial_delay_seconds: float
    period_seconds: float
    timeout_seconds: float
    success_threshold: int
    failure_threshold: int
    grace_seconds: float | None

    @classmethod
    def read(cls, spec: Mapping[str, Any] | None, host: str, port: int) -> Self | None:
        """None where the container has no such probe, or one of another form than httpGet.

        All pods share this machine's network, so whichever port the spec names, the process listens on `port`.
        """
        get = (spec or {}).get("httpGet")
        if not spec or not get:
            return None
        scheme = get.get("scheme", "HTTP").lower()
        return cls(
            url=f"{scheme}://{host}:{port}/{get.get('path', '/').lstrip('/')}",
            headers={header["name"]: header["value"] for header in get.get("httpHeaders") or ()},
            initial_delay_seconds=spec.get("initialDelaySeconds", 0),
            period_seconds=spec.get("periodSeconds", 10),
            timeout_seconds=spec.get("timeoutSeconds", 1),
            success_threshold=spec.get("successThreshold", 1),
            failure_threshold=spec.get("failureThreshold", 3),
            grace_seconds=spec.get("terminationGracePeriodSeconds"),
        )


class Prober:
    """Probes over one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def watch_readiness(self, probe: Probe, changed: Callable[[bool], None]) -> None:
        """Call `changed` at each turn from not ready to ready and back, for ever. Not ready is the beginning."""
        await self._clock.sleep(probe.initial_delay_seconds)
        ready, streak = False, 0
        while True:
            streak = streak + 1 if await self._succeeds(probe) != ready else 0
            if streak >= (probe.failure_threshold if ready else probe.success_threshold):
                ready, streak = not ready, 0
                changed(ready)
            # A kubelet waits the whole period; here somebody is looking on.
            pause = probe.period_seconds if ready else min(probe.period_seconds, _FIRST_SUCCESS_POLL_SECONDS)
            await self._clock.sleep(pause)

    async def until_dead(self, probe: Probe) -> None:
        """Return once the probe has failed as often in a row as its threshold says."""
        await self._clock.sleep(probe.initial_delay_seconds)
        failures = 0
        while failures < probe.failure_threshold:
            await self._clock.sleep(probe.period_seconds)
            failures = 0 if await self._succeeds(probe) else failures + 1

    async def _succeeds(self, probe: Probe) -> bool:
        timeout = aiohttp.ClientTimeout(total=probe.timeout_seconds)
        try:
            async with self._session.get(
                probe.url, headers=probe.headers, timeout=timeout, ssl=False, allow_redirects=False
            ) as response:
                return 200 <= response.status < 400
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
