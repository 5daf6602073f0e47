"""The runtime: everything that runs inside the Kaggle kernel, and nothing else."""
