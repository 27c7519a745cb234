"""Backups of this node's VMs and what is restored here: taken, stored in parts, described by a manifest, checked."""
