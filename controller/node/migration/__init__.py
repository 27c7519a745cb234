"""Moving a VM to another node. Who owns it stands in its `status.nodeName`, and nowhere else."""
