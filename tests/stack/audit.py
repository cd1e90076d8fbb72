"""What the API server's own audit log says of who asked for what."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from greenroom_core.model import roles

_PROGRAMS = ["system:serviceaccounts"]
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # A watch may go on for longer than the test: its first answer is its record.
        {"level": "Metadata", "userGroups": _PROGRAMS, "verbs": ["watch"], "omitStages": ["ResponseComplete"]},
        {"level": "Metadata", "userGroups": _PROGRAMS, "omitStages": ["ResponseStarted"]},
        {"level": "None"},
    ],
}
_ACCOUNT = "system:serviceaccount:"


class Right(NamedTuple):
    """One verb on one resource, `resource/subresource` for a part of it."""

    verb: str
    resource: str


class Audit:
    """The log of an API server that was started with :attr:`flags`; `folder` gets log and policy."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "audit.log"
        policy = folder / "policy.json"
        policy.write_text(json.dumps(_POLICY))
        self.flags = (
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._log}",
            "--audit-log-mode=blocking",
        )

    def used(self, namespace: str) -> dict[str, set[Right]]:
        """By account of that namespace: what it asked for and was let do."""
        found: dict[str, set[Right]] = defaultdict(set)
        for account, right, code in self._requests(namespace):
            if code not in (401, 403):
                found[account].add(right)
        return found

    def denied(self, namespace: str) -> set[tuple[str, Right]]:
        return {(account, right) for account, right, code in self._requests(namespace) if code in (401, 403)}

    def _requests(self, namespace: str) -> Iterator[tuple[str, Right, int]]:
        prefix = f"{_ACCOUNT}{namespace}:"
        for line in self._log.read_text().splitlines():
            if not line.endswith("}"):
                continue  # being written
            event: dict[str, Any] = json.loads(line)
            user, about = event["user"]["username"], event.get("objectRef")
            if user.startswith(prefix) and about is not None:
                resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
                code = event.get("responseStatus", {}).get("code", 0)
                yield user.removeprefix(prefix), Right(event["verb"], resource), code


def granted(rules: Iterable[roles.Rule]) -> set[Right]:
    """Every single right that these rules give."""
    return {Right(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
