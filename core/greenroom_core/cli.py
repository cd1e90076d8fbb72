"""The command `greenroom`: finds the program that a word stands for and hands over to it."""

from __future__ import annotations

import sys
from importlib import import_module

from greenroom_core.first_process import heed_sigterm

PROGRAMS = {
    "operator": ("greenroom_operator.main", "schedules sessions onto runtime pods"),
    "api": ("greenroom_api.main", "the REST API over the cluster"),
    "uninstall": ("greenroom_operator.uninstall", "ends what runs in a namespace, before the operator goes"),
    "check": ("greenroom_api.check", "asks an installed API whether it works"),
    "up": ("greenroom_local.main", "a whole Greenroom on this machine, left running"),
    "demo": ("greenroom_local.main", "the same, one spoken session, then the end"),
    "control-plane": ("greenroom_local.main", "etcd and kube-apiserver on this machine, nothing else"),
}

_EXTRAS = {"uninstall": "operator", "check": "api", "up": "all", "demo": "all"}
"""What brings a program's packages, where it has not the program's name."""


def main() -> None:
    heed_sigterm()
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word not in PROGRAMS:
        known = "\n".join(f"  greenroom {name:14} {what}" for name, (_, what) in PROGRAMS.items())
        sys.exit(f"usage: greenroom COMMAND [OPTIONS]\n{known}\neach takes --help")
    module, _ = PROGRAMS[word]
    try:
        program = import_module(module)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(word, word)
        sys.exit(f"greenroom {word} needs the package {error.name}: pip install 'greenroom[{extra}]'")
    program.main(sys.argv[1:])


if __name__ == "__main__":
    main()
