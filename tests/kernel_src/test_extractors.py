"""A thread's own process gives what the thread would have made, and what happens to it costs one clip at most."""

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from kernel_src import extractors
from kernel_src.array_channel import SHARED_BYTES, ArrayChannel, ArrayHeader
from kernel_src.audio import read_waveform
from kernel_src.errors import ClipError
from kernel_src.extractors import ExtractorClosedError, ProcessExtractor, ThreadExtractor, started_extractors
from sample_data import SMALL_FRONTEND, tone

HERE = ThreadExtractor()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, tone(0.5), 44_100)
    return path


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def extractor(told: list[str]) -> Iterator[ProcessExtractor]:
    made = ProcessExtractor(told.append)
    yield made
    made.close()
    assert not psutil.pid_exists(made.pid)


def worker_of(extractor: ProcessExtractor) -> psutil.Process:
    """The process that does the work, which is forked by the extractor's own."""
    while not (children := psutil.Process(extractor.pid).children()):
        time.sleep(0.001)
    return children[0]


def reading(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: Callable[[], object], told: list[str]
) -> ProcessExtractor:
    """An extractor whose process does something else with a file of this name."""

    def read(path: Path, rate_hz: int, trim_top_db: float | None) -> np.ndarray:
        if path.name == name:
            faulthandler.disable()  # pytest's, which would print the stack of a crash that is meant
            instead()
        return read_waveform(path, rate_hz, trim_top_db)

    monkeypatch.setattr(extractors, "read_waveform", read)
    return ProcessExtractor(told.append)


def assert_works(extractor: ProcessExtractor, clip: Path) -> None:
    np.testing.assert_array_equal(
        extractor.spectrogram(clip, SMALL_FRONTEND), HERE.spectrogram(clip, SMALL_FRONTEND), strict=True
    )


def test_a_process_gives_the_same_waveform_and_the_same_spectrogram(extractor: ProcessExtractor, clip: Path) -> None:
    waveform = extractor.waveform(clip, SMALL_FRONTEND)
    np.testing.assert_array_equal(waveform, HERE.waveform(clip, SMALL_FRONTEND), strict=True)
    assert_works(extractor, clip)


def test_a_spectrogram_stays_what_it_is_when_more_is_asked_for(
    extractor: ProcessExtractor, clip: Path, tmp_path: Path
) -> None:
    first = extractor.spectrogram(clip, SMALL_FRONTEND)
    soundfile.write(tmp_path / "other.wav", tone(0.5, 900.0), 44_100)
    second = extractor.spectrogram(tmp_path / "other.wav", SMALL_FRONTEND)
    np.testing.assert_array_equal(first, HERE.spectrogram(clip, SMALL_FRONTEND))
    assert not np.array_equal(first, second)


def test_a_long_clip_comes_whole(extractor: ProcessExtractor, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).uniform(-1, 1, 60 * 44_100), 44_100)
    assert 60 * 44_100 * np.float32().itemsize > SHARED_BYTES
    np.testing.assert_array_equal(
        extractor.waveform(tmp_path / "long.wav", SMALL_FRONTEND), HERE.waveform(tmp_path / "long.wav", SMALL_FRONTEND)
    )


def test_a_bad_clip_is_the_same_error(extractor: ProcessExtractor, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    for name in ("bad.wav", "missing.wav"):
        with pytest.raises(ClipError) as theirs:
            extractor.spectrogram(tmp_path / name, SMALL_FRONTEND)
        with pytest.raises(ClipError) as ours:
            HERE.spectrogram(tmp_path / name, SMALL_FRONTEND)
        assert str(theirs.value) == str(ours.value)
        assert (theirs.value.path, theirs.value.reason) == (ours.value.path, ours.value.reason)
    assert_works(extractor, clip)


def test_a_bug_comes_with_the_place_where_it_happened(
    monkeypatch: pytest.MonkeyPatch, clip: Path, told: list[str]
) -> None:
    def divide() -> None:
        1 / 0  # noqa: B018

    extractor = reading(monkeypatch, clip.name, divide, told)
    with pytest.raises(ZeroDivisionError) as caught:
        extractor.spectrogram(clip, SMALL_FRONTEND)
    assert "in divide" in "".join(caught.value.__notes__)
    extractor.close()


@pytest.mark.parametrize(
    ("crash", "name"),
    [(lambda: ctypes.string_at(0), "SIGSEGV"), (os.abort, "SIGABRT"), (lambda: os._exit(3), "exit code 3")],
)
def test_a_decoder_that_crashes_costs_its_clip_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
    clip: Path,
    tmp_path: Path,
    told: list[str],
    *,
    crash: Callable[[], object],
    name: str,
) -> None:
    faulty = tmp_path / "faulty.wav"
    faulty.write_bytes(clip.read_bytes())
    extractor = reading(monkeypatch, faulty.name, crash, told)
    for _ in range(2):
        with pytest.raises(ClipError, match=rf"faulty.wav: crashes its decoder \({name}\)"):
            extractor.spectrogram(faulty, SMALL_FRONTEND)
        assert_works(extractor, clip)
        assert worker_of(extractor).is_running()
    extractor.close()
    assert told == []


