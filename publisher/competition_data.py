"""The competition's data on this machine: fetched, unpacked, counted."""

import csv
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import requests
from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFilesRequest

from kernel_src.errors import KernelError
from publisher.client import Client
from publisher.downloads import Download
from publisher.errors import KaggleError
from publisher.output import competition_call
from publisher.transfer import Transfer, shown_transfer
from train_offline.progress import Progress

KNOWN_CLIPS: Mapping[str, Mapping[str, int]] = {
    "freesound-audio-tagging-2019": {"train_curated": 4_970, "train_noisy": 19_815}
}
SPARE_BYTES = 100 * 10**6
BLOCK_BYTES = 1 << 20


def fetch_data(client: Client, competition: str, out: Path) -> Path:
    """Fetches all of the competition's data as one zip file, or the rest of it; returns that file.

    Raises:
        KaggleError: it failed.
        KernelError: the disk is too small.
    """
    request = ApiDownloadDataFilesRequest()
    request.competition_name = competition

    def open_start() -> requests.Response:
        connection = client.build_kaggle_client()  # stays open: the file comes through it
        answer: requests.Response = connection.competitions.competition_api_client.download_data_files(request)
        return answer

    path = out / f"{competition}.zip"
    with ExitStack() as stack:

        def started(total_bytes: int) -> Transfer:
            have_bytes = sum(part.stat().st_size for part in out.glob("*.part"))
            check_space(out, total_bytes - have_bytes)
            return stack.enter_context(shown_transfer(f"fetching {competition}", total_bytes))

        Download(client, competition_call("fetching the data of", competition), open_start, path).fetch(started)
    return path


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raises a KernelError where the disk has too little room."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes + SPARE_BYTES > free_bytes:
        raise KernelError(
            f"{folder}: {needed_bytes / 1e9:.1f} GB are needed, {free_bytes / 1e9:.1f} GB are free;"
            " make room, or choose another folder with --out"
        )


@dataclass(frozen=True)
class _Entry:
    """One file in the archive and its place in the folder."""

    info: zipfile.ZipInfo
    path: Path


def unpack(archive: Path, out: Path) -> None:
    """Unpacks an archive, and the archives in it each into a folder of its name; what is there already is kept.

    Raises:
        KernelError: one of them is damaged or no zip file, or the disk is too small.
    """
    _unpack_one(archive, out)
    for inner in sorted(out.glob("*.zip")):
        if inner != archive:
            _unpack_one(inner, out if _has_own_folder(inner) else out / inner.stem)
            inner.unlink()


def _unpack_one(archive: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as file:
            entries = [entry for entry in _entries(file, out) if not _is_there(entry)]
            check_space(out, sum(entry.info.file_size for entry in entries))
            with Progress(f"unpacking {archive.name}", len(entries), "file") as progress:
                for entry in entries:
                    _extract(file, entry)
                    progress.advance()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise KernelError(f"{archive}: is damaged ({error}); delete it and run this again") from error


def _entries(file: zipfile.ZipFile, out: Path) -> Iterator[_Entry]:
    for info in file.infolist():
        name = PurePosixPath(info.filename)
        if info.is_dir():
            continue
        if name.is_absolute() or ".." in name.parts:
            raise KernelError(
                f'{file.filename}: has a file named "{info.filename}", outside of its folder; not unpacked'
            )
        yield _Entry(info, out / name)


def _is_there(entry: _Entry) -> bool:
    return entry.path.is_file() and entry.path.stat().st_size == entry.info.file_size


def _extract(file: zipfile.ZipFile, entry: _Entry) -> None:
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    part = entry.path.with_name(f"{entry.path.name}.part")
    try:
        with file.open(entry.info) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK_BYTES)
    except OSError as error:  # a full disk does not say which one
        raise OSError(error.errno, error.strerror, str(part)) from error
    part.replace(entry.path)


def _has_own_folder(archive: Path) -> bool:
    with zipfile.ZipFile(archive) as file:
        return all(name.startswith(f"{archive.stem}/") for name in file.namelist())


def count_clips(competition: str, folder: Path) -> dict[str, int]:
    """How many clips each training split has, if tables, folders and what is known of the competition agree.

    A split is a table and the folder of its name; empty where a competition that is not known has none.

    Raises:
        KaggleError: they do not.
    """
    counts = {}
    known = KNOWN_CLIPS.get(competition, {})
    tables = (path.stem for path in folder.glob("train*.csv"))
    splits = sorted({*known, *(split for split in tables if (folder / split).is_dir())})
    for split in splits:
        rows = _rows(folder / f"{split}.csv")
        files = sum(1 for path in (folder / split).glob("*.wav"))
        expected = known.get(split, rows)
        if not rows == files == expected:
            raise KaggleError(
                f"{folder / split}: {files:,} clips, {rows:,} rows in {split}.csv, expected {expected:,};"
                " delete the folder and run this again"
            )
        counts[split] = files
    return counts


def _rows(table: Path) -> int:
    if not table.is_file():
        return 0
    with table.open(newline="", encoding="utf-8") as file:
        return sum(1 for row in csv.reader(file) if row) - 1
