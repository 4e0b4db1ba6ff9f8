"""The counting model and the decisions that rest on it.

Nothing in here reads a clock, the environment, a file or a socket, and nothing logs: time, settings and
readings come in as arguments, and a decision goes out as a value that carries its reason. Only the
standard library is imported (tests/test_architecture.py holds that).

Read `counting` first, from `traffic` on, which is the theory; then `judging`, `incidents` and `messages`.
Each says in which order to read it. What crosses the border of enigap comes last: `published` (metrics),
`documents` (the JSON of the commands), `work` (the items of the queue), `console` (links to AWS's), and
what they are written with and read by, `instants`, `text` and `strict`. `doctor` has what all of this
believes about AWS.
"""
