"""Level-driven reconciling in general: keys, a queue, workers, back-off, sources. Knows nothing of VMs."""
