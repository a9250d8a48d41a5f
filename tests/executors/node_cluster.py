"""A Ray cluster of several nodes on this machine, in a process of its own: prints its address, removes nodes when told.

python tests/executors/node_cluster.py NODES
"""

from __future__ import annotations

import os
import sys


def main(nodes: int) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "disabled"
    from ray.cluster_utils import Cluster

    health = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "_system_config": health}
    )
    try:
        others = [cluster.add_node(num_cpus=2) for _ in range(nodes)]
        cluster.wait_for_nodes()
        raylets = [node.all_processes["raylet"][0].process.pid for node in others]
        print(f"lemma-cluster {cluster.address} {' '.join(map(str, raylets))}", flush=True)
        for line in sys.stdin:
            cluster.remove_node(others[raylets.index(int(line))], allow_graceful=False)
            print("lemma-removed", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
