"""`hyperctl k8s …`: objects on an API server, in the document's grammar."""
