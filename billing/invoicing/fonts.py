"""Which scripts the fonts of this machine can write, as the library knows that chooses fonts."""

import ctypes
from ctypes.util import find_library
from typing import Final

# A language stands for the letters that it needs; the package of Debian that brings them.
SCRIPTS: Final = {
    "Japanese": ("ja", "fonts-noto-cjk"),
    "Chinese": ("zh-cn", "fonts-noto-cjk"),
    "Korean": ("ko", "fonts-noto-cjk"),
    "Thai": ("th", "fonts-noto-core"),
    "Hindi": ("hi", "fonts-noto-core"),
    "Arabic": ("ar", "fonts-dejavu-core"),
    "Greek": ("el", "fonts-dejavu-core"),
    "Russian": ("ru", "fonts-dejavu-core"),
}


class _FontSet(ctypes.Structure):
    _fields_ = [
        ("count", ctypes.c_int),
        ("room", ctypes.c_int),
        ("fonts", ctypes.POINTER(ctypes.c_void_p)),
    ]


def missing_scripts() -> dict[str, str]:
    """The scripts that no font here can write, with the package that brings one.

    Empty as well where fontconfig is not there to be asked: printing says so by itself then.
    """
    name = find_library("fontconfig") or "libfontconfig.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return {}
    library.FcNameParse.restype = ctypes.c_void_p
    library.FcNameParse.argtypes = [ctypes.c_char_p]
    library.FcObjectSetBuild.restype = ctypes.c_void_p
    library.FcObjectSetBuild.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.FcFontList.restype = ctypes.POINTER(_FontSet)
    library.FcFontList.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    wanted = library.FcObjectSetBuild(b"family", None)

    def has_font(language: str) -> bool:
        pattern = library.FcNameParse(f":lang={language}".encode())
        found = library.FcFontList(None, pattern, wanted)
        return bool(found) and found.contents.count > 0

    return {
        script: package for script, (language, package) in SCRIPTS.items() if not has_font(language)
    }
