import io
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kernel_src import extraction
from kernel_src.audio import read_waveform
from kernel_src.clips import ClipList
from kernel_src.errors import NotReadyError
from kernel_src.events import EventLog
from kernel_src.extraction import SpectrogramSource
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings
from sample_data import SMALL_FRONTEND, tone

AMPLE = StoreSettings(limit_bytes=10**10, memory_reserve_bytes=0, disk_bytes=10**9, disk_reserve_bytes=0)


class Bench:
    """A source over some clips, and what it said."""

    def __init__(self, folder: Path, fnames: tuple[str, ...]) -> None:
        self.out = io.StringIO()
        events = EventLog(None, lambda: 0.0, self.out)
        self.clips = ClipList(fnames, ("Bark",), folder)
        self.store = SpectrogramStore(AMPLE, memory_reader(), folder, events)
        self.source = SpectrogramSource(self.clips, self.store, events, threads=2)
        self.source.start(SMALL_FRONTEND, range(len(fnames)))

    def get(self, clip: int, patience_s: float = 20.0) -> np.ndarray | None:
        return self.source.get(clip, SMALL_FRONTEND, patience_s)

    def close(self) -> None:
        self.source.close()
        self.store.close()


def test_spectrograms_are_the_frontends(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.5), 44_100)
    bench = Bench(tmp_path, ("a.wav",))
    expected = spectrogram(read_waveform(tmp_path / "a.wav", 44_100, 60.0), SMALL_FRONTEND)
    np.testing.assert_array_equal(bench.get(0), expected)
    bench.close()


def test_a_bad_clip_is_none_and_is_named_once(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", tone(0.5), 44_100)
    (tmp_path / "bad.wav").write_text("no sound")
    bench = Bench(tmp_path, ("bad.wav", "good.wav"))
    bench.source.start(FrontendConfig(n_mels=8), range(2))  # a second frontend meets the same clip
    assert bench.get(0) is None
    assert bench.get(0) is None
    assert bench.get(1) is not None
    bench.source.get(0, FrontendConfig(n_mels=8), 20.0)
    assert bench.out.getvalue().count("bad.wav") == 2  # the name and, in libsndfile's reason, the path
    assert bench.out.getvalue().count("clip failed") == 1
    bench.close()


def test_a_decoder_that_hangs_holds_up_only_its_own_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def read(path: Path, *rest: float) -> np.ndarray:
        if path.name == "hangs.wav":
            release.wait(30)
        return read_waveform(path, *rest)

    monkeypatch.setattr(extraction, "read_waveform", read)
    for name in ("hangs.wav", "fine.wav"):
        soundfile.write(tmp_path / name, tone(0.2), 44_100)
    bench = Bench(tmp_path, ("hangs.wav", "fine.wav"))
    with pytest.raises(NotReadyError):
        bench.get(0, patience_s=0.05)
    assert bench.get(1) is not None
    release.set()
    assert bench.get(0) is not None
    bench.close()
