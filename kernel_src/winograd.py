"""The network's blocks on a CPU with a half to a quarter of the multiplications, in C++ of our own.

Nine tenths of the network's multiplications are in its 3x3 convolutions. Winograd's algorithm (Lavin and Gray 2016,
"Fast Algorithms for Convolutional Neural Networks") makes a tile of 4 x 4 results of a convolution from 36
multiplications where it takes 144, and one of 2 x 2 from 16 where it takes 36; the sums differ from the plain ones in
the last digits. torch has no such operation that is quick on today's processors, and what is saved would be lost again
to memory if each step were one of torch's. So a block is one call: thresholds, 1x1 convolution, the way to Winograd's
points, products, the way back, means and pooling, for some tiles after the other that stay in the cache.
"""

import copy
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.folded import FoldedBlock, FoldedNetwork, Step
from kernel_src.model import DenseBlock, SEDenseNet
from kernel_src.native_code import NativeCode
from kernel_src.winograd_source import CODE, SOURCE

Float32 = npt.NDArray[np.float32]

SMALLEST_IN_TILES_OF_4 = 8
"""Rows of an image that is cut into tiles of 4 x 4. Smaller ones would be half empty, and they are those of the last
blocks, whose many weights take four times their memory for tiles of 4, and 1.8 times for tiles of 2."""

LARGEST_IN_NO_TILES = 2
"""Pixels each way of an image whose convolution is computed as it is written. Each pixel sees four at most, so it takes
no more multiplications than a tile of 2 x 2, and the last block's weights, a third of them all, stay as they are."""


class _Block(ctypes.Structure):
    """`Block` of the C++ code."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("channels", "growth", "pool_mels", "pool_frames", "tile")),
        *((name, ctypes.c_void_p) for name in ("lower", "weight1", "bias1", "weight2")),
    )


@dataclass(frozen=True)
class _Library:
    """The compiled code."""

    lanes: int
    """Floats in a vector; channels have to be a multiple of it."""
    pack_weights: Callable[..., None]
    space_floats: Callable[..., int]
    dense_block: Callable[..., None]
    apply_gates: Callable[..., None]


@cache
def library(lanes: int | None = None) -> _Library:
    """The C++ code, compiled at the first call at the latest.

    Args:
        lanes: floats in a vector; None for as many as the processor has.

    Raises:
        NativeCodeError: it cannot be compiled here.
    """
    code = (CODE if lanes is None else NativeCode(SOURCE, {"LANE_COUNT": lanes})).library()
    code.lanes.restype = code.space_floats.restype = ctypes.c_long
    code.pack_weights.restype = code.dense_block.restype = code.apply_gates.restype = None
    return _Library(code.lanes(), code.pack_weights, code.space_floats, code.dense_block, code.apply_gates)


class WinogradNetwork(FoldedNetwork):
    """A folded network whose blocks are computed in C++ where their channels are whole vectors.

    Args:
        model: in evaluation mode, on the CPU; it is left as it is.
        after_block: as of a folded network.
        lanes: floats in a vector; None for as many as the processor has.

    Raises:
        NativeCodeError: the code cannot be compiled here.
    """

    def __init__(
        self, model: SEDenseNet, after_block: Callable[[], object] = lambda: None, lanes: int | None = None
    ) -> None:
        self._library = library(lanes)
        super().__init__(model, torch.float32, torch.device("cpu"), after_block)

    def _step(self, block: DenseBlock, images: int, mels: int, frames: int) -> Step:
        folded = FoldedBlock.of(block, torch.float32)
        growth, channels = block.conv2.weight.shape[:2]
        if channels % self._library.lanes or growth % self._library.lanes or folded.upper is not None:
            return super()._step(block, images, mels, frames)
        return _WinogradBlock(folded, block, tile_of(mels, frames), self._library)


def tile_of(mels: int, frames: int) -> int:
    """The side of the tiles that images are cut into; 1 for none."""
    if mels >= SMALLEST_IN_TILES_OF_4:
        return 4
    return 2 if max(mels, frames) > LARGEST_IN_NO_TILES else 1


class _WinogradBlock:
    """A dense block's weights as the C++ code wants them."""

    def __init__(self, folded: FoldedBlock, block: DenseBlock, tile: int, library: _Library) -> None:
        self._library = library
        self._gate = copy.deepcopy(block.gate)
        self._pool = block.pool
        self._growth, self._channels = block.conv2.weight.shape[:2]
        self._arrays = [
            folded.lower.numpy(),
            _in_panels(folded.weight1.numpy(), library.lanes),
            folded.bias1.numpy(),
            _at_points(block.conv2.weight, tile, library),
        ]
        pointers = (array.ctypes.data for array in self._arrays)
        self._block = _Block(self._channels, self._growth, *block.pool, tile, *pointers)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, mels, frames] to [batch, channels + growth, mels // pool[0], frames // pool[1]]."""
        x = x.contiguous(memory_format=torch.channels_last)
        batch, channels, mels, frames = x.shape
        shape = (batch, channels + self._growth, mels // self._pool[0], frames // self._pool[1])
        joined = torch.empty(shape, memory_format=torch.channels_last)
        means = torch.empty(batch, self._growth)
        block, size = ctypes.byref(self._block), [ctypes.c_long(number) for number in (batch, mels, frames)]
        space = torch.empty(self._library.space_floats(block, *size))
        self._library.dense_block(block, *size, *map(_pointer, (x, joined, means, space)))
        gates = self._gate.gates(means)
        pixels = ctypes.c_long(shape[2] * shape[3])
        self._library.apply_gates(block, size[0], pixels, _pointer(gates), _pointer(joined))
        return joined


def _pointer(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _at_points(weights: torch.Tensor, tile: int, library: _Library) -> Float32:
    """[growth, channels, 3, 3] to [(tile + 2)^2, panels, channels, width]."""
    weights = weights.contiguous()
    growth, channels = weights.shape[:2]
    points = np.empty(((tile + 2) ** 2, channels * growth), np.float32)
    sizes = map(ctypes.c_long, (channels, growth, tile))
    library.pack_weights(_pointer(weights), *sizes, ctypes.c_void_p(points.ctypes.data))
    return points


def _in_panels(weights: Float32, lanes: int) -> Float32:
    """[columns, depth] to [panels, depth, width]."""
    columns, depth = weights.shape
    width = _panel_width(columns, lanes)
    return np.ascontiguousarray(weights.reshape(columns // width, width, depth).transpose(0, 2, 1))


def _panel_width(columns: int, lanes: int) -> int:
    """A panel is two vectors wide where they divide the columns, else one."""
    return 2 * lanes if columns % (2 * lanes) == 0 else lanes
