"""Hypervisor hosts that share nothing but a wire: each its own libvirtd and controller in namespaces of its own."""
