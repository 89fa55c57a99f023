"""Load a bundle's binary and make an instance of each plugin, as a host does: python -m export.lv2.check FOLDER."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from export.lv2.ttl import BINARY

Instantiate = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)
)
ConnectPort = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
OfHandle = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
Run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)
ExtensionData = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)


class Descriptor(ctypes.Structure):
    """LV2_Descriptor of lv2/core/lv2.h."""

    _fields_ = (
        ("uri", ctypes.c_char_p),
        ("instantiate", Instantiate),
        ("connect_port", ConnectPort),
        ("activate", OfHandle),
        ("run", Run),
        ("deactivate", OfHandle),
        ("cleanup", OfHandle),
        ("extension_data", ExtensionData),
    )


def descriptors(folder: Path) -> list[Descriptor]:
    """The plugins of the bundle's binary, in its order. Raises: OSError where it cannot be loaded."""
    library = ctypes.CDLL(str(folder.resolve() / BINARY))
    library.lv2_descriptor.restype = ctypes.POINTER(Descriptor)
    library.lv2_descriptor.argtypes = [ctypes.c_uint32]
    found: list[Descriptor] = []
    while pointer := library.lv2_descriptor(len(found)):
        found.append(pointer.contents)
    return found


def main(folder: Path, rate: float) -> int:
    """0 where every plugin of the bundle can be made at this rate; the plugin itself says why not, on stderr."""
    try:
        plugins = descriptors(folder)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    no_features = (ctypes.c_void_p * 1)(None)
    for plugin in plugins:
        place = str(folder.resolve() / "").encode()
        handle = plugin.instantiate(ctypes.addressof(plugin), rate, place, no_features)
        if not handle:
            return 1
        plugin.cleanup(handle)
    return 0 if plugins else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
