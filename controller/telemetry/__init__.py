"""What the controller tells of itself: metrics for Prometheus, health, lines of log that say what they are about."""
