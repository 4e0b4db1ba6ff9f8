"""What enigap believes about AWS and the agent, and what an account says about it: `enigap doctor`.

Read `observed` first, which is what was seen of an account, then `belief`, which says what a belief and its
outcome are, and `sample`, which chooses the nodes; then `ec2_side`, `os_side`, `device_log`, `over_a_day`,
`otel_side` and `deployed`, where beliefs are judged, and `unchecked`, which has those that no command can
check. `beliefs` lists them all and makes the paragraph to paste.

`migration` compares the classic Container Insights with the OpenTelemetry one, and `usages` has the alarms
and dashboards that need the former: `enigap doctor --migration`.
"""
