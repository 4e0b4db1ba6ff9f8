"""What an incident comes to, in one paragraph for the person woken up: who, how much, for how long, why.

Figures and reason are those of the judgement; nothing is worked out anew here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enigap.core.counting.meters import OS_METRIC
from enigap.core.counting.reading import OsSource
from enigap.core.counting.units import ZERO
from enigap.core.incidents.incident import Incident, News, NewsKind, NewsReason
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import Cause, NodeFigures, Reason, Verdict
from enigap.core.messages.fitting import beginning_and_end, lasting, name
from enigap.core.messages.talkers import MOST_TALKERS, talkers
from enigap.core.text import count, duration


@dataclass(frozen=True, slots=True)
class CauseWords:
    """What it most likely is, and the one thing to do next."""

    likely: str
    to_do: str
    """In the project's own words only; what is between backticks is code."""
    command: str | None = None
    """What does it, in a shell; {cluster} and {region} stand for what they are called."""

    @property
    def next_step(self) -> str:
        """What to do, with its command, on one line."""
        return f"{self.to_do} {self.command}" if self.command else self.to_do


_PODS: Final = "kubectl -n amazon-cloudwatch get pods -o wide"

CAUSE_WORDS: Final[Mapping[str, CauseWords]] = {
    Cause.AGENT_DOWN: CauseWords(
        "the CloudWatch agent is down, or is not allowed to write to CloudWatch",
        "Find the agent's pod on the node, see whether it is running, and read its log:",
        _PODS,
    ),
    Cause.NO_INSTANCE_ID: CauseWords(
        "the agent cannot reach the instance metadata (IMDS): its hop limit is 1, or it is blocked for pods",
        "Let the launch template and the running node allow two hops (`aws ec2 "
        "modify-instance-metadata-options --http-put-response-hop-limit 2`), then restart the agent's pod:",
        _PODS,
    ),
    Cause.REUSED_NAME: CauseWords(
        "the events in its log stream carry another instance's id: its node name was another node's before, "
        "or the agent there holds on to an old id",
        "Delete the agent's pod on the node, so that a new one asks for the id again. To find it:",
        _PODS,
    ),
    Cause.COUNTER_RESET: CauseWords(
        "a device's counter was reset, and the agent leaves that device out for up to half an hour",
        "Wait half an hour; if it lasts longer, something keeps making the device anew.",
    ),
    Cause.METRIC_PATH: CauseWords(
        "the agent's events or counters reach CloudWatch and its metrics do not",
        "Look in the agent's log on the node for metrics that were refused, and in its configuration for "
        "`disable_metric_extraction` or a classic Container Insights that is switched off.",
    ),
    Cause.WRAPPED_COUNTER: CauseWords(
        "a counter was reset and the agent took that for a wrap-around, as agents before 1.300029 do",
        "Update the CloudWatch agent (the EKS add-on amazon-cloudwatch-observability) and the network "
        "driver.",
    ),
    Cause.MOVED_DEVICE: CauseWords(
        "a device moved into a pod, kernel bypass, or the agent in the wrong network namespace",
        "On the node, compare `ip -br link` with the instance's network interfaces in EC2: one that the node "
        "does not show was moved into a pod or given to a user-space driver.",
    ),
    Cause.MIRRORED_TRAFFIC: CauseWords(
        "EC2 counts copies that a traffic mirror session sends, and the OS does not see these",
        "Look for traffic mirror sessions of the instance's network interfaces in the VPC console.",
    ),
    Cause.WRONG_NAMESPACE: CauseWords(
        "the agent counts in a network namespace of its own instead of the node's",
        "Make sure that the agent's DaemonSet has `hostNetwork: true` and mounts the node's `/` at "
        "`/rootfs`.",
    ),
    Cause.BLIND_AGENT: CauseWords(
        "the agent cannot read the node's /proc/net/dev",
        "Look in the agent's log on the node for errors about `/proc`, and make sure that it mounts the "
        "node's `/` at `/rootfs`.",
    ),
    Cause.RECEIVE_DROPS: CauseWords(
        "packets arrived and were dropped before the OS counted them: full receive rings, or an XDP program",
        "On the node, look at the device's drops and overruns in `ethtool -S`.",
    ),
    Cause.TRANSMIT_DROPS: CauseWords(
        "packets were dropped after the OS had counted them, because the instance used up its network "
        "allowance",
        "On the node, look for a growing `*_allowance_exceeded` in `ethtool -S`; a larger instance type "
        "allows more.",
    ),
    Cause.UNIT_ERROR: CauseWords(
        "one side is in another unit or statistic, such as bytes per period against bytes per second",
        "Compare both in CloudWatch: `node_network_total_bytes` as Average (or, with OpenTelemetry, the "
        "`rate` of the counters `container_network_*_bytes_total`), `NetworkIn` and `NetworkOut` as Sum "
        "divided by the period.",
    ),
    Cause.EC2_SIDE: CauseWords(
        "EC2's own figure is wrong",
        "Compare it with the devices; where those contradict EC2, open a case with AWS support.",
    ),
}

