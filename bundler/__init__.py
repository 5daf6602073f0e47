"""Makes one readable script out of a runtime package, and checks it before it leaves."""
