"""A file from Kaggle's storage: it goes on where it was cut, and has its name only when it is whole."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import requests

from publisher.client import Client
from publisher.failures import Call
from publisher.transfer import Transfer

BLOCK_BYTES = 1 << 16  # what a broken connection may cost
PARTIAL = 206

Open = Callable[[], requests.Response]
"""Gives an open answer with a file from its start; asked anew for each try, for the addresses of large files expire."""


def open_address(url: str, timeout_s: float) -> requests.Response:
    """An open answer with the file at an address that carries its own signature."""
    answer = requests.get(url, stream=True, timeout=timeout_s, headers={"Accept-Encoding": "identity"})
    answer.raise_for_status()
    return answer


@dataclass(frozen=True)
class _Source:
    """An open answer with a file, or with the rest of one."""

    answer: requests.Response
    part: Path
    """Where it goes for now."""
    start_bytes: int
    """How much of it is there already."""
    total_bytes: int | None
    """How much there is in all, if that is known."""


class Download:
    """One file and the place that it goes to.

    Args:
        client: for its patience, and its way to tell.
        call: what is being done, and what refusals mean.
        open_start: gives the file from its start.
        path: where the file goes; what lies there is replaced.
    """

    def __init__(self, client: Client, call: Call, open_start: Open, path: Path) -> None:
        self._client = client
        self._call = call
        self._open_start = open_start
        self._path = path

    def fetch(self, started: Callable[[int], Transfer] | None = None) -> None:
        """Fetches the file.

        Args:
            started: is told how many bytes there are in all (0: unknown), and gives what counts them.

        Raises:
            KaggleError: it failed; what has arrived is kept for the next time, if it can be known to be good then.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        transfer: Transfer | None = None
        failures, best_bytes = 0, 0
        while True:
            source = self._client.ask(self._call, self._open)
            transfer = transfer or (started(source.total_bytes or 0) if started else Transfer(lambda _: None))
            try:
                with source.answer:
                    _receive(source, transfer)
            except requests.RequestException as error:
                have_bytes = source.part.stat().st_size
                failures = 1 if have_bytes > best_bytes else failures + 1
                best_bytes = max(best_bytes, have_bytes)
                self._pause_or_give_up(error, failures, have_bytes)
            except OSError as error:  # a full disk does not say which one
                raise OSError(error.errno, error.strerror, str(source.part)) from error
            else:
                source.part.replace(self._path)
                return

    def _pause_or_give_up(self, error: requests.RequestException, failures: int, have_bytes: int) -> None:
        patience = self._client.patience
        why = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
        if failures >= patience.tries:
            raise self._client.failed(
                f"{self._call.doing} failed after {failures} tries: {why} at {have_bytes:,} bytes; {self._client.again}"
            )
        pause_s = patience.pause_s(failures)
        self._client.tell(f"{self._call.doing}: {why} at {have_bytes:,} bytes; going on in {pause_s:.0f} s")
        self._client.clock.sleep(pause_s)

    def _open(self) -> _Source:
        answer = self._open_start()
        length = answer.headers.get("Content-Length", "")
        total_bytes = int(length) if length.isdigit() and "Content-Encoding" not in answer.headers else None
        identity = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        part = self._part(identity)
        have_bytes = part.stat().st_size if part.exists() and identity else 0
        if not identity or not 0 < have_bytes < (total_bytes or 0):
            return _Source(answer, part, 0, total_bytes)
        answer.close()
        request = answer.request.copy()
        asked = {"Range": f"bytes={have_bytes}-", "If-Range": identity, "Accept-Encoding": "identity"}
        request.headers.update(asked)
        rest = self._send(request)
        return _Source(rest, part, have_bytes if rest.status_code == PARTIAL else 0, total_bytes)

    def _part(self, identity: str | None) -> Path:
        """Where this state of the file goes while it is not whole; parts of its other states are removed."""
        state = hashlib.sha256((identity or "").encode()).hexdigest()[:8]
        part = self._path.with_name(f"{self._path.name}.{state}.part")
        for other in self._path.parent.glob(f"{escape(self._path.name)}.????????.part"):
            if other != part:
                other.unlink()
        return part

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        session = requests.Session()
        settings = session.merge_environment_settings(request.url or "", {}, True, None, None)
        answer = session.send(request, timeout=self._client.patience.timeout_s, **settings)
        answer.raise_for_status()
        return answer


def _receive(source: _Source, transfer: Transfer) -> None:
    position_bytes = source.start_bytes
    transfer.reached(position_bytes)
    with source.part.open("ab" if position_bytes else "wb") as file:
        for block in source.answer.iter_content(BLOCK_BYTES):
            file.write(block)
            position_bytes += len(block)
            transfer.reached(position_bytes)
    if source.total_bytes is not None and position_bytes != source.total_bytes:
        raise requests.ConnectionError(f"{position_bytes} of {source.total_bytes} bytes arrived")
