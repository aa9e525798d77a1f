"""What families of torch modules share: networks, and how they are trained. Needs the extra `torch`."""

from importlib.util import find_spec

from outcross.core.errors import require


def need_torch() -> None:
    """Raise InputError, naming the extra, where torch is not installed."""
    require(find_spec("torch") is not None, "this needs torch, which is not installed: pip install 'outcross[torch]'")
