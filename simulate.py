"""Runs a script kernel under its limits; see `python simulate.py --help`."""

from simulator.command import main

raise SystemExit(main())
