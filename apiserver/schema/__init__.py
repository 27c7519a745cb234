"""Structural schemas (apiextensions.k8s.io/v1): what they prune, fill in and refuse."""
