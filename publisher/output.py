"""Brings back what a run left, and checks the submission as the simulator does."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest

from publisher.client import Client
from publisher.downloads import Download, open_address
from publisher.failures import Call
from publisher.kernel_log import read_log
from publisher.remote_dataset import unpacked
from publisher.remote_kernel import RemoteKernel
from simulator.submission_check import submission_faults

SUBMISSION_NAME = "submission.csv"
SAMPLE_NAME = "sample_submission.csv"
LOG_NAME = "kernel.log"
LIST_NAME = ".brought-back"
"""In the folder: the files that the last call brought there, one a line."""


@dataclass(frozen=True)
class Fetched:
    """What was brought back."""

    folder: Path
    names: tuple[str, ...]
    """The files, by their path in the folder."""
    seconds_s: float | None
    """How long the run took, as far as its log tells."""


def fetch_output(client: Client, kernel: RemoteKernel, out: Path) -> Fetched:
    """Fetches the log and every file of the newest run; what the last call brought goes first, for it may be older.

    Raises:
        KaggleError: something could not be fetched.
    """
    output = kernel.output()
    for name in output.files:
        if not _stays_inside(name):
            raise client.failed(
                f'{kernel.id} left a file named "{name}", which lies outside of its folder; not fetched'
            )
    names = (LOG_NAME, *output.files)
    _begin_anew(out, names)
    log = read_log(output.log)
    (out / LOG_NAME).write_text(log.text, encoding="utf-8")
    for name, url in output.files.items():
        expired = f"its address has expired; {client.again}"
        call = Call(f"fetching {name} of {kernel.id}", not_found=expired, forbidden=expired)
        open_start = partial(open_address, url, client.patience.timeout_s)
        Download(client, call, open_start, out / name).fetch()
    return Fetched(out, names, log.seconds_s)


def _stays_inside(name: str) -> bool:
    """Whether a file of this name lies in the folder that it is to be put into."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _begin_anew(out: Path, names: Iterable[str]) -> None:
    """Removes what the last call brought, and notes what this one will bring; other files are left alone."""
    out.mkdir(parents=True, exist_ok=True)
    brought = out / LIST_NAME
    old = brought.read_text(encoding="utf-8", errors="replace").split("\n") if brought.is_file() else []
    for name in (SUBMISSION_NAME, *old):
        if _stays_inside(name) and (out / name).is_file():
            (out / name).unlink()
    brought.write_text("\n".join(names), encoding="utf-8")


def sample_submission(client: Client, competition: str, folder: Path) -> Path:
    """The competition's sample_submission.csv, fetched into a folder."""
    request = ApiDownloadDataFileRequest()
    request.competition_name, request.file_name = competition, SAMPLE_NAME

    def ask() -> bytes:
        with client.build_kaggle_client() as kaggle:
            return unpacked(kaggle.competitions.competition_api_client.download_data_file(request).content)

    content = client.ask(competition_call(f"fetching {SAMPLE_NAME} of", competition), ask)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SAMPLE_NAME
    path.write_bytes(content)
    return path


def competition_call(doing: str, competition: str, *, repeatable: bool = True) -> Call:
    """A call about a competition: a 403 means that its rules are not accepted."""
    page = f"https://www.kaggle.com/competitions/{competition}"
    return Call(
        f"{doing} {competition}",
        not_found="there is no such competition, or it has no such file; correct the competition in kernel.toml",
        forbidden=f"you have not accepted the competition's rules; do so at {page}/rules",
        repeatable=repeatable,
        in_doubt=f"look at {page}/submissions before you run this again",
    )


def check_submission(client: Client, kernel: RemoteKernel, fetched: Fetched, sample: Path) -> None:
    """Raises a KaggleError if Kaggle would not take the submission that came back."""
    if SUBMISSION_NAME not in fetched.names:
        raise client.failed(f"the run of {kernel.id} left no {SUBMISSION_NAME}; see {fetched.folder / LOG_NAME}")
    if faults := submission_faults(fetched.folder / SUBMISSION_NAME, sample):
        raise client.failed(f"{fetched.folder / SUBMISSION_NAME} would not be taken: {' '.join(faults)}")
