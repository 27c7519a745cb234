"""What the server does by itself: emptied namespaces, removed definitions, orphans, old events."""
