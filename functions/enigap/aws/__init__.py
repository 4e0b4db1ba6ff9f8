"""Everything that knows the shapes of AWS's API. The rest of enigap sees `core`'s types and `AwsProblem`.

A module states what it calls as narrow Protocols and what it must be allowed as `ACTIONS` (see `iam`);
clients come in as arguments, made in one place (`clients`).
"""
