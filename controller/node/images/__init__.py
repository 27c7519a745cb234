"""Images: fetched once, checked under limits, kept by content, shared by the VMs of this node, removed when unused."""
