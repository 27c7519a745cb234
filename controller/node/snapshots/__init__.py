"""Snapshots of this node's VMs: taken, gone back to, merged away."""
