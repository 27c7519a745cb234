"""HTTP requests on objects: reading, writing, watching."""
