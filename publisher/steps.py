"""The five steps of publishing, each from its options to its exit code."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from kernel_src.manifest import Manifest, read_manifest
from publisher.bundle_check import check_bundle
from publisher.client import Client
from publisher.competition_data import count_clips, fetch_data, unpack
from publisher.dataset_folder import check_weights, weights_dataset
from publisher.errors import KaggleError
from publisher.output import SAMPLE_NAME, SUBMISSION_NAME, check_submission, fetch_output, sample_submission
from publisher.publishing import Publishing
from publisher.remote_dataset import READY, RemoteDataset
from publisher.remote_kernel import COMPLETE, RemoteKernel, RunState
from publisher.submit import submit, wait_for_score
from simulator.alone import alone_in
from train_offline.progress import clock_text
from train_offline.weights_check import weights_files

INTERRUPTED = 128 + signal.SIGINT
WE = "publish.py"


def publish_weights(publishing: Publishing) -> int:
    """Uploads the weights, unless Kaggle has them already."""
    weights_dataset(publishing.project)
    client = publishing.sign_in()
    with alone_in(publishing.dataset_path, WE, "--build"):
        return _upload_weights(publishing, client)


def _upload_weights(publishing: Publishing, client: Client) -> int:
    options = publishing.options
    folder = publishing.dataset_folder(client)
    remote = RemoteDataset(client, folder.id)
    status = remote.settled_status()
    if status == READY and not (different := remote.differences(folder.path, list(folder.sizes_bytes))):
        print(f"{remote.url} has these weights already: nothing was uploaded")
        return 0
    if status == READY:
        client.tell(f"{folder.id}: {different[0]}; uploading a new version")
    if not remote.is_own:  # an organisation's, or one to which somebody has invited this account
        client.tell(
            f"{folder.id} belongs to {remote.owner}, and you are {client.user}; Kaggle may refuse it at its end"
        )
    notes = options.message or _notes(read_manifest(publishing.weights))
    url = remote.upload(folder, notes, new=status is None)
    if options.no_wait:
        print(f"{url} is being made from {len(folder.sizes_bytes)} files, {folder.total_bytes:,} bytes")
        return 0
    try:
        remote.wait_until_it_holds(folder)
    except KeyboardInterrupt:
        client.tell(f"no longer waiting; Kaggle goes on: {url}. To look again: python publish.py weights")
        return INTERRUPTED
    print(f"{url} is ready: {len(folder.sizes_bytes)} files, {folder.total_bytes:,} bytes")
    return 0


def _notes(manifest: Manifest) -> str:
    scores = [member.oof_lwlrap for member in manifest.members if member.oof_lwlrap is not None]
    mean = f", out-of-fold lwlrap {sum(scores) / len(scores):.4f}" if scores else ""
    return f"recipe {manifest.created_with.get('recipe', 'unknown')}, {len(manifest.members)} networks{mean}"


def publish_kernel(publishing: Publishing) -> int:
    """Pushes the bundle, and unless told otherwise waits for its run and brings the output back."""
    client = publishing.sign_in()
    kernel = publishing.kernel(client)
    check_bundle(publishing.project, publishing.build, client.secrets)
    _check_dataset(publishing, client)
    version = kernel.push(publishing.build)
    print(f"version {version} of {kernel.id} runs at {kernel.url}", flush=True)
    if publishing.options.no_wait:
        print("to bring its output back: python publish.py output")
        return 0
    return _bring_back(publishing, client, kernel, version)


def _check_dataset(publishing: Publishing, client: Client) -> None:
    """Raises unless Kaggle holds the weights that are here: its versions cannot be compared, checksums can."""
    if not publishing.kernel_toml.datasets:
        return
    remote = RemoteDataset(client, weights_dataset(publishing.project))
    # Kaggle tells the state of a data set to its owner only; the files of a friend's can be compared all the same.
    if remote.is_own and (status := remote.status()) != READY:
        state = f"is {status}, not ready" if status else "is not there"
        raise client.failed(f"the data set {remote.id} {state}; upload the weights with `python publish.py weights`")
    names = weights_files(check_weights(publishing.weights, client.secrets))
    if different := remote.differences(publishing.weights, names):
        raise client.failed(
            f"the data set {remote.id} does not hold the weights of {publishing.weights}: {different[0]};"
            " upload them with `python publish.py weights`"
        )


def fetch_and_check(publishing: Publishing) -> int:
    """Waits for the newest run, unless told otherwise, and brings its output back."""
    client = publishing.sign_in()
    kernel = publishing.kernel(client)
    if publishing.options.no_wait:
        kernel.check_complete(kernel.state())
    return _bring_back(publishing, client, kernel)


def _bring_back(publishing: Publishing, client: Client, kernel: RemoteKernel, version: int | None = None) -> int:
    client.again = "run `python publish.py output`"
    pick_up = f"the run goes on: {kernel.url}. To pick it up: python publish.py output"
    try:
        state = kernel.wait_until_over(version)
    except KeyboardInterrupt:
        client.tell(f"no longer waiting; {pick_up}")
        return INTERRUPTED
    except KaggleError as error:
        raise KaggleError(f"{error}; {pick_up}") from None
    try:
        _fetch_valid_output(publishing, client, kernel, state)
    except KeyboardInterrupt:
        client.tell("no longer fetching; the output stays at Kaggle. To go on: python publish.py output")
        return INTERRUPTED
    return 0


def _fetch_valid_output(publishing: Publishing, client: Client, kernel: RemoteKernel, state: RunState) -> None:
    """Fetches what the run left, even if it ended badly, and checks it."""
    out = publishing.options.out or publishing.project.folder / "build" / "output"
    try:
        with alone_in(out, WE):
            fetched = fetch_output(client, kernel, out)
    except KaggleError as error:
        if state.word != COMPLETE:
            client.tell(str(error))
            kernel.check_complete(state)  # why the run failed says more than that it left nothing
        raise
    kernel.check_complete(state)
    if publishing.kernel_toml.competition:
        data = publishing.options.data
        sample = data / SAMPLE_NAME if data else sample_submission(client, publishing.competition, out / "sample")
        check_submission(client, kernel, fetched, sample)
        print(f"{out / SUBMISSION_NAME} is valid")
    limit_s = publishing.limit_s
    print(f"{out} has the run's {len(fetched.names)} files. {_took(limit_s, fetched.seconds_s)}")
    print(f"the run: {kernel.url}", flush=True)
    if fetched.seconds_s is not None and fetched.seconds_s > limit_s:
        raise client.failed(f"the run of {kernel.id} took longer than its limit of {clock_text(limit_s)}")


def _took(limit_s: float, seconds_s: float | None) -> str:
    if seconds_s is None:
        return f"Its log does not tell how long it took; the limit is {clock_text(limit_s)}"
    return f"It took {clock_text(seconds_s)} of {clock_text(limit_s)} ({seconds_s / limit_s:.0%})"


def submit_output(publishing: Publishing) -> int:
    """Submits the newest run's output once it is checked, and unless told otherwise waits for the score."""
    competition = publishing.competition
    client = publishing.sign_in()
    kernel = publishing.kernel(client)
    page = f"https://www.kaggle.com/competitions/{competition}/submissions"
    version = kernel.version()
    state = kernel.state()
    kernel.check_complete(state)
    _fetch_valid_output(publishing, client, kernel, state)
    if (newest := kernel.version()) != version:
        raise client.failed(
            f"version {newest} of {kernel.id} was pushed while version {version} was checked, nothing is submitted;"
            f" {client.again} once its run is over: {kernel.url}"
        )
    reference = submit(client, kernel, version, competition, publishing.options.message)
    print(f"submission {reference} is made: {page}", flush=True)
    client.again = f"look at {page}, for it is submitted"
    if publishing.options.no_wait:
        return 0
    try:
        done = wait_for_score(client, competition, reference)
    except KeyboardInterrupt:
        client.tell(f"no longer waiting; Kaggle goes on with submission {reference}: {page}")
        return INTERRUPTED
    print(f"public score {done.public_score or 'not shown'}, private score {done.private_score or 'not shown'}")
    return 0


def bring_data(publishing: Publishing) -> int:
    """Fetches, unpacks and counts the competition's data."""
    competition, out = publishing.competition, publishing.options.out
    archive = out / f"{competition}.zip"
    with alone_in(out, WE):
        if archive.exists() or not (counts := _counts_if_there(competition, out)):
            if not archive.exists():
                fetch_data(publishing.sign_in(), competition, out)
            unpack(archive, out)
            counts = count_clips(competition, out)
            if not publishing.options.keep_zip:
                archive.unlink()
    print(f"{out} is complete: {_counted(counts)}" if counts else f"{out} is unpacked; its clips are not counted")
    return 0


def _counts_if_there(competition: str, out: Path) -> dict[str, int]:
    try:
        return count_clips(competition, out)
    except KaggleError:
        return {}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,} clips" for split, count in counts.items())


STEPS: Mapping[str, Callable[[Publishing], int]] = {
    "weights": publish_weights,
    "kernel": publish_kernel,
    "output": fetch_and_check,
    "submit": submit_output,
    "data": bring_data,
}