def test_while_there_is_nothing_to_do_nobody_waits_and_the_next_clip_finds_a_new_process(
    clip: Path, told: list[str]
) -> None:
    extractor = ProcessExtractor(told.append, rests_after_s=0.05)
    for _ in range(2):
        assert_works(extractor, clip)
        while psutil.Process(extractor.pid).children():
            time.sleep(0.01)
    extractor.close()
    assert not psutil.pid_exists(extractor.pid)
    assert told == []


def test_when_its_process_is_lost_between_two_clips_the_thread_goes_on(
    extractor: ProcessExtractor, clip: Path, told: list[str]
) -> None:
    assert_works(extractor, clip)
    for process in (worker_of(extractor), psutil.Process(extractor.pid)):
        process.kill()
    for _ in range(2):
        assert_works(extractor, clip)
    assert told == ["a process that extracts was lost"]


def test_an_answer_that_breaks_off_is_made_again(monkeypatch: pytest.MonkeyPatch, clip: Path, told: list[str]) -> None:
    def break_off(_: ArrayChannel, connection: Connection, array: np.ndarray) -> None:
        connection.send(ArrayHeader(array.shape, array.dtype.str, shared=False))
        os._exit(1)

    monkeypatch.setattr(ArrayChannel, "send", break_off)
    extractor = ProcessExtractor(told.append)
    assert_works(extractor, clip)
    assert told == ["a process that extracts was lost"]
    extractor.close()


def test_an_answer_that_finds_no_room_is_not_taken_for_the_next_one(
    extractor: ProcessExtractor, monkeypatch: pytest.MonkeyPatch, clip: Path, told: list[str]
) -> None:
    def no_room(*_: object) -> np.ndarray:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(ArrayChannel, "receive", no_room)
        with pytest.raises(MemoryError):
            extractor.spectrogram(clip, SMALL_FRONTEND)
    assert_works(extractor, clip)
    assert told == ["a process that extracts was lost"]


def test_closing_frees_a_thread_that_waits_for_a_decoder_that_hangs(
    monkeypatch: pytest.MonkeyPatch, clip: Path, told: list[str]
) -> None:
    extractor = reading(monkeypatch, clip.name, lambda: time.sleep(600), told)
    worker = worker_of(extractor)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(ExtractorClosedError):
            extractor.spectrogram(clip, SMALL_FRONTEND)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    time.sleep(0.1)
    extractor.close()
    extractor.close()
    assert ended.wait(10)
    assert told == []
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_asks_the_kernel_to_go_leaves_its_processes_to_the_kernel(
    extractor: ProcessExtractor, clip: Path, number: signal.Signals, told: list[str]
) -> None:
    assert_works(extractor, clip)
    for pid in (extractor.pid, worker_of(extractor).pid):
        os.kill(pid, number)
    time.sleep(0.05)
    assert_works(extractor, clip)
    assert told == []


def test_nothing_outlives_a_kernel_that_is_killed(clip: Path) -> None:
    program = f"""
        import os, time
        from pathlib import Path
        from kernel_src import extractors
        extractors.read_waveform = lambda *_: time.sleep(600)
        with extractors.started_extractors(2, print) as team:
            print(*(extractor.pid for extractor in team), flush=True)
            team[0].waveform(Path({str(clip)!r}), extractors.FrontendConfig())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout is not None
        family = [psutil.Process(int(pid)) for pid in kernel.stdout.readline().split()]
        while not all(process.children() for process in family):
            time.sleep(0.01)
        family += [process.children()[0] for process in family]
        assert len(family) == 4
        kernel.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_where_there_can_be_no_processes_threads_do_it(
    monkeypatch: pytest.MonkeyPatch, clip: Path, told: list[str]
) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with started_extractors(2, told.append) as team:
        assert [type(extractor) for extractor in team] == [ThreadExtractor, ThreadExtractor]
        assert team[0].waveform(clip, SMALL_FRONTEND).size > 0
    assert told == ["there can be no process that extracts ([Errno 11] Resource temporarily unavailable)"]
