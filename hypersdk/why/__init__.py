"""Why a VM is not well: the chain from its object down to its guest, and the verb that mends it."""
