"""Folders that several test files start from."""

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import soundfile
import torch

from kernel_src.native_code import NativeCode, NativeCodeError
from sample_data import LABELS, make_training_data, make_weights, tone, write_table

# The tests' networks are too small to share among threads, which only wait for each other.
torch.set_num_threads(1)

# How long an example takes is no part of what it shows: the first one may load a library, or wait for a compiler.
hypothesis.settings.register_profile("without a deadline", deadline=None)
hypothesis.settings.load_profile("without a deadline")

# A shell's background jobs ignore SIGINT, and so would the processes that tests interrupt and wait for.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--recordings DIR` lets some tests look at real recordings too."""
    parser.addoption("--recordings", type=Path, help="a data set of real recordings in the competition's layout")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a GPU are skipped where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU"))


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spectrograms are not kept among the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def recordings(request: pytest.FixtureRequest) -> Path:
    """The folder of real recordings that was given, else the test is skipped."""
    folder: Path | None = request.config.getoption("--recordings")
    if folder is None:
        pytest.skip("needs real recordings: pytest --recordings DIR, or make test RECORDINGS=DIR")
    return folder


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """A folder in the competition's layout with six good test clips."""
    folder = tmp_path / "input" / "freesound-audio-tagging-2019"
    (folder / "test").mkdir(parents=True)
    names = [f"{index:08x}.wav" for index in range(6)]
    for index, name in enumerate(names):
        soundfile.write(folder / "test" / name, tone(0.4 + index, 200.0 * (index + 1)), 44_100)
    write_table(
        folder / "sample_submission.csv",
        ["fname," + ",".join(LABELS), *(f"{name},0,0,0" for name in names)],
    )
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of two members for the labels of `competition`, mounted where the kernel looks."""
    folder = tmp_path / "input" / "hourglass-weights"
    make_weights(folder)
    return folder


@pytest.fixture
def training_data(tmp_path: Path) -> Path:
    """A curated split of 24 short clips whose pitch tells the label, and a noisy one of 18, a third of them wrong."""
    return make_training_data(tmp_path / "data")


@pytest.fixture(scope="session")
def a_compiler() -> None:
    """For tests that want our C++ code."""
    try:
        NativeCode("").library()
    except NativeCodeError as reason:
        pytest.skip(f"needs a C++ compiler: {reason}")
