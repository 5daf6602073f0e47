"""Runs a script kernel under its limits; see `python simulate.py --help`."""

try:
    from simulator.command import main

    raise SystemExit(main())
except KeyboardInterrupt:  # while the modules are loaded, which takes a second
    raise SystemExit(130) from None
