"""Who is let in: through the ingress, with tokens that the cluster made."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import aiohttp
from tests.e2e import calls, fleet
from tests.e2e.commands import Kubectl
from tests.e2e.scene import HOST

if TYPE_CHECKING:
    from tests.e2e.scene import Scene

_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


async def strangers(scene: Scene) -> None:
    """No token and a made-up one: 401. A known caller who may nothing: 403."""
    for door in (await scene.door(""), await scene.open_door("made-up")):
        for answer in (await door.start("refused"), await door.ask("GET", "/sessions")):
            assert answer.status == 401, f"{answer.status} {answer.body}"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    stranger = await scene.door("stranger")
    for answer in (await stranger.start("refused"), await stranger.ask("GET", "/sessions")):
        assert answer.status == 403, f"{answer.status} {answer.body}"
    looker = await scene.door("looker")
    assert (await looker.ask("GET", "/sessions")).status == 200
    assert (await looker.start("refused")).status == 403
    listed = (await looker.ask("GET", "/sessions?call_id=refused")).body["sessions"]
    assert listed == [], f"a refused start left {listed}"


async def ingress(scene: Scene) -> None:
    """The Ingress has the certificate that it was given, and leads to what callers need and nowhere else."""
    door = await scene.door()
    for path in ("/metrics", "/health", "/ready"):
        answer = await door.ask("GET", path)
        assert answer.status == 404, f"{path} is answered from outside: {answer.status}"
    plain = {"Host": HOST}
    async with aiohttp.ClientSession() as http:
        untrusted = ssl.create_default_context()
        try:
            address = f"{scene.cluster.ingress_https}/sessions"
            await http.get(address, headers=plain, ssl=untrusted, server_hostname=HOST)
        except aiohttp.ClientConnectorCertificateError:
            return
    raise AssertionError("the ingress answered with a certificate that everybody trusts")


async def compromised_pod(scene: Scene) -> None:
    """Whoever holds a runtime pod's token writes nothing of its neighbours', and starts nothing that is not its own."""
    victim = await calls.start(scene, "victim")
    thief = await _thief(scene)
    assert victim.session in await thief.ok("get", "agentsessions", "-o", "name"), "the stolen token opens nothing"
    ended = '{"status":{"phase":"Closed","reason":"Finished"}}'
    neighbour = ("agentsession", victim.session)
    attacks = {
        "status": ("patch", *neighbour, "--subresource=status", "--type=merge", "-p", ended),
        "close": ("annotate", *neighbour, "greenroom.dev/close-requested=now"),
        "deletion": ("delete", *neighbour, "--wait=false"),
        "fleet": ("patch", "agentruntime", "default", "--type=merge", "-p", '{"spec":{"replicas":0}}'),
        "secrets": ("get", "secrets"),
        "pods": ("delete", "pod", victim.pod, "--wait=false"),
    }
    for what, words in attacks.items():
        done = await thief.run(*words)
        assert done.status != 0, f"a pod's token was let do this to its neighbour: {what}: {done.out}"
        assert "forbidden" in done.err.lower(), f"{what}: {done.err}"
    await calls.assert_untouched(scene, [victim])
    await calls.close(scene, victim)


async def _thief(scene: Scene) -> Kubectl:
    """kubectl with nothing but the token that lies in a pod of the second fleet."""
    pod = fleet.name(await fleet.until_ready(scene, fleet.SECOND))
    token = (await scene.kubectl.ok("exec", pod, "--", "cat", _TOKEN)).strip()
    config = await scene.kubectl.json("config", "view", "--raw", "--minify", "--flatten")
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = scene.directory / "stolen.kubeconfig"
    path.write_text(json.dumps(config))
    return Kubectl(scene.kubectl.path, path, scene.kubectl.namespace)
