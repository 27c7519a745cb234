"""What a write may do to an object's metadata, whatever its kind."""
