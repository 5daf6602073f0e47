"""Run under a real memory limit by test_store_limits: puts more into a store than fits, then asks for all of it.

Arguments: number of items, the spill folder, the disk quota in bytes. Prints one JSON object.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from store_fixtures import ANY_PACE, MB, RecordedEvents, same_bits

from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings
from kernel_src.store_totals import Tier


def item(number: int) -> np.ndarray:
    """0.3 to 1 MB, bits at random."""
    chance = np.random.default_rng(number)
    frames = int(chance.integers(600, 2000))
    return chance.integers(0, 1 << 16, (256, frames), dtype=np.uint16).view(np.float16)


def comes_back(store: SpectrogramStore, number: int, tier: Tier) -> bool:
    """Whether the item is where put said, and has the same bits; what has no room is put again in vain."""
    expected, key = item(number), str(number)
    if tier is Tier.NONE:
        return store.get(key) is None and store.put(key, expected) is Tier.NONE
    found = store.get(key)
    in_memory = found is not None and found.base is not None and not found.base.flags.owndata
    return same_bits(found, expected) and in_memory == (tier is Tier.MEMORY)


def main() -> None:
    """Fills, checks and reports."""
    count, folder, quota = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settings = StoreSettings(10**12, 10 * MB, quota, MB, pace=ANY_PACE)
    events = RecordedEvents()
    with SpectrogramStore(settings, memory_reader(), folder, events) as store, ThreadPoolExecutor(4) as pool:
        tiers = list(pool.map(lambda number: store.put(str(number), item(number)), range(count)))
        whole = list(pool.map(lambda number: comes_back(store, number, tiers[number]), range(count)))
        report = {
            "tiers": {tier.value: tiers.count(tier) for tier in Tier},
            "whole": sum(whole),
            "claimed_bytes": store.totals().disk_claimed_bytes,
            "left_in_folder": len(list(folder.iterdir())),
        }
    print(json.dumps({**report, "events": events.names()}))


if __name__ == "__main__":
    main()
