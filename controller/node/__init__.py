"""The VMs of one host: what each should be, what it is, what to do about it, and what to say of it."""
