"""The other half of the kill campaign: operations by steps, each killed so many times at random points of its work."""
