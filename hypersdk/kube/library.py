"""How much of kubernetes_asyncio is loaded? Its HTTP client and its reader of kubeconfigs, none of its 1,200 models.

The package imports every model of every API from its `__init__`, half a second and 40 MB that this product has no use
for. Its packages are therefore put in place empty, and the modules that are needed are imported below them.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType

_NAME = "kubernetes_asyncio"
_lock = Lock()


def load() -> None:
    """Make `kubernetes_asyncio.client` and `.config` importable; takes a tenth of a second, the first time only."""
    with _lock:
        if _NAME in sys.modules:
            return
        found = find_spec(_NAME)
        assert found is not None
        (folder,) = found.submodule_search_locations or []
        library = _place(_NAME, Path(folder))
        library.client = client = _place(f"{_NAME}.client", Path(folder, "client"))
        # ApiClient looks models up here by name when it is asked to make them, which it never is.
        client.models = _place(f"{_NAME}.client.models", Path(folder, "client", "models"))
        client.Configuration = import_module(f"{_NAME}.client.configuration").Configuration
        client.ApiClient = import_module(f"{_NAME}.client.api_client").ApiClient
        import_module(f"{_NAME}.config")


class _Package(ModuleType):
    """A package without an `__init__`, whose parts are put in by hand."""

    client: "_Package"
    models: "_Package"
    Configuration: type
    ApiClient: type


def _place(name: str, folder: Path) -> _Package:
    """An empty package that finds its modules where the real one does."""
    package = sys.modules[name] = _Package(name)
    package.__spec__ = ModuleSpec(name, None, is_package=True)
    package.__path__ = package.__spec__.submodule_search_locations = [str(folder)]
    return package
