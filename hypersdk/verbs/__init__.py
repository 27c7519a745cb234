"""What a person can do to a VM, each thing once: keys, palette, bulk actions and the CLI all come from here."""
