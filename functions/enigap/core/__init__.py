"""The counting model and the decisions that rest on it.

Nothing in here reads a clock, the environment, a file or a socket, and nothing logs: time, settings and
readings come in as arguments, and a decision goes out as a value that carries its reason. Only the
standard library is imported (tests/test_architecture.py holds that).

Read `traffic` first: it is the theory. Then `window` (what a minute's rate says about a quarter of an
hour), `devices` (which device is what), `evidence` (what the per-device events prove) and `verdict`.
"""