FINDING_WORDS: Final[Mapping[str, CauseWords]] = {
    FindingKind.NOT_COLLECTED: CauseWords(
        "the CloudWatch agent was removed or fails, or Container Insights was switched off",
        "See what is installed and switched on:",
        "aws eks describe-addon --addon-name amazon-cloudwatch-observability --cluster-name {cluster} "
        "--region {region}",
    ),
    FindingKind.COUNTS_DIFFER: CauseWords(
        "a convention of EC2's, which counts other bytes of a frame or other traffic than the devices do",
        "Nothing is to be done on the nodes, and enigap leaves it out by itself.",
    ),
    FindingKind.LONG_INTERVAL: CauseWords(
        "`metrics_collection_interval` of the agents is longer than a minute",
        "Set `metrics_collection_interval` to 60 in the agent's configuration.",
    ),
    FindingKind.UNREADABLE: CauseWords(
        "CloudWatch throttles or denies the requests, or has an outage",
        "Read the reconcile function's log, which quotes CloudWatch's answer, and AWS's health dashboard.",
    ),
    FindingKind.NOT_FOUND: CauseWords(
        "the name is misspelt in `clusters`, the cluster is in another region or account, or it was deleted "
        "or scaled to zero",
        "See which clusters there are, and correct `clusters`:",
        "aws eks list-clusters --region {region}",
    ),
}

TEST_WORDS: Final = "This is a test, sent with `enigap notify --test`. Nothing to do."

IN_SHORT: Final[Mapping[str, str]] = {
    Verdict.OS_DEFICIT: "the OS misses bytes that were carried",
    Verdict.OS_EXCESS: "the OS counts bytes that were not carried",
    Verdict.IMPLAUSIBLE: "rates that no machine can have",
    Verdict.OS_SILENT: "no data from Container Insights",
    Verdict.OS_UNSTEADY: "Container Insights stops and starts",
    FindingKind.NOT_COLLECTED: "not collected",
    FindingKind.UNREADABLE: "CloudWatch unreadable",
    FindingKind.NOT_FOUND: "cluster not found",
    FindingKind.COUNTS_DIFFER: "EC2 counts otherwise",
    FindingKind.LONG_INTERVAL: "agents report too seldom",
}
"""What is the matter, for a title."""

# Of many nodes at once, where one node's reason would be about the wrong one.
_OF_MANY: Final[Mapping[str, Reason]] = {
    Verdict.OS_DEFICIT: Reason(
        "the OS counted less than the network interfaces carried", ": counting never makes it see less"
    ),
    Verdict.OS_EXCESS: Reason("the physical devices counted more than the network interfaces carried"),
    Verdict.IMPLAUSIBLE: Reason("rates that no machine can have were reported"),
    Verdict.OS_SILENT: Reason(
        "EC2 reported traffic and Container Insights nothing",
        ": their agents are down or blind, or their metrics are lost",
    ),
    Verdict.OS_UNSTEADY: Reason(
        "Container Insights stopped and started again and again", ": their agents keep restarting"
    ),
}

_ENDINGS: Final = {
    NewsReason.EXPLAINED_AGAIN: "counting explains the bytes again",
    NewsReason.NODE_GONE: "gone from the cluster",
    NewsReason.COLLECTED_AGAIN: "Container Insights reports again",
    NewsReason.READABLE_AGAIN: "CloudWatch answers again",
    NewsReason.FOUND: "it has a running node",
    NewsReason.IDLE: "its traffic over the last hour is too small for what was told",
    NewsReason.NO_LONGER_LOOKED_AT: "its devices are no longer looked at, for `evidence` is off",
    NewsReason.OTHER_VERDICT: "the last of it has another verdict now, which is told by itself",
    NewsReason.NO_LONGER_WATCHED: "no longer watched, for the settings leave the cluster out",
    NewsReason.WAS_AND_IS_OVER: "was and is over; its windows were judged late",
}

_EXPLAINED_AGAIN: Final[Mapping[str, str]] = {
    Verdict.OS_SILENT: "Container Insights reports again",
    Verdict.IMPLAUSIBLE: "the rates are possible again",
    "os_unsteady": "Container Insights reports without gaps again",
}
"""The end of an incident that was not about bytes that counting does not explain."""

_LONGEST_REASON: Final = 900


