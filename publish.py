"""Brings weights and kernel to Kaggle and the output back; see `python publish.py --help`."""

from publisher.command import main

raise SystemExit(main())
