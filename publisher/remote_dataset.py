"""A data set as Kaggle has it: whether it is there, is ready, and holds what is here."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetResponse,
    ApiCreateDatasetVersionRequest,
    ApiCreateDatasetVersionRequestBody,
    ApiDownloadDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiListDatasetFilesRequest,
)

from kernel_src.manifest import MANIFEST_NAME
from publisher.client import Client
from publisher.dataset_folder import DatasetFolder
from publisher.errors import KaggleError
from publisher.failures import Call, status_of
from publisher.transfer import shown_transfer
from publisher.waiting import wait_for
from train_offline.model_card import CARD_NAME

READY, FAILED, DELETED = "ready", "failed", "deleted"
PAGE_FILES = 200
NOTES_FOLDER = "uploads"
"""Beside the folder that is uploaded: where the client remembers uploads that were cut."""
EXPIRIES = 2


class RemoteDataset:
    """One data set at Kaggle.

    Args:
        client: signed in.
        dataset: "owner/slug".
    """

    def __init__(self, client: Client, dataset: str) -> None:
        self._client = client
        self.id = dataset
        self.owner, self._slug = dataset.split("/")[:2]

    @property
    def url(self) -> str:
        """Its page."""
        return f"https://www.kaggle.com/datasets/{self.owner}/{self._slug}"

    @property
    def is_own(self) -> bool:
        """Whether it belongs to the account that is signed in."""
        return self.owner.lower() == self._client.user.lower()

    def _call(self, doing: str, *, repeatable: bool = True) -> Call:
        return Call(
            f"{doing} {self.id}",
            not_found="there is no such data set; upload it with `python publish.py weights`, or correct the name in"
            " kernel.toml (datasets)",
            forbidden="there is no such data set that your account may use; correct the owner or the slug in"
            " kernel.toml (datasets)",
            repeatable=repeatable,
            in_doubt=f"look at {self.url} whether it is there before you run this again",
        )

    def status(self) -> str | None:
        """Kaggle's word for its state, such as "ready"; None if there is no such data set."""
        request = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self.owner, self._slug

        def ask() -> str | None:
            try:
                with self._client.build_kaggle_client() as kaggle:
                    answer = kaggle.datasets.dataset_api_client.get_dataset_status(request)
            except requests.HTTPError as error:
                if self._is_absence(status_of(error)):
                    return None
                raise
            return str(answer.status.name).lower()

        return self._client.ask(self._call("asking for the state of the data set"), ask)

    def _is_absence(self, status: int) -> bool:
        """Whether a refusal means that there is no such data set: Kaggle hides by 403 what others may not know of."""
        return status == 404 or (status == 403 and self.is_own)

    def settled_status(self) -> str | None:
        """Its state, once Kaggle is done with an upload that is under way."""
        settled = (None, READY, FAILED, DELETED)
        return wait_for(f"data set {self.id}", self.status, lambda word: word in settled, self._client, quiet_end=True)

    def sizes_bytes(self) -> dict[str, int]:
        """Its files and their sizes by name."""
        return {str(file.name): int(file.total_bytes) for page in self._pages() for file in page.files}

    def _pages(self) -> Iterator[Any]:
        request = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug = self.owner, self._slug
        request.page_size = PAGE_FILES

        def ask() -> Any:
            with self._client.build_kaggle_client() as kaggle:
                return kaggle.datasets.dataset_api_client.list_dataset_files(request)

        while True:
            page = self._client.ask(self._call("listing the files of the data set"), ask)
            if page.error_message:
                raise self._client.failed(f"listing the files of the data set {self.id} failed: {page.error_message}")
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def read(self, name: str) -> bytes:
        """The bytes of one small file."""
        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug, request.file_name = self.owner, self._slug, name

        def ask() -> bytes:
            with self._client.build_kaggle_client() as kaggle:
                return unpacked(kaggle.datasets.dataset_api_client.download_dataset(request).content)

        return self._client.ask(self._call(f"reading {name} of the data set"), ask)

    def differences(self, folder: Path, names: Sequence[str]) -> list[str]:
        """What it has otherwise than a folder here, one phrase each; empty if nothing.

        The manifest and the card are compared by their bytes, the rest by its size: the manifest has its checksums.

        Args:
            folder: the folder here.
            names: the files in it that count.
        """
        there = self.sizes_bytes()
        found = [f"{name} is missing" for name in names if name not in there]
        for name in names:
            size_bytes = (folder / name).stat().st_size
            if there.get(name) not in (None, 0, size_bytes):
                found.append(f"{name} has {there[name]:,} bytes there and {size_bytes:,} here")
        for name in (MANIFEST_NAME, CARD_NAME):
            if name in names and not found and self.read(name) != (folder / name).read_bytes():
                found.append(f"{name} is another one")
        return found

    def upload(self, folder: DatasetFolder, notes: str, *, new: bool) -> str:
        """Uploads the files, then makes the data set or a version of it; returns its page.

        Raises:
            KaggleError: it failed. Nothing is made of a part of the files.
        """
        request = _create_request(folder) if new else _version_request(folder, notes)
        body = request if new else request.body
        for _ in range(EXPIRIES):
            body.files = []
            with shown_transfer(f"uploading {self.id}", folder.total_bytes) as transfer:
                self._client.transfer = transfer
                self._client.upload_folder(body, folder.path, folder.path.with_name(NOTES_FOLDER))
            if len(body.files) == len(folder.sizes_bytes):
                return self._make(request, new=new)
        raise KaggleError(f"uploading {self.id} failed: the places for its files expired twice; run this again")

    def _make(self, request: Any, *, new: bool) -> str:
        def ask() -> ApiCreateDatasetResponse:
            with self._client.build_kaggle_client() as kaggle:
                datasets = kaggle.datasets.dataset_api_client
                return datasets.create_dataset(request) if new else datasets.create_dataset_version(request)

        doing = "making the data set" if new else "making a version of the data set"
        answer = self._client.ask(self._call(doing, repeatable=False), ask)
        if answer.error or (answer.status or "ok").lower() != "ok":
            raise self._client.failed(f"{doing} {self.id} failed: {answer.error or f'Kaggle said {answer.status}'}")
        return answer.url or self.url

    def wait_until_it_holds(self, folder: DatasetFolder) -> None:
        """Returns when Kaggle says that it is ready, and it holds what the folder has.

        For a moment after an upload Kaggle may still show the version before.

        Raises:
            KaggleError: Kaggle could not make it, or made something else of it, or takes too long.
        """
        remains: list[list[str]] = []

        def look() -> str:
            word = self.status() or "not there yet"
            if word == READY and (different := self.differences(folder.path, list(folder.sizes_bytes))):
                remains.append(different)
                return f"{READY}, but {different[0]}"
            return word

        def is_over(word: str) -> bool:
            return word in (READY, FAILED, DELETED) or len(remains) >= self._client.patience.tries

        state = wait_for(f"data set {self.id}", look, is_over, self._client)
        if state != READY:
            raise self._client.failed(f"Kaggle could not make the data set {self.id} ({state}); see {self.url}")


def unpacked(content: bytes) -> bytes:
    """A file's bytes, also where Kaggle sent it in a zip file of its own."""
    if not content.startswith(b"PK\x03\x04"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def _create_request(folder: DatasetFolder) -> ApiCreateDatasetRequest:
    request = ApiCreateDatasetRequest()
    request.owner_slug, request.slug = folder.id.split("/")
    request.title = folder.title
    request.license_name = folder.licence
    request.is_private = folder.private
    request.description = folder.card
    return request


def _version_request(folder: DatasetFolder, notes: str) -> ApiCreateDatasetVersionRequest:
    request = ApiCreateDatasetVersionRequest()
    request.owner_slug, request.dataset_slug = folder.id.split("/")
    request.body = ApiCreateDatasetVersionRequestBody()
    request.body.version_notes = notes
    request.body.description = folder.card
    return request
