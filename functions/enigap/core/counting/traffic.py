"""Theory of operation: how one node's traffic is counted, twice, by two parties.

Two parties count the bytes of a Kubernetes node on EC2:

  * the **OS** counts per network device. The CloudWatch agent adds up every device cAdvisor reports for the
    root container (all but `lo`, `veth*`, `docker*` and `nerdctl*`) and publishes the sum of received and
    transmitted bytes as `node_network_total_bytes`, in **Bytes/Second**;
  * the **ENIs** count what passes the network interfaces of the instance. EC2 publishes `NetworkIn` and
    `NetworkOut`, in **Bytes per period**.

They do not count the same crossings. A pod has a device of its own on the node (with the Amazon VPC CNI a
veth called `eni<hash>`: virtual, despite its name), so what a pod sends is counted when it enters
the node through that device and again when it leaves through an ENI. What two pods of one node send each
other crosses two virtual devices and no ENI at all.

    what the bytes do                                   OS counts them    ENIs count them
    H  host-network process <-> off the node             once              once
    P  pod <-> off the node                              twice             once
    L  pod <-> pod on the same node                      twice             never
    N  pod <-> its own node                              once              never

Hence, per node and window (`Traffic` below says the same in code):

    E        = H + P
    O        = H + 2P + 2L + N
    O - E    = P + 2L + N  =  V, the bytes on virtual devices
    O - V    = H + P       =  E, the bytes on physical devices

Three consequences carry the whole product:

  1. **O < E contradicts counting.** Every byte an ENI carries crosses a physical device, and the OS counts
     physical devices. Something is not seen: a device moved into a pod, kernel bypass, a blind agent, a
     counter that was reset.
  2. **E <= O <= 2E is what pod traffic alone produces.** Where every off-node byte crosses one more device
     (an overlay such as `flannel.1`, the branch device of security groups for pods), it is 3E; where pods
     share the ENI's device (macvlan), E.
  3. **O > 2E has no upper bound.** Traffic inside the node raises O as far as it likes and E not at all. The
     two metrics cannot tell that from a fault; the devices one by one can: then physical bytes still equal E.

Sources: aws/amazon-cloudwatch-agent and its fork of opentelemetry-collector-contrib
(`awscontainerinsightreceiver/internal/cadvisor/extractors/net_extractor.go`), google/cadvisor
(`container/libcontainer/handler.go`, ignored device prefixes), aws/amazon-vpc-cni-k8s
(`pkg/networkutils/names.go`), the EC2 user guide ("bytes received by the instance on all network
interfaces ... during the period"); confirmed by measurement in Linux network namespaces (the recordings
this project keeps in `demo/captures`).
"""

from __future__ import annotations

from dataclasses import dataclass

from enigap.core.counting.units import ZERO, ByteRate


@dataclass(frozen=True, slots=True)
class Traffic:
    """A node's true traffic by kind, received plus transmitted, with the VPC CNI on Linux."""

    host_off_node: ByteRate = ZERO  # H
    pod_off_node: ByteRate = ZERO  # P
    pod_to_pod: ByteRate = ZERO  # L
    pod_to_host: ByteRate = ZERO  # N

    @property
    def eni(self) -> ByteRate:
        """What EC2 reports: E = H + P."""
        return self.host_off_node + self.pod_off_node

    @property
    def virtual(self) -> ByteRate:
        """What the OS counts on virtual devices: V = P + 2L + N."""
        return self.pod_off_node + 2 * self.pod_to_pod + self.pod_to_host

    @property
    def os(self) -> ByteRate:
        """What Container Insights reports: O = H + 2P + 2L + N."""
        return self.eni + self.virtual


def explained_up_to(eni: ByteRate, counts_per_byte: int, counted_again: ByteRate = ZERO) -> ByteRate:
    """The most the OS can count for traffic that leaves the node.

    `counts_per_byte` is how many devices an off-node byte may cross (2 for the VPC CNI); `counted_again` is
    what overlay and branch devices were seen to carry, which is counted once more on top.
    """
    return counts_per_byte * eni + counted_again
