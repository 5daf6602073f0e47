"""Brings weights and kernel to Kaggle and the output back, with exit codes one can trust."""
