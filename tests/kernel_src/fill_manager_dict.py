"""Run under a real memory limit by test_store_limits: the design that the store replaces.

A dictionary in a manager's process; what comes when the machine's memory is 95 % full goes to pickle files.
Arguments: number of items, the folder for the files. Prints the reader's percentage before each put.
"""

import pickle
import sys
from multiprocessing import Manager
from pathlib import Path

import psutil
from fill_store import item


def main() -> None:
    """Fills, and is killed or not."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    with Manager() as manager:
        shared = manager.dict()
        for number in range(count):
            percent = psutil.virtual_memory().percent
            print(percent, flush=True)
            if percent < 95:
                shared[number] = item(number)
            else:
                (folder / f"{number}.pickle").write_bytes(pickle.dumps(item(number)))
    print("all stored", flush=True)


if __name__ == "__main__":
    main()
