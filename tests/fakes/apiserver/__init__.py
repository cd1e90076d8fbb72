"""An API server in memory, for tests: :class:`FakeApiServer`, and a :class:`FakeTransport` for each client.

    server = FakeApiServer()                                    # inside a running loop, virtual or not
    client = KubeClient(World(server.clock, Random(1), server.transport("operator")))

It answers as kube-apiserver does where Greenroom relies on it; `tests/contract` holds both to the same tests.
"""

from tests.fakes.apiserver.faults import Script, refusal
from tests.fakes.apiserver.server import FakeApiServer
from tests.fakes.apiserver.transport import FakeTransport, Faults

__all__ = [
    "FakeApiServer",
    "FakeTransport",
    "Faults",
    "Script",
    "refusal",
]
