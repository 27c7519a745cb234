"""VMOperations of this node's VMs: whose turn it is, what it wants, and what came of it."""
