"""What does a libvirt error mean to the controller? Try again later, or never with this spec."""

import libvirt

from hypersdk.errors import Terminal, Transient

_REFUSALS = {
    libvirt.VIR_ERR_XML_ERROR: "InvalidDomain",
    libvirt.VIR_ERR_XML_DETAIL: "InvalidDomain",
    libvirt.VIR_ERR_XML_INVALID_SCHEMA: "InvalidDomain",
    libvirt.VIR_ERR_INVALID_ARG: "InvalidDomain",
    libvirt.VIR_ERR_INVALID_MAC: "InvalidDomain",
    libvirt.VIR_ERR_OS_TYPE: "InvalidDomain",
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: "Unsupported",
    libvirt.VIR_ERR_CPU_INCOMPATIBLE: "Unsupported",
    libvirt.VIR_ERR_NO_SUPPORT: "Unsupported",
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: "Unsupported",
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED: "Unsupported",
}
"""Answers to what was asked, which the same question gets again. All else may be different next time."""

_ADVICE = {
    "Unable to find any firmware": "install the package ovmf on the host",
    "cannot execute binary swtpm": "install the packages swtpm and swtpm-tools on the host",
    "Cannot allocate memory": "free memory on the host, or give the VM less",
    "No space left on device": "free space on the host's disk",
    "Permission denied": "let the user that QEMU runs as read the file and its folders",
    "Failed to connect socket": "start libvirtd, or see that its socket may be used",
}


def translated(error: libvirt.libvirtError, what: str) -> Transient | Terminal:
    """The error in the controller's terms; `what` completes "cannot …"."""
    words = (error.get_error_message() or str(error)).strip()
    advice = next((f" ({tip})" for sign, tip in _ADVICE.items() if sign in words), "")
    message = f"cannot {what}: {words}{advice}"
    reason = _REFUSALS.get(error.get_error_code())
    return Terminal(reason, message) if reason else Transient(message)


def is_code(error: libvirt.libvirtError, *codes: int) -> bool:
    """Whether the error is one of libvirt's VIR_ERR_ codes given."""
    return error.get_error_code() in codes
