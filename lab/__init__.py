"""A node, its pods, its ENI and a remote host out of network namespaces, with real traffic: `make lab`.

Real kernels count real iperf3 traffic on both sides of the node's network interfaces. What they counted is
played into the embedded AWS as CloudWatch would have it, judged by the deployed pipeline, and held against
the counting model.
"""
