"""How one node's bytes are counted, and what the readings of a window say about them.

Read `traffic` first: it is the theory. Then `units` and `window` (what a minute's rate says about a quarter
of an hour), `node`, `meters` (what is asked) and `reading` (what was answered), and last `devices` (which
device is what), `rules` (the figures that judging depends on), `patterns` (how long a
pattern for devices can take) and `evidence` (what the per-device events
say about a window). `track` makes counters of the events, `split` says of each part of the traffic how much
it was, `accumulated` compares the ENI devices with EC2 over hours (`comparison` has the values of
that), and `bypass` has the bytes that EC2 may
count and that cross no device. `pods` finds the pods that devices are named after, and `conversations` which
two devices exchanged their bytes.
"""
