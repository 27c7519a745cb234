"""Are libraries and module facts read out of compiled files?"""

from hyperctl.guest.elf import module_facts, needed, sections
from tests.unit.guest.elf_file import elf, kernel_module, program


def test_program_needs_its_libraries_and_the_dynamic_linker() -> None:
    content = program("/lib64/ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6")
    assert needed(content) == ["libc.so.6", "libm.so.6", "/lib64/ld-linux-x86-64.so.2"]


def test_static_program_needs_nothing() -> None:
    assert needed(elf(__text=b"code")) == []


def test_a_script_has_no_sections() -> None:
    assert sections(b"#!/bin/sh\n") == {}


def test_module_facts_keep_repeated_values_in_order() -> None:
    facts = module_facts(kernel_module("alias=virtio:d2v*", "depends=virtio", "alias=pci:v1*", "license=GPL"))
    assert facts == {"alias": ["virtio:d2v*", "pci:v1*"], "depends": ["virtio"], "license": ["GPL"]}
