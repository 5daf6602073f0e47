"""Brings weights and kernel to Kaggle and the output back; see `python publish.py --help`."""

try:
    from publisher.command import main

    raise SystemExit(main())
except KeyboardInterrupt:  # while the modules are loaded, which takes a second
    raise SystemExit(130) from None
