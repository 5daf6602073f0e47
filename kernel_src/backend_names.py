"""The names of the ways to compute a network's logits; what they mean is in `backends`, which needs torch."""

PLAIN = "plain"
"""The module itself, in float32: slow, and what all others are held against."""

EXACT = "folded-float32"
"""The quickest one that computes in float32, on every device: for scores that are to be had again elsewhere."""

FOLDED = (EXACT, "folded-bfloat16", "folded-float16")
"""The network rearranged for inference, by the data type of its weights and activations."""

GRAPHED = {"graphed-bfloat16": "folded-bfloat16", "graphed-float16": "folded-float16"}
"""On a GPU: the same, replayed as a CUDA graph."""

COMPILED = {"compiled-bfloat16": "folded-bfloat16", "compiled-float16": "folded-float16"}
"""On a GPU: the same through torch's compiler first, which takes a while and makes few operations of many."""

WINOGRAD = "winograd-float32"
"""On a CPU: float32 with fewer multiplications, in C++ that is compiled at the start."""

MADE_BY_A_COMPILER = (WINOGRAD, *COMPILED)
"""Those that take a moment or more to start."""

BACKENDS = (PLAIN, WINOGRAD, *FOLDED, *GRAPHED, *COMPILED)
