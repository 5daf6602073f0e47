"""What went wrong at Kaggle or on the way there. Faults in what we were given are `KernelError` and `BundleError`."""


class KaggleError(Exception):
    """Kaggle did not do what was asked; the text says what, why, and what to do."""
