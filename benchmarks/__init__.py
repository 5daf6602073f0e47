"""What is measured, each benchmark a module: `python -m benchmarks.NAME`."""
