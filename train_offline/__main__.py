"""`python -m train_offline`."""

if __name__ == "__main__":
    try:
        from train_offline.command import main

        raise SystemExit(main())
    except KeyboardInterrupt:  # while the modules are loaded, which takes a second
        raise SystemExit(130) from None
