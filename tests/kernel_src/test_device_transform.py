"""What many threads hand in comes out once, whatever finds room beside it."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from kernel_src import device_transform
from kernel_src.device_transform import DeviceTransform
from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.long_signal import LongSignal
from kernel_src.schedule import Job
from kernel_src.torch_frontend import TorchFrontend
from sample_data import tone

CPU = torch.device("cpu")
ONE = FrontendConfig(n_mels=8, n_fft=256, hop_samples=200)
OTHER = FrontendConfig(n_mels=16, n_fft=512, hop_samples=300, scaling="db")
TIMEOUT_S = 30.0


class Results(dict[Job, np.ndarray | BaseException]):
    """What was delivered, each job once."""

    def deliver(self, job: Job, result: np.ndarray | BaseException) -> None:
        assert job not in self
        self[job] = result


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def start(results: Results, out: io.StringIO) -> Iterator[Callable[[], DeviceTransform]]:
    started: list[DeviceTransform] = []

    def begin() -> DeviceTransform:
        started.append(DeviceTransform(CPU, results.deliver, EventLog(None, lambda: 0.0, out)))
        return started[-1]

    yield begin
    for transform in started:
        transform.close()
        transform.join(TIMEOUT_S)


def wait_for(results: Results, count: int) -> None:
    done = threading.Event()
    for _ in range(round(TIMEOUT_S * 100)):
        if len(results) == count:
            return
        done.wait(0.01)
    raise AssertionError(f"{len(results)} of {count} came")


def assert_right(results: Results, waveforms: list[np.ndarray], atol: float) -> None:
    for job, result in results.items():
        assert isinstance(result, np.ndarray), result
        np.testing.assert_allclose(result, spectrogram(waveforms[job.clip], job.config), atol=atol, rtol=0)


def test_clips_of_several_threads_and_settings_come_out_once_each(
    start: Callable[[], DeviceTransform], results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_transform, "BATCH_SAMPLES", 60_000)  # some clips fill a batch, and some are longer
    waveforms = [tone(0.05 + 0.1 * (n % 17), 200.0 + n) for n in range(60)]
    transform = start()
    with ThreadPoolExecutor(6) as pool:
        for n in range(60):
            pool.submit(transform.submit, Job(n, (ONE, OTHER)[n // 20 % 2]), waveforms[n])
    wait_for(results, 60)
    assert_right(results, waveforms, atol=0.1)  # float16 rounds decibels near -100 to a sixteenth


def test_what_is_handed_in_while_the_device_is_busy_becomes_one_batch(
    start: Callable[[], DeviceTransform], results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, go = [], threading.Semaphore(0)
    compute = TorchFrontend.spectrograms

    def slowly(frontend: TorchFrontend, signal: LongSignal) -> list[np.ndarray]:
        sizes.append(len(signal.clips))
        assert go.acquire(timeout=TIMEOUT_S)
        return compute(frontend, signal)

    monkeypatch.setattr(TorchFrontend, "spectrograms", slowly)
    waveforms = [tone(0.1)] * (device_transform.THREADS + 5)
    transform = start()
    for clip in range(device_transform.THREADS):
        transform.submit(Job(clip, ONE), waveforms[clip])
        while len(sizes) <= clip:  # until a thread has taken it
            threading.Event().wait(0.001)
    for clip in range(device_transform.THREADS, len(waveforms)):
        transform.submit(Job(clip, ONE), waveforms[clip])
    go.release(len(waveforms))
    wait_for(results, len(waveforms))
    assert sizes == [1] * device_transform.THREADS + [5]
    assert_right(results, waveforms, atol=2e-3)


def test_closing_lets_those_go_who_wait_for_room(
    start: Callable[[], DeviceTransform], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def hang(*_: object) -> list[np.ndarray]:
        go.wait(TIMEOUT_S)
        raise ZeroDivisionError

    monkeypatch.setattr(TorchFrontend, "spectrograms", hang)
    monkeypatch.setattr(device_transform, "BATCH_SAMPLES", 10_000)
    transform = start()
    clips = range(device_transform.THREADS + 2)
    threads = [threading.Thread(target=transform.submit, args=(Job(clip, ONE), tone(0.2))) for clip in clips]
    for thread in threads:
        thread.start()
    threads[0].join(0.2)
    assert any(thread.is_alive() for thread in threads)
    transform.close()
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    go.set()


def test_memory_that_a_device_could_read_is_missing_and_the_cpu_takes_over(
    start: Callable[[], DeviceTransform], results: Results, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> LongSignal:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(device_transform, "LongSignal", refuse)
    transform = start()
    waveforms = [tone(0.2), tone(0.3)]
    for clip, waveform in enumerate(waveforms):
        transform.submit(Job(clip, ONE), waveform)
    assert_right(results, waveforms, atol=0)
    assert len(results) == 2
    assert transform.gave_up
    assert out.getvalue().count("frontend to cpu") == 1
