"""Templates: looked at by one controller each, and taken into the VMs that name them when those get a node."""
