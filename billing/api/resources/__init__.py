"""A module a resource: what is shown of it, what may be sent, and its addresses.

Whatever stands in this folder is loaded with it, so that a new module is found by itself.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
