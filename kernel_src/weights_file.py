"""The tensors of a safetensors file on the file's own pages, none of which is read before it is wanted.

safetensors' own `load_file` maps the file, too, but touches every tensor, and with it the pages around: of a network of
full size 24 MB may stay in memory, which nobody reads again once its backend has a copy.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open

from kernel_src.safetensors_header import safetensors_header

DTYPES = {"F32": torch.float32, "I64": torch.int64}
"""What the weights of a network are, by safetensors' names: numbers, and a count of batches in each batch norm."""


def mapped_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors by name, to read or to train. They stay valid when the file is deleted, which is never written to.

    Source of the layout: 8 bytes of the header's length, the header in JSON, the tensors
    (https://github.com/huggingface/safetensors#format).

    Raises:
        OSError: the file cannot be read.
        SafetensorError: it is damaged.
        RuntimeError: it holds something else than weights.
    """
    with safe_open(path, "pt"):
        pass  # the library has looked at all that the header says
    header = safetensors_header(path)
    entries = json.loads(header)
    entries.pop("__metadata__", None)
    size = path.stat().st_size
    content = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).untyped_storage()
    tensors = {}
    for name, entry in entries.items():
        if entry["dtype"] not in DTYPES:
            raise RuntimeError(f"{name} is of type {entry['dtype']}")
        first, end = (8 + len(header) + offset for offset in entry["data_offsets"])
        # No views of one tensor: to autograd a change of one would be a change of all, and they could not be saved.
        tensors[name] = torch.empty(0, dtype=DTYPES[entry["dtype"]]).set_(content[first:end]).view(entry["shape"])
    return tensors
