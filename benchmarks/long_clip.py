"""How much memory the extraction of a ten-minute clip takes: `python -m benchmarks.long_clip` prints the bytes.

A process of its own makes the clip in blocks, loads what extraction needs, extracts a short clip, and then compares the
most anonymous memory that it and its extractor's processes hold meanwhile, looked at every few milliseconds, with what
they held before the long one. Pages of files do not count: the system takes and brings them as it likes.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import soundfile

if TYPE_CHECKING:
    from kernel_src.events import EventLog
    from kernel_src.extraction import SpectrogramSource
    from kernel_src.extractors import Extractor
    from kernel_src.frontend import Spectrogram

RATE_HZ = 44_100
LONG_S = 600
ROOT = Path(__file__).parents[1]


def extraction_peak_bytes(channels: int = 1, rate_hz: int = RATE_HZ) -> int:
    """What a process takes for a clip of ten minutes, above what it held before, in bytes."""
    command = [sys.executable, "-m", "benchmarks.long_clip", str(channels), str(rate_hz)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return int(done.stdout)


def write_noise(path: Path, seconds_s: int, channels: int, rate_hz: int) -> None:
    """Writes noise of 16 bits, second by second."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate_hz, channels, subtype="PCM_16") as file:
        for _ in range(seconds_s):
            file.write(rng.uniform(-0.5, 0.5, (rate_hz, channels)).astype(np.float32))


def measure(channels: int, rate_hz: int) -> int:
    """The peak above what was held before, in bytes, in this process and those of its extractor."""
    from kernel_src.before_torch import prepare_for_torch  # noqa: PLC0415 -- before all else
    from kernel_src.events import EventLog  # noqa: PLC0415
    from kernel_src.extractors import started_extractors  # noqa: PLC0415

    events = EventLog(None, lambda: 0.0, StringIO())
    with started_extractors(1, print) as extractors:
        prepare_for_torch()
        return _peak_bytes(extractors, events, channels, rate_hz)


def _peak_bytes(extractors: "list[Extractor]", events: "EventLog", channels: int, rate_hz: int) -> int:
    from kernel_src.clips import ClipList  # noqa: PLC0415 -- after the settings
    from kernel_src.extraction import SpectrogramSource  # noqa: PLC0415
    from kernel_src.frontend import FrontendConfig  # noqa: PLC0415
    from kernel_src.memory import memory_reader  # noqa: PLC0415
    from kernel_src.store import SpectrogramStore, StoreSettings  # noqa: PLC0415

    ample = StoreSettings(limit_bytes=10**12, memory_reserve_bytes=0, disk_bytes=0, disk_reserve_bytes=0)
    with tempfile.TemporaryDirectory() as folder:
        write_noise(Path(folder) / "short.wav", 1, channels, rate_hz)
        write_noise(Path(folder) / "long.wav", LONG_S, channels, rate_hz)
        with SpectrogramStore(ample, memory_reader(), None, events) as store:
            clips = ClipList(("short.wav", "long.wav"), ("none",), Path(folder))
            source = SpectrogramSource(clips, store, events, extractors)
            assert source.get(0, FrontendConfig(), 60.0) is not None
            before = _anonymous_bytes()
            with _Peak() as peak:
                spectrogram = _patiently_got(source, 1)
            assert spectrogram is not None
            assert spectrogram.shape == (256, 1 + LONG_S * 44_100 // 689)
            source.close()
            return peak.nbytes - before


def _patiently_got(source: "SpectrogramSource", clip: int) -> "Spectrogram | None":
    from kernel_src.errors import StuckError  # noqa: PLC0415
    from kernel_src.frontend import FrontendConfig  # noqa: PLC0415

    while True:
        with contextlib.suppress(StuckError):  # long clips take long
            return source.get(clip, FrontendConfig(), 600.0)
        time.sleep(0.01)


class _Peak:
    """The most anonymous memory of this process and those below it within a `with` block."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "_Peak":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.002):
            self.nbytes = max(self.nbytes, _anonymous_bytes())


def _anonymous_bytes() -> int:
    here = psutil.Process()
    pids = [here.pid, *(child.pid for child in here.children(recursive=True))]
    texts = [Path(f"/proc/{pid}/status").read_text(encoding="utf-8") for pid in pids]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("RssAnon:")]
    return sum(int(line.split()[1]) * 1024 for line in lines)


def main() -> None:
    """The figure for a clip of the shape that the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_clip", description=__doc__)
    parser.add_argument("channels", type=int, nargs="?", default=1, help="of the clip (default: %(default)s)")
    parser.add_argument("rate_hz", type=int, nargs="?", default=RATE_HZ, help="of the clip (default: %(default)s)")
    options = parser.parse_args()
    print(measure(options.channels, options.rate_hz))


if __name__ == "__main__":
    main()
