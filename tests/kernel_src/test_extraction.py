import io
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from kernel_src import extraction, extractors, torch_frontend
from kernel_src.audio import read_waveform
from kernel_src.clips import ClipList
from kernel_src.errors import NotReadyError, StuckError
from kernel_src.events import EventLog
from kernel_src.extraction import LOOK_AHEAD_CLIPS, SpectrogramSource
from kernel_src.extractors import Extractor, ThreadExtractor, started_extractors
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings
from sample_data import SMALL_FRONTEND, tone

OTHER_FRONTEND = replace(SMALL_FRONTEND, scaling="db")
AMPLE = StoreSettings(limit_bytes=10**10, memory_reserve_bytes=0, disk_bytes=10**9, disk_reserve_bytes=0)
NO_ROOM = StoreSettings(limit_bytes=0, memory_reserve_bytes=0, disk_bytes=0, disk_reserve_bytes=0)
CPU = torch.device("cpu")
DEVICES = [None, CPU]


class Bench:
    """A source over some clips, and what it said."""

    def __init__(
        self,
        folder: Path,
        fnames: tuple[str, ...],
        settings: StoreSettings = AMPLE,
        device: torch.device | None = None,
        extractors: Sequence[Extractor] = (ThreadExtractor(), ThreadExtractor()),
        *,
        raise_faults: bool = True,
    ) -> None:
        self.out = io.StringIO()
        events = EventLog(None, lambda: 0.0, self.out)
        self.clips = ClipList(fnames, ("Bark",), folder)
        self.store = SpectrogramStore(settings, memory_reader(), folder, events)
        self.source = SpectrogramSource(self.clips, self.store, events, extractors, device, raise_faults=raise_faults)
        self.source.start(SMALL_FRONTEND, range(len(fnames)))

    def get(self, clip: int, patience_s: float = 20.0) -> np.ndarray | None:
        return self.source.get(clip, SMALL_FRONTEND, patience_s)

    def close(self) -> None:
        self.source.close()
        self.store.close()


@contextmanager
def bench(
    folder: Path,
    names: Sequence[str],
    settings: StoreSettings = AMPLE,
    device: torch.device | None = None,
    extractors: Sequence[Extractor] = (ThreadExtractor(), ThreadExtractor()),
    *,
    raise_faults: bool = True,
) -> Iterator[Bench]:
    opened = Bench(folder, tuple(names), settings, device, extractors, raise_faults=raise_faults)
    try:
        yield opened
    finally:
        opened.close()


