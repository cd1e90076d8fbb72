"""Leadership: one Lease, renewed every second, judged by this machine's own boot-time clock.

A standby takes the Lease once its record has not changed for a whole lease duration as seen from here; nobody's
wall clock is compared with another's. It watches the record, so that one that is given up is taken at once, and asks
for it every second, so that it depends on no watch. A holder may write only while the boot-time clock is before the
send time of its last good renewal, plus the lease duration, less a margin.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import field

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import Kind, kind
from greenroom_core.model.meta import Resource, Wire

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient

logger = logging.getLogger("greenroom.operator.lease")

RENEW_EVERY_SECONDS = 1.0


class LeaseSpec(Wire, frozen=True):
    holder_identity: str = ""
    lease_duration_seconds: int = 0
    renew_time: str = ""
    lease_transitions: int = 0


class Lease(Resource, frozen=True):
    spec: LeaseSpec = field(default_factory=LeaseSpec)


LEASES: Kind[Lease] = kind("/apis/coordination.k8s.io/v1", "leases", Lease)


def micro_time(at: datetime) -> str:
    """The one spelling that the API server takes for a MicroTime: always six digits of fraction."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leadership:
    """One replica's hold on the Lease. `epoch` is the Lease's transitions at the last acquisition, `acquired_at` the
    boot-clock time at which its answer was here.

    An epoch is for one term, from its first plan on. Lost before that, and got back with nobody between, it goes on:
    the fence that was half up stays, so a holder whom the server answers slowly gets further with each try.
    """

    def __init__(self, client: KubeClient, namespace: str, name: str, identity: str, seconds: float) -> None:
        self.identity = identity
        self.epoch = 0
        self.acquired_at = float("-inf")
        self._planned = True  # an epoch that this process did not open does not go on
        self._client = client
        self._clock = client.world.clock
        self._namespace = namespace
        self._name = name
        self._seconds = seconds
        self._margin_seconds = max(0.5, seconds / 5)
        self._held_until = float("-inf")
        self._seen = ("", "")
        self._seen_at = self._clock.boot()
        self._lease: Lease | None = None
        self._given_up = asyncio.Event()

    def valid(self) -> bool:
        """Whether a write may be sent at this very moment."""
        return self._clock.boot() < self._held_until

    def begin(self) -> None:
        """The fence is up: from now on writes are sent that only the fence of a later epoch makes old."""
        self._planned = True

    async def acquire(self) -> None:
        """Returns once this replica leads. Outages are waited out."""
        if await self.attempt():
            return
        record = Selection(self._namespace, fields=f"metadata.name={self._name}")
        without = "a Lease that is given up is seen at the next look only"
        watching = asyncio.create_task(Feed(self._client, LEASES, record, self._on_lease, without=without).run())
        try:
            await self._pause()
            while not await self.attempt():
                await self._pause()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def attempt(self) -> bool:
        """One try; whether this replica leads now."""
        try:
            if await self._try():
                logger.info("%s leads now, epoch %d", self.identity, self.epoch)
                return True
        except KubeError as error:
            logger.debug("lease not acquired: %s", error)
        return False

    async def keep(self) -> None:
        """Renews until the Lease is lost: another holder, or no renewal got through in time."""
        every = min(RENEW_EVERY_SECONDS, self._seconds / 4)
        pause = every
        while True:
            await self._clock.sleep(pause)
            pause = every / 10
            try:
                await self._renew()
                pause = every
            except (Conflict, NotFound):
                if not await self._still_ours():
                    self._held_until = float("-inf")
                    logger.warning("%s has lost the lease %s/%s", self.identity, self._namespace, self._name)
                    return
            except KubeError as error:
                logger.debug("lease not renewed: %s", error)
            if not self.valid():
                logger.warning("%s could not renew in time: planning stops", self.identity)
                return

    async def release(self) -> None:
        """Gives the Lease up, so that a standby need not wait for it to run out."""
        if not self.valid() or self._lease is None:
            return
        self._held_until = float("-inf")
        try:
            await self._write(self._lease, {"holderIdentity": ""})
        except KubeError as error:
            logger.info("lease not released, it runs out by itself: %s", error)

    async def _try(self) -> bool:
        sent_at = self._clock.boot()
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            return await self._create()
        self._see(lease, sent_at)
        fresh = self._clock.boot() - self._seen_at < self._seconds
        if lease.spec.holder_identity not in ("", self.identity) and fresh:
            return False
        sent_at = self._clock.boot()
        transitions = self._next_epoch(lease)
        try:
            self._lease = await self._write(lease, self._record(transitions))
        except Conflict:
            return False
        self._hold(sent_at, transitions)
        return True

    def _next_epoch(self, lease: Lease) -> int:
        last = lease.spec.lease_transitions
        goes_on = (lease.spec.holder_identity, last) == (self.identity, self.epoch) and not self._planned
        return last if goes_on else last + 1

    def _on_lease(self, change: Change[Lease]) -> None:
        if change.new is not None:
            self._see(change.new, self._clock.boot())
        if change.new is None or not change.new.spec.holder_identity:
            self._given_up.set()

    def _see(self, lease: Lease, at: float) -> None:
        record = (lease.metadata.uid, lease.metadata.resource_version)
        if record != self._seen:
            self._seen, self._seen_at = record, at

    async def _pause(self) -> None:
        """Until another try is worth it: the Lease is given up, or has run out, or a second has passed."""
        seconds = RENEW_EVERY_SECONDS * (0.9 + self._client.world.random.random() / 5)
        runs_out_in = self._seen_at + self._seconds - self._clock.boot()
        try:
            async with self._clock.timeout(min(seconds, runs_out_in) if runs_out_in > 0 else seconds):
                await self._given_up.wait()
        except TimeoutError:
            pass
        self._given_up.clear()

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._record(1),
        }
        sent_at = self._clock.boot()
        try:
            self._lease = await self._client.create(LEASES, self._namespace, body)
        except AlreadyExists:
            return False
        self._hold(sent_at, 1)
        return True

    async def _renew(self) -> None:
        if self._lease is None:
            raise RuntimeError("keep() before acquire()")
        sent_at = self._clock.boot()
        self._lease = await self._write(self._lease, {"renewTime": micro_time(self._clock.wall())})
        self._held_until = sent_at + self._seconds - self._margin_seconds

    async def _still_ours(self) -> bool:
        """A lost answer makes our own renewal look like somebody's: only the holder in the record tells."""
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            return False
        except KubeError:
            return True
        self._lease = lease
        return (lease.spec.holder_identity, lease.spec.lease_transitions) == (self.identity, self.epoch)

    async def _write(self, lease: Lease, spec: dict[str, Any]) -> Lease:
        patch = {"metadata": {"resourceVersion": lease.metadata.resource_version}, "spec": spec}
        return await self._client.merge_patch(LEASES, self._namespace, self._name, patch)

    def _record(self, transitions: int) -> dict[str, Any]:
        now = micro_time(self._clock.wall())
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self._seconds),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _hold(self, sent_at: float, transitions: int) -> None:
        self.epoch, self._planned = transitions, False
        self.acquired_at = self._clock.boot()
        self._held_until = sent_at + self._seconds - self._margin_seconds