def summary(news: News) -> str:
    """The paragraph for one piece of news, on one line."""
    incident = news.incident
    if news.kind is NewsKind.RESOLVED:
        over = beginning_and_end(incident.since, news.window.end)
        return f"{_who(incident)}: {_ending(news)}. The incident ({name(incident.verdict)}) {over}."
    if news.why is NewsReason.TEST:
        return TEST_WORDS
    span = lasting(incident.since, news.window.end)
    words = None if incident.reason else _words_of(incident)
    likely = [f"Likely: {words.likely}."] if words else []
    told = "; ".join(largest_talkers(incident))
    who = [f"Largest talkers: {told}."] if told else []
    return " ".join([f"{_who(incident)}: {_what(incident, span)}.", *likely, *who, *notes(news)])


def largest_talkers(incident: Incident) -> list[str]:
    """Of a single node whose devices were looked at: the pods that its traffic is mostly of."""
    if incident.is_cluster_wide or not incident.nodes:
        return []
    return talkers(incident.nodes[0].evidence, MOST_TALKERS)


def notes(news: News) -> list[str]:
    """Sentences about the telling: that it was muted, and since when its devices could not be looked at."""
    said = ["It was muted until now."] if news.why is NewsReason.SILENCE_EXPIRED else []
    if news.incident.returns >= 2 and news.kind is not NewsKind.RESOLVED:
        said.append(
            f"It came back {news.incident.returns} times lately, so it is resolved only after it has been "
            "over for a while."
        )
    seen = news.incident.seen
    if seen is not None and seen.looked_at < news.window.end:
        before = duration(news.window.end - seen.looked_at)
        said.append(f"Its devices could last be looked at {before} before.")
    return said


def impact(incident: Incident) -> str:
    """What an open incident means for readers of the metrics, in one sentence: which dashboards, alarms and
    scaling decisions are blind, and by how much."""
    return impact_of(incident.verdict, incident.node_count, incident.nodes[0] if incident.nodes else None)


def impact_of(verdict: str, nodes: int, worst: NodeFigures | None) -> str:
    """The same of so many nodes with one verdict."""
    words = _IMPACT.get(verdict, "Do not rely on the network metrics of {whom} while this lasts.")
    return words.format(
        metrics=os_metric(worst.os_source if worst else None),
        whom="this node" if nodes == 1 else f"these {count(nodes, 'node')}",
        unexplained=_at_least(worst, nodes),
        carried=_carried(worst, nodes),
    )


def os_metric(source: OsSource | None) -> str:
    """What the OS's figure is called in CloudWatch."""
    return "container_network_*_bytes_total of OpenTelemetry" if source is OsSource.OTEL else OS_METRIC


_BUILT_ON: Final = "Dashboards, alarms and scaling decisions on {metrics}"

_IMPACT: Final[Mapping[str, str]] = {
    Verdict.OS_DEFICIT: f"{_BUILT_ON} miss {{unexplained}} of what the network interfaces of {{whom}} "
    "carried.",
    Verdict.OS_EXCESS: f"{_BUILT_ON} include {{unexplained}} that the network interfaces of {{whom}} did not "
    "carry.",
    Verdict.IMPLAUSIBLE: "Sums, averages and scaling decisions with the network metrics of {whom} in them "
    "are wrong by more than a machine can move.",
    Verdict.OS_SILENT: f"{_BUILT_ON} do not see {{whom}}{{carried}}.",
    Verdict.OS_UNSTEADY: f"{_BUILT_ON} see {{whom}} with gaps only{{carried}}.",
    FindingKind.NOT_COLLECTED: f"{_BUILT_ON} see nothing of this cluster.",
    FindingKind.UNREADABLE: "Nothing can be said about this cluster until CloudWatch answers; whether "
    "dashboards of it are right is unknown.",
    FindingKind.NOT_FOUND: "No node of this cluster is watched, so nothing that is wrong there is told.",
    FindingKind.COUNTS_DIFFER: "No dashboard and no scaling decision is blind: both metrics keep their "
    "meaning.",
    FindingKind.LONG_INTERVAL: f"{_BUILT_ON} get a value every two to five minutes only, and the nodes "
    "cannot be judged.",
}


def _at_least(worst: NodeFigures | None, nodes: int) -> str:
    if worst is None or worst.unexplained is None or worst.unexplained <= ZERO:
        return "an unknown amount"
    return f"at least {worst.unexplained.rounded_down}{' on the worst' if nodes > 1 else ''}"


def _carried(worst: NodeFigures | None, nodes: int) -> str:
    if worst is None or worst.eni is None or worst.eni <= ZERO:
        return ""
    return f": {worst.eni} on {'the worst alone' if nodes > 1 else 'its network interfaces'}"


_NAMED_IN_ONE: Final = {Cause.MOVED_DEVICE, Cause.WRONG_NAMESPACE}
"""What is said of the one names the other, too."""


def _words_of(incident: Incident) -> CauseWords | None:
    return words_for(incident.verdict, incident.cause, incident.alternative_cause)


