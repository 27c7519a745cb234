"""Objects as rows of a meta.k8s.io/v1 Table."""
