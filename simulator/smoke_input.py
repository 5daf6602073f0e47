"""Three tiny recordings and the weights, as a kernel finds its input: for `python bundle.py --smoke`.

`python -m simulator.smoke_input FOLDER WEIGHTS`
"""

import array
import csv
import math
import sys
import wave
from pathlib import Path

from kernel_src.errors import KernelError
from kernel_src.manifest import read_manifest

RATE_HZ = 44_100
CLIPS_S = {"short.wav": 0.05, "one.wav": 1.0, "five.wav": 5.0}


def write_smoke_input(folder: Path, weights: Path) -> None:
    """Writes the competition's folder with three clips, and links the weights beside it.

    Raises:
        KernelError: the weights are missing or broken.
    """
    labels = read_manifest(weights).labels
    competition = folder / "competition"
    (competition / "test").mkdir(parents=True)
    for pitch, (fname, seconds_s) in enumerate(CLIPS_S.items(), 3):
        write_tone(competition / "test" / fname, seconds_s, 110.0 * pitch)
    with (competition / "sample_submission.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["fname", *labels])
        rows.writerows([fname, *[0] * len(labels)] for fname in CLIPS_S)
    (folder / "weights").symlink_to(weights.resolve(), target_is_directory=True)


def write_tone(path: Path, seconds_s: float, pitch_hz: float) -> None:
    """Writes a tone as the competition's clips are: 44.1 kHz, mono, 16 bit."""
    step = 2 * math.pi * pitch_hz / RATE_HZ
    samples = array.array("h", (round(9000 * math.sin(step * index)) for index in range(round(seconds_s * RATE_HZ))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def main() -> int:
    """Writes the folder that the command names; 2 where the weights are no weights."""
    try:
        write_smoke_input(Path(sys.argv[1]), Path(sys.argv[2]))
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
