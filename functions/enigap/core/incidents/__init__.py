"""What persists over windows: incidents, the decision what to say about them, and the state between runs.

Read `incident` first: it has the words. Then `decide` (a report and the state before it become the state
after it, with news), `outbox` (what is still to be said), `missed` (windows that are judged late), `state`
(how it is written down) and `replay` (the same decision over past windows).
"""