def words_for(verdict: str, cause: str | None, alternative: str | None = None) -> CauseWords | None:
    """The likely cause in words, or both that the figures cannot tell apart; None where there is none."""
    one = FINDING_WORDS.get(verdict) or CAUSE_WORDS.get(cause or "")
    other = CAUSE_WORDS.get(alternative or "")
    if one is None or other is None:
        return one
    likely = f"{one.likely}; or, as the figures cannot tell the two apart, {other.likely}"
    if {cause, alternative} == _NAMED_IN_ONE:
        likely = CAUSE_WORDS[Cause.MOVED_DEVICE].likely
    if one.command is None:
        return CauseWords(likely, f"{one.to_do} {other.to_do}", other.command)
    # A command ends what is to do; what has none comes before it.
    return CauseWords(
        likely, f"{other.to_do} {one.to_do}" if other.command is None else one.to_do, one.command
    )


def node_label(instance_id: str, node_name: str | None) -> str:
    """`ip-10-0-3-7 (i-0abc)`."""
    return f"{name(node_name)} ({name(instance_id)})" if node_name else name(instance_id)


def _ending(news: News) -> str:
    if news.why is NewsReason.NODE_GONE and news.incident.is_about_cluster:
        return "no node is left"
    seen = news.incident.seen
    if news.why is NewsReason.NOT_SEEN and seen is not None:
        return f"not seen for {duration(news.window.end - seen.last)}, though its devices were looked at"
    if news.why is NewsReason.EXPLAINED_AGAIN and news.incident.verdict in _EXPLAINED_AGAIN:
        return _EXPLAINED_AGAIN[news.incident.verdict]
    return _ENDINGS.get(news.why, "over")


def _who(incident: Incident) -> str:
    cluster, target, _ = incident.id.rsplit("/", 2)
    if incident.is_about_cluster:
        return name(cluster)
    if incident.is_cluster_wide:
        return f"{count(incident.node_count, 'node')} in {name(cluster)}"
    node_name = incident.nodes[0].node_name if incident.nodes else None
    return f"{node_label(target, node_name)} in {name(cluster)}"


def _what(incident: Incident, span: str) -> str:
    if incident.is_about_cluster:
        return _of_cluster(incident, span)
    worst = incident.nodes[0] if incident.nodes else None
    if incident.is_cluster_wide:
        seen = _OF_MANY.get(incident.verdict) or Reason(incident.verdict)
        return f"{_lasting(seen, span)}{_worst(worst)}"
    return _of_node(worst, span) if worst else f"{name(incident.verdict)} for {span}"


def _of_cluster(incident: Incident, span: str) -> str:
    if not incident.is_fault:
        seen = (
            f"EC2 counts otherwise than the devices on {_any_node(incident)} for {span}, and that is no fault"
        )
        return name(incident.reason, _LONGEST_REASON).rstrip(".") if incident.reason else seen
    if incident.reason:
        return f"{name(incident.reason, _LONGEST_REASON).rstrip('.')}. Nothing could be judged for {span}"
    if incident.verdict == FindingKind.NOT_COLLECTED:
        return f"no bytes of the OS from {_any_node(incident)} for {span}, so nothing can be judged"
    return f"CloudWatch gave no answer about {_any_node(incident)} for {span}, so nothing can be judged"


def _of_node(node: NodeFigures, span: str) -> str:
    if _counted_less(node) and node.unexplained is not None:
        at_least = node.unexplained.rounded_down
        return (
            f"the network interfaces carried {node.eni}, the OS counted {node.os}. "
            f"Counting never makes the OS see less: at least {at_least} unexplained for {span}"
        )
    return _lasting(node.reason, span)


def _lasting(reason: Reason, span: str) -> str:
    """The reason with how long: what was seen has lasted, and what it means comes behind it."""
    return f"{name(reason.seen, _LONGEST_REASON)} for {span}{name(reason.means, _LONGEST_REASON)}"


def _counted_less(node: NodeFigures) -> bool:
    """Whether it is the two totals that contradict counting, and not the devices."""
    if node.os is None or node.eni is None or node.unexplained is None:
        return False
    return node.verdict == Verdict.OS_DEFICIT and node.os < node.eni


def _worst(node: NodeFigures | None) -> str:
    if node is None:
        return ""
    who = f". The worst is {node_label(node.instance_id, node.node_name)}"
    if node.unexplained is not None and node.unexplained > ZERO:
        return f"{who}, at least {node.unexplained.rounded_down} unexplained"
    if node.eni is not None and node.eni > ZERO:
        return f"{who}, with {node.eni} on its network interfaces"
    return who


def _any_node(incident: Incident) -> str:
    if incident.node_count < 2:
        return "its only node" if incident.node_count else "any node"
    return f"any of its {count(incident.node_count, 'node')}"
