"""What one wants to see when a step has failed: events, pods, objects, the programs' last words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.scene import Scene

_TAIL = "--tail=60"
_ASKED = (
    ("get", "pods", "-o", "wide"),
    ("get", "agentruntimes,agentsessions", "-o", "wide"),
    ("get", "events", "--sort-by=.lastTimestamp"),
    ("get", "nodes", "-o", "wide"),
    ("get", "pods", "--all-namespaces"),
    ("get", "ingress,service,endpointslices"),
    ("logs", "-l", "app.kubernetes.io/component=operator", _TAIL, "--prefix"),
    ("logs", "-l", "app.kubernetes.io/component=api", _TAIL, "--prefix"),
    ("logs", "-l", "greenroom.dev/runtime", _TAIL, "--prefix"),
    ("logs", "-l", "app.kubernetes.io/component=uninstall", _TAIL, "--prefix"),
)
_LINES = 80


async def tell(scene: Scene, say: Callable[[str], None]) -> None:
    """Never raises: it comes after what went wrong."""
    for words in _ASKED:
        say(f"$ kubectl {' '.join(words)}")
        try:
            done = await scene.kubectl.run(*words, seconds=30)
        except (AssertionError, OSError) as error:
            say(f"  {error}")
            continue
        for line in (done.out + done.err).splitlines()[-_LINES:]:
            say(f"  {line}")
