"""Fixtures for tests with several nodes."""

from tests.libvirt.conftest import private_network

__all__ = ["private_network"]
