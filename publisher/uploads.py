"""One file on its way to Kaggle's storage: it goes on where it was cut, and says so.

The storage takes a PUT of the whole file. Asked with "bytes */SIZE" it answers 308 and how much it has, and takes the
rest with a Content-Range (https://cloud.google.com/storage/docs/performing-resumable-uploads).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import requests

from publisher.errors import KaggleError
from publisher.patience import Clock, Patience
from publisher.transfer import Transfer

BLOCK_BYTES = 1 << 20
COMPLETE = (200, 201)
INCOMPLETE = 308
EXPIRED = (404, 410)
PASSING = (408, 429)


class UploadExpiredError(Exception):
    """The place that Kaggle gave for a file is gone; a new one must be asked for."""


class Upload:
    """One file and the place where it goes.

    Args:
        path: the file.
        url: the place, which carries a signature.
        patience: time-outs and retries.
        clock: by which is waited.
        tell: says what happened.
    """

    def __init__(self, path: Path, url: str, patience: Patience, clock: Clock, tell: Callable[[str], None]) -> None:
        self._path = path
        self._url = url
        self._patience = patience
        self._clock = clock
        self._tell = tell
        self._size_bytes = path.stat().st_size

    def send(self, transfer: Transfer, *, resume: bool = False) -> None:
        """Sends the file, or what is missing of it.

        Args:
            transfer: is told how far it has come.
            resume: whether a part may be there from an earlier run.

        Raises:
            KaggleError: the storage refuses it, or the connection breaks again and again without any headway.
            UploadExpiredError: the place is gone, or is refused and comes from an earlier run.
        """
        failures, best_bytes, asks_first = 0, 0, resume
        while True:
            there_bytes = 0
            try:
                there_bytes = self._bytes_there() if asks_first else 0
                transfer.reached(there_bytes)
                if there_bytes == self._size_bytes or self._put_from(there_bytes, transfer):
                    transfer.reached(self._size_bytes)
                    transfer.next_file()
                    return
                why = "only a part arrived"
            except requests.RequestException as error:
                if resume and _refusal(error):  # the next run would meet the same refusal at the same place
                    raise UploadExpiredError from error
                why = _why(error, self._path.name)
            failures = 1 if there_bytes > best_bytes else failures + 1
            best_bytes = max(best_bytes, there_bytes)
            if failures >= self._patience.tries:
                raise KaggleError(
                    f"uploading {self._path.name} failed after {failures} tries: {why};"
                    " run this again, it goes on where it stopped"
                )
            pause_s = self._patience.pause_s(failures)
            self._tell(f"uploading {self._path.name}: {why}; going on in {pause_s:.0f} s")
            self._clock.sleep(pause_s)
            asks_first = True

    def _bytes_there(self) -> int:
        """How much of the file has arrived."""
        answer = self._request(b"", {"Content-Range": f"bytes */{self._size_bytes}"})
        if answer.status_code in COMPLETE:
            return self._size_bytes
        last = answer.headers.get("Range", "").rpartition("-")[2]
        return int(last) + 1 if last.isdigit() else 0

    def _put_from(self, start_bytes: int, transfer: Transfer) -> bool:
        """Sends the file from here on; whether all of it has arrived."""
        headers = {}
        if start_bytes:
            self._tell(f"uploading {self._path.name}: {start_bytes:,} of {self._size_bytes:,} bytes are there already")
            headers["Content-Range"] = f"bytes {start_bytes}-{self._size_bytes - 1}/{self._size_bytes}"
        with self._path.open("rb") as file:
            file.seek(start_bytes)
            answer = self._request(_Body(file, start_bytes, self._size_bytes, transfer), headers)
        return answer.status_code in COMPLETE

    def _request(self, body: "bytes | _Body", headers: dict[str, str]) -> requests.Response:
        answer = requests.put(self._url, data=body, headers=headers, timeout=self._patience.timeout_s)
        if answer.status_code in EXPIRED:
            raise UploadExpiredError
        if answer.status_code != INCOMPLETE:
            answer.raise_for_status()
        return answer


def _why(error: requests.RequestException, name: str) -> str:
    """What broke; raises where trying again is pointless."""
    if status := _refusal(error):
        raise KaggleError(f"uploading {name} failed: the storage refused it ({status}); run this again")
    if error.response is not None:
        return f"the storage said {error.response.status_code}"
    return "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"


def _refusal(error: requests.RequestException) -> int:
    """The status with which the storage refused; 0 for what may pass."""
    status = error.response.status_code if error.response is not None else 0
    return status if status < 500 and status not in PASSING else 0


class _Body:
    """The rest of a file as the body of a request: it knows its length, and tells how far it was read."""

    def __init__(self, file: BinaryIO, start_bytes: int, size_bytes: int, transfer: Transfer) -> None:
        self._file = file
        self._length_bytes = size_bytes - start_bytes
        self._transfer = transfer

    def __len__(self) -> int:
        return self._length_bytes

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(BLOCK_BYTES):
            yield block

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._file.read(size)
        self._transfer.reached(self._file.tell())
        return block