class CountedReads:
    """How often each clip was decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: Counter[str] = Counter()
        monkeypatch.setattr(extractors, "read_waveform", self._read)

    def _read(self, path: Path, *rest: float) -> np.ndarray:
        self.of[path.name] += 1
        return read_waveform(path, *rest)

    def settle(self) -> int:
        """The number of decodings once no more are added."""
        before = -1
        while self.of.total() != before:
            before = self.of.total()
            time.sleep(0.1)
        return before


def write_clips(folder: Path, count: int) -> list[str]:
    names = [f"{number:03}.wav" for number in range(count)]
    for number, name in enumerate(names):
        soundfile.write(folder / name, tone(0.1, 100.0 + number), 44_100)
    return names


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("in_processes", [False, True], ids=["threads", "processes"])
def test_spectrograms_are_the_frontends(tmp_path: Path, device: torch.device | None, in_processes: bool) -> None:
    names = write_clips(tmp_path, 5)
    with (
        started_extractors(2 if in_processes else 0, pytest.fail) as processes,
        bench(tmp_path, names, device=device, extractors=processes or [ThreadExtractor()]) as opened,
    ):
        for clip, name in enumerate(names):
            expected = spectrogram(read_waveform(tmp_path / name, 44_100, 60.0), SMALL_FRONTEND)
            result = opened.get(clip)
            assert result is not None
            np.testing.assert_allclose(result, expected, atol=0 if device is None else 2e-3, rtol=0)
            assert not result.flags.writeable


@pytest.mark.parametrize("device", DEVICES)
def test_a_bad_clip_is_none_and_is_named_once(tmp_path: Path, device: torch.device | None) -> None:
    soundfile.write(tmp_path / "good.wav", tone(0.5), 44_100)
    (tmp_path / "bad.wav").write_text("no sound")
    with bench(tmp_path, ("bad.wav", "good.wav"), device=device) as opened:
        opened.source.start(FrontendConfig(n_mels=8), range(2))  # a second frontend meets the same clip
        assert opened.get(0) is None
        assert opened.get(0) is None
        assert opened.get(1) is not None
        opened.source.get(0, FrontendConfig(n_mels=8), 20.0)
        assert opened.out.getvalue().count("bad.wav: cannot be decoded (Format not recognised)") == 1
        assert opened.out.getvalue().count("clip failed") == 1


def test_a_decoder_that_hangs_holds_up_only_its_own_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def read(path: Path, *rest: float) -> np.ndarray:
        if path.name == "hangs.wav":
            release.wait(30)
        return read_waveform(path, *rest)

    monkeypatch.setattr(extractors, "read_waveform", read)
    for name in ("hangs.wav", "fine.wav"):
        soundfile.write(tmp_path / name, tone(0.2), 44_100)
    with bench(tmp_path, ("hangs.wav", "fine.wav")) as opened:
        with pytest.raises(NotReadyError):
            opened.get(0, patience_s=0.05)
        assert not opened.source.is_ready(0, SMALL_FRONTEND)
        assert opened.get(1) is not None
        assert opened.source.is_ready(1, SMALL_FRONTEND)
        release.set()
        assert opened.get(0) is not None


def test_a_clip_that_is_stuck_in_its_decoder_is_not_waited_for_to_the_end_of_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "STUCK_S", 0.1)
    monkeypatch.setattr(extraction, "STUCK_LOOK_S", 0.02)
    release = threading.Event()

    def read(path: Path, *rest: float) -> np.ndarray:
        release.wait(30)
        return read_waveform(path, *rest)

    monkeypatch.setattr(extractors, "read_waveform", read)
    names = write_clips(tmp_path, 1)
    with bench(tmp_path, names) as opened:
        began_s = time.monotonic()
        with pytest.raises(StuckError):
            opened.get(0, patience_s=20.0)
        assert time.monotonic() - began_s < 10
        release.set()
        deadline_s = time.monotonic() + 20
        while not opened.source.is_ready(0, SMALL_FRONTEND) and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert opened.get(0) is not None


def test_a_slow_clip_that_finds_no_room_is_got_once_it_is_made_look_after_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "STUCK_S", 0.1)
    monkeypatch.setattr(extraction, "STUCK_LOOK_S", 0.02)

    def read(path: Path, *rest: float) -> np.ndarray:
        time.sleep(0.4)
        return read_waveform(path, *rest)

    monkeypatch.setattr(extractors, "read_waveform", read)
    names = write_clips(tmp_path, 1)
    with bench(tmp_path, names, NO_ROOM) as opened:
        for _ in range(3):
            with pytest.raises(StuckError):
                opened.get(0)
            time.sleep(0.8)  # it is made meanwhile, with nobody there who waits for it
            assert opened.source.is_ready(0, SMALL_FRONTEND)
            assert opened.get(0) is not None


def test_a_clip_that_was_not_announced_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    names = write_clips(tmp_path, 1)
    with bench(tmp_path, names) as opened:
        other = FrontendConfig(n_mels=8)
        assert opened.source.get(0, other, 20.0) is not None


def test_while_the_store_keeps_them_every_clip_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = CountedReads(monkeypatch)
    names = write_clips(tmp_path, 12)
    with bench(tmp_path, names) as opened:
        assert reads.settle() == 12
        for _ in range(2):
            assert all(opened.get(clip) is not None for clip in range(12))
        assert set(reads.of.values()) == {1}


def test_a_store_without_room_stops_the_work_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = CountedReads(monkeypatch)
    names = write_clips(tmp_path, 3 * LOOK_AHEAD_CLIPS)
    with bench(tmp_path, names, NO_ROOM) as opened:
        before = reads.settle()
        assert before <= 2
        assert opened.get(before + 10) is not None
        assert reads.settle() <= before + 1 + LOOK_AHEAD_CLIPS


def test_without_room_a_pass_decodes_each_clip_once_and_a_few_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = CountedReads(monkeypatch)
    names = write_clips(tmp_path, 2 * LOOK_AHEAD_CLIPS)
    with bench(tmp_path, names, NO_ROOM) as opened:
        for _ in range(2):
            assert all(opened.get(clip) is not None for clip in range(len(names)))
        assert reads.settle() <= 2 * len(names) + LOOK_AHEAD_CLIPS + 2


def test_a_bug_reaches_whoever_asks_for_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> np.ndarray:
        raise ZeroDivisionError

    monkeypatch.setattr(extractors, "read_waveform", read)
    with bench(tmp_path, write_clips(tmp_path, 2)) as opened, pytest.raises(ZeroDivisionError):
        opened.get(1)


def test_where_a_bug_must_not_reach_anybody_it_costs_the_clip_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, *settings: Any) -> np.ndarray:
        return read_waveform(path, *settings) if path.stem != "001" else np.zeros(1 // 0)

    monkeypatch.setattr(extractors, "read_waveform", read)
    with bench(tmp_path, write_clips(tmp_path, 3), raise_faults=False) as opened:
        assert [opened.get(clip) is None for clip in range(3)] == [False, True, False]
        assert "001.wav: meets a fault of ours (ZeroDivisionError" in opened.out.getvalue()


def test_a_device_without_memory_left_gives_its_work_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[np.ndarray]:
        raise torch.OutOfMemoryError("out of memory: tried to allocate 2 GB")

    monkeypatch.setattr(torch_frontend.TorchFrontend, "spectrograms", fail)
    names = write_clips(tmp_path, 6)
    with bench(tmp_path, names, device=CPU) as opened:
        for clip, name in enumerate(names):
            expected = spectrogram(read_waveform(tmp_path / name, 44_100, 60.0), SMALL_FRONTEND)
            np.testing.assert_array_equal(opened.get(clip), expected)
        assert opened.out.getvalue().count("frontend to cpu") == 1
        assert "out of memory" in opened.out.getvalue()


def test_after_a_device_has_failed_the_extractors_do_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(ThreadExtractor):
        spectrograms = 0

        def spectrogram(self, path: Path, config: FrontendConfig) -> np.ndarray:
            self.spectrograms += 1
            return super().spectrogram(path, config)

    def fail(*_: object) -> list[np.ndarray]:
        raise RuntimeError("unspecified launch failure")

    monkeypatch.setattr(torch_frontend.TorchFrontend, "spectrograms", fail)
    asked = Asked()
    with bench(tmp_path, write_clips(tmp_path, 3), device=CPU, extractors=[asked]) as opened:
        assert all(opened.get(clip) is not None for clip in range(3))
        opened.source.start(OTHER_FRONTEND, range(3))
        assert all(opened.source.get(clip, OTHER_FRONTEND, 20.0) is not None for clip in range(3))
    assert asked.spectrograms >= 3


def test_the_bytes_do_not_depend_on_the_number_of_threads_nor_on_processes(tmp_path: Path) -> None:
    names = write_clips(tmp_path, 8)
    made = []
    with started_extractors(2, pytest.fail) as processes:
        for team in ([ThreadExtractor()], [ThreadExtractor() for _ in range(4)], processes):
            events = EventLog(None, lambda: 0.0, io.StringIO())
            with SpectrogramStore(AMPLE, memory_reader(), None, events) as store:
                source = SpectrogramSource(ClipList(tuple(names), ("Bark",), tmp_path), store, events, team)
                source.start(FrontendConfig(), range(8))
                made.append([source.get(clip, FrontendConfig(), 20.0) for clip in range(8)])
                source.close()
    for one, *others in zip(*made, strict=True):
        assert one is not None
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_a_late_clip_that_found_no_room_counts_as_ready_and_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def read(path: Path, *rest: float) -> np.ndarray:
        release.wait(30)
        return read_waveform(path, *rest)

    monkeypatch.setattr(extractors, "read_waveform", read)
    with bench(tmp_path, write_clips(tmp_path, 1), NO_ROOM) as opened:
        with pytest.raises(NotReadyError):
            opened.get(0, patience_s=0.01)
        release.set()
        while not opened.source.is_ready(0, SMALL_FRONTEND):
            time.sleep(0.01)
        assert opened.get(0) is not None
