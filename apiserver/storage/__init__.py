"""Where objects live: SQLite on disk, the newest state and a window of changes in memory."""
