"""Clones: another VM with the same disks, whole copies or layers over the same files, filled before it may start."""
