"""The only code that talks to a Kubernetes API. Importing kubernetes_asyncio is left to the moment of connecting."""
