"""Training on your own machine: recordings in, fold weights for the kernel out."""
