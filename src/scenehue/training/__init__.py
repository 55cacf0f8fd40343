"""Training: the losses, the Lightning module, and resuming after a kill."""
