"""One archive over HTTP, with a checksum. Every way in which it can fail is one line of text."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from greenroom_local.binaries import pins
from greenroom_local.binaries.progress import megabytes

if TYPE_CHECKING:
    from greenroom_local.binaries.progress import Progress

_CHUNK_BYTES = 1 << 18
_LARGEST_BYTES = 1 << 30
_LOOK_SECONDS = 0.05


class DownloadFailed(Exception):
    """The archive did not come, or is not the one we want; the message is one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait: for the answer to begin (name look-up and connection included), and for the next byte."""

    answer_seconds: float = 6.0
    stall_seconds: float = 10.0


def download_binaries(base_url: str, archive: pins.Archive, folder: Path, progress: Progress, limits: Limits) -> None:
    """Fetch `archive` from below `base_url` and put its programs into `folder`. Raises :class:`DownloadFailed`."""
    url = f"{base_url.rstrip('/')}/{archive.path}"
    file = folder / "archive.tar.gz"
    _fetch(url, file, progress, limits)
    _check(file, archive.sha512, url)
    _unpack(file, folder)
    file.unlink()


def _fetch(url: str, file: Path, progress: Progress, limits: Limits) -> None:
    transfer = _Transfer(url, file, limits)
    thread = threading.Thread(target=transfer.run, name="download", daemon=True)
    thread.start()
    # The limits are kept here and not by socket timeouts: looking up a name may hang, and knows none.
    seen, since = transfer.state(), progress.now()
    while not transfer.ended.wait(_LOOK_SECONDS):
        state = transfer.state()
        if state != seen:
            seen, since = state, progress.now()
            progress.update(f"downloading the control plane: {transfer.position()}")
        elif progress.now() - since > (limits.stall_seconds if state.answered else limits.answer_seconds):
            transfer.give_up()
            raise DownloadFailed(_too_slow(url, transfer, limits))
    if transfer.problem:
        raise DownloadFailed(transfer.problem)


def _too_slow(url: str, transfer: _Transfer, limits: Limits) -> str:
    if not transfer.answered:
        return f"{url} did not answer within {limits.answer_seconds:g} s"
    return f"{url} stalled: no byte for {limits.stall_seconds:g} s at {transfer.position()}"


@dataclass(frozen=True, slots=True)
class _State:
    answered: bool
    received: int


class _Response(Protocol):
    def read1(self, amount: int, /) -> bytes: ...


class _Transfer:
    """What the downloading thread does, and how far it is."""

    def __init__(self, url: str, file: Path, limits: Limits) -> None:
        self.ended = threading.Event()
        self.problem = ""
        self.answered = False
        self._url = url
        self._file = file
        # Only so that a thread that was given up ends some time; whoever waits for it keeps the limits.
        self._socket_seconds = 2 * max(limits.answer_seconds, limits.stall_seconds)
        self._received = 0
        self._expected: int | None = None
        self._given_up = False

    def state(self) -> _State:
        return _State(self.answered, self._received)

    def position(self) -> str:
        if self._expected is None:
            return megabytes(self._received)
        return f"{megabytes(self._received)} of {megabytes(self._expected)}"

    def give_up(self) -> None:
        """The thread ends by itself at its next byte or at its socket's own limit."""
        self._given_up = True

    def run(self) -> None:
        try:
            self._run()
        except urllib.error.HTTPError as error:
            self.problem = f"{self._url} answered {error.code} {error.reason}"
            error.close()
        except (OSError, ValueError, EOFError) as error:
            reason = getattr(error, "reason", error)
            self.problem = f"{self._url}: {' '.join(str(reason).split())}"
        except Exception as error:  # a thread's exception would be lost, and http.client has some of its own
            self.problem = f"{self._url}: {error!r}"
        finally:
            self.ended.set()

    def _run(self) -> None:
        request = urllib.request.Request(self._url, headers={"User-Agent": "greenroom"})
        with urllib.request.urlopen(request, timeout=self._socket_seconds) as response:
            length = response.headers.get("Content-Length", "")
            self._expected = int(length) if length.isdigit() else None
            self.answered = True
            self._copy(response)
        if self._expected is not None and self._received < self._expected:
            self.problem = f"{self._url} was cut off at {self.position()}"

    def _copy(self, response: _Response) -> None:
        with self._file.open("wb") as file:
            while not self._given_up and (chunk := response.read1(_CHUNK_BYTES)):
                file.write(chunk)
                self._received += len(chunk)
                if self._received > _LARGEST_BYTES:
                    raise ValueError(f"larger than {megabytes(_LARGEST_BYTES)}, this is not our archive")


def _check(file: Path, sha512: str, url: str) -> None:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha512").hexdigest()
    if found != sha512:
        raise DownloadFailed(f"{url} has the wrong checksum: sha512 {found[:16]}…, wanted {sha512[:16]}…")


def _unpack(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                content = archive.extractfile(member) if member.isfile() and name in pins.NAMES else None
                if content is not None:
                    with content:
                        _write_program(folder / name, content)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DownloadFailed(f"the archive cannot be unpacked: {error}") from None


def _write_program(path: Path, content: IO[bytes]) -> None:
    with path.open("wb") as program:
        while chunk := content.read(_CHUNK_BYTES):
            program.write(chunk)
    path.chmod(0o755)
