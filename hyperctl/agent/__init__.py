"""`hyperctl agent`: what a user runs on a hypervisor host itself, beside the controller."""
