"""What only one controller does for all nodes, the leader: placement, and operations that no node answers for."""
