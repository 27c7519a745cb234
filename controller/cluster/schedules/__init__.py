"""BackupSchedules: when a backup is due, which BackupJobs that makes, and which old ones go."""
