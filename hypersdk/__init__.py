"""What every part shares: the models, the Kubernetes client, the verbs. Knows neither Textual nor libvirt."""

import os

# For plug-ins, pydantic would read what each installed distribution says of itself: a tenth of the console's start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
