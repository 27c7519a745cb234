"""What every part shares: the models, the Kubernetes client, the verbs. Knows neither Textual nor libvirt."""
