"""The documentation of Python's standard library: names and what is said of them.

Read in a process of its own without any other package, as some put methods of theirs into the library's classes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

Pair = tuple[str, str]
MODULES = (  # that do nothing when they are imported
    *("argparse", "ast", "base64", "bisect", "builtins", "calendar", "collections", "configparser", "contextlib"),
    *("copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "filecmp", "fnmatch", "fractions"),
    *("functools", "glob", "gzip", "hashlib", "heapq", "html", "inspect", "io", "itertools", "json", "linecache"),
    *("locale", "logging", "math", "mimetypes", "operator", "os", "os.path", "pathlib", "platform", "pprint", "queue"),
    *("random", "re", "secrets", "shlex", "shutil", "socket", "statistics", "string", "struct", "subprocess", "sys"),
    *("tarfile", "tempfile", "textwrap", "threading", "time", "timeit", "traceback", "types", "unicodedata"),
    *("unittest", "urllib.parse", "uuid", "warnings", "weakref", "xml.etree.ElementTree", "zipfile", "zlib"),
)


def library() -> list[Pair]:
    """What Python's standard library says of its public functions, classes and their methods, always in this order."""
    child = subprocess.run([sys.executable, "-I", "-S", __file__], capture_output=True, check=True)
    return [(f"What does {name} do in Python?", told) for name, told in json.loads(child.stdout)]


def _documented(module: str) -> Iterator[Pair]:
    found = importlib.import_module(module)
    whole = "" if module == "builtins" else f"{module}."
    for name in sorted(getattr(found, "__all__", None) or vars(found)):
        member = getattr(found, name, None)
        if name.startswith("_") or not (inspect.isroutine(member) or inspect.isclass(member)):
            continue
        yield from _said(f"{whole}{name}", member)
        if inspect.isclass(member):
            for inner in sorted(vars(member)):
                if not inner.startswith("_") and inspect.isroutine(getattr(member, inner, None)):
                    yield from _said(f"{whole}{name}.{inner}", getattr(member, inner))


def _said(name: str, member: Any) -> Iterator[Pair]:
    told = inspect.getdoc(member)
    if told:
        yield name, told


if __name__ == "__main__":
    print(json.dumps([pair for module in MODULES for pair in _documented(module)]))
