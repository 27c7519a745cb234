"""Streams of the VMs of this host: serial consoles, live metrics, logs, port-forwards, and who may open them."""
