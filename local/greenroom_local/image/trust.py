"""How pip reaches its index from this machine: pip's own settings and the trusted certificates, lent to a build.

They come in as secrets, so no address, password or certificate of this machine is in any layer.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What says where packages come from. All else (a target, a cache) is this machine's own affair.
_LENT = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "retries")
_BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SETTING = re.compile(r"^(:env:|global|install)\.([\w-]+)=(.+)$", re.MULTILINE)
_MOUNTED_BUNDLE = "/run/secrets/ca.pem"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Files that are mounted while pip runs, by their id."""

    files: Mapping[str, Path]

    def flags(self) -> list[str]:
        """As docker and buildah take them."""
        return [f"--secret=id={name},src={file}" for name, file in self.files.items()]


def settings(listed: str) -> dict[str, str]:
    """From what `pip config list` prints: the settings that hold for an install, a variable before a file."""
    order = {"global": 0, "install": 1, ":env:": 2}
    found = sorted(_SETTING.findall(listed), key=lambda match: order[match[0]])
    return {name.removeprefix("default-"): " ".join(str(ast.literal_eval(value)).split()) for _, name, value in found}


def configuration(found: Mapping[str, str], bundle: bool) -> str:
    """A pip.conf for the build; `bundle` says whether certificates are mounted there."""
    lent = {name: found[name] for name in _LENT if name in found}
    if "find-links" in lent:
        # A folder of this machine is not there in the build.
        lent["find-links"] = " ".join(place for place in lent["find-links"].split() if "://" in place)
    lines = [f"{name} = {value}" for name, value in lent.items() if value]
    return "\n".join(["[global]", *([f"cert = {_MOUNTED_BUNDLE}"] if bundle else []), *lines, ""])


def certificates(found: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Path | None:
    """The bundle that programs here trust: pip's, a variable's, else the system's."""
    named = [found.get("cert"), *(environment.get(name) for name in _BUNDLES), ssl.get_default_verify_paths().cafile]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


@contextmanager
def lent(listed: str, environment: Mapping[str, str] = os.environ) -> Iterator[Secrets]:
    """The secrets of a build, while it lasts. `listed` is what `pip config list` prints."""
    found = settings(listed)
    bundle = certificates(found, environment)
    with tempfile.TemporaryDirectory(prefix="greenroom-image-") as name:  # readable by its owner alone
        files = {"pip.conf": Path(name) / "pip.conf"}
        files["pip.conf"].write_text(configuration(found, bundle is not None))
        if bundle is not None:
            files["ca.pem"] = Path(name) / "ca.pem"
            shutil.copyfile(bundle, files["ca.pem"])
        yield Secrets(files)
