"""Run in a memory cgroup by test_store_limits: what the group uses before, full, half dropped and full again."""

import sys

from store_fixtures import RecordedEvents, settings, spectrogram

from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore


def main() -> None:
    """Prints four readings in bytes."""
    count, reader = int(sys.argv[1]), memory_reader()
    array = spectrogram(1, frames=640, mels=256)
    with SpectrogramStore(settings(limit=10**12), reader, None, RecordedEvents()) as store:
        readings = [reader.used_bytes()]
        for number in range(count):
            store.put(str(number), array)
        readings.append(reader.used_bytes())
        for number in range(0, count, 2):
            store.drop(str(number))
        readings.append(reader.used_bytes())
        for number in range(0, count, 2):
            store.put(str(number), array)
        readings.append(reader.used_bytes())
    print(*readings)


if __name__ == "__main__":
    main()
