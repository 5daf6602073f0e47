"""What a safetensors file says of itself, before anything of it is loaded."""

import struct
from pathlib import Path

from kernel_src.errors import KernelError


def safetensors_header(path: Path) -> bytes:
    """The texts of a safetensors file: names, shapes, and whatever its maker wrote beside them.

    Raises:
        KernelError: the file is something else, such as a pickle, which may run code when it is loaded.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        header = file.read(length) if 0 < length < path.stat().st_size else b""
    if not header.startswith(b"{"):
        kind = "a pickle" if start.startswith((b"PK", b"\x80")) else "something else"
        raise KernelError(f"{path}: is no safetensors file but {kind}; export the weights again")
    return header
