"""Makes one script out of a runtime package: `python bundle.py --help`."""

try:
    from bundler.cli import main

    raise SystemExit(main())
except KeyboardInterrupt:  # while the modules are loaded, which takes a second
    raise SystemExit(130) from None
