"""From one node's readings to a verdict with its reason, and from nodes to a cluster's report.

Read `verdict` first: it has the words. Then `judge` (the verdict table, from top to bottom), `case` (what is
known of a window, which its rows ask), `steadiness` (whether an agent keeps restarting, which two windows
show), `causes` (what is most likely behind an unexplained gap), `who` (the pods behind the devices),
`cluster` (the report on all nodes together), `conventions` (what EC2 counts otherwise on most of them),
`intervals` (agents that report too seldom), `doubts` (data that contradict what is relied on) and `turns`
(whose devices are looked at in which window).
"""
