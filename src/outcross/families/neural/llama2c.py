"""Models of llama2.c (version 0 of its files, without a magic number) as folders that transformers reads.

The file: seven int32 (width, feed-forward width, layers, heads, key and value heads, vocabulary, context), then float32
matrices, each for all layers; a positive vocabulary says that the output matrix is the embedding. The tokenizer: the
length of the longest piece, then score, length and bytes of each.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require

_HEAD = 28  # bytes
BEGIN, END = 1, 2


class Shape(NamedTuple):
    """The numbers at the head of a file."""

    width: int
    inner: int
    layers: int
    heads: int
    keys: int
    vocabulary: int
    context: int

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The matrices in the order of the file."""
        d, f, n, key = self.width, self.inner, self.layers, self.width // self.heads * self.keys
        turns = (self.context, d // self.heads // 2)
        return {
            "embed": (self.vocabulary, d),
            "input_layernorm": (n, d),
            "self_attn.q_proj": (n, d, d),
            "self_attn.k_proj": (n, key, d),
            "self_attn.v_proj": (n, key, d),
            "self_attn.o_proj": (n, d, d),
            "post_attention_layernorm": (n, d),
            "mlp.gate_proj": (n, f, d),
            "mlp.down_proj": (n, d, f),
            "mlp.up_proj": (n, f, d),
            "norm": (d,),
            "cosines": turns,
            "sines": turns,
        }


def read(content: bytes, name: str) -> tuple[Shape, dict[str, NDArray[np.float32]]]:
    """The matrices of a file. Raises InputError unless it is a whole one with finite numbers and tied embeddings."""
    require(len(content) >= _HEAD, f"{name}: cut short within its head")
    shape = Shape(*struct.unpack("<7i", content[:_HEAD]))
    require(min(shape) > 0 and shape.width % shape.heads == 0, f"{name}: no model of llama2.c, its head says {shape}")
    sizes = [int(np.prod(s)) for s in shape.parts.values()]
    due = _HEAD + 4 * sum(sizes)
    require(len(content) == due, f"{name}: {due:,} bytes are due by its head, it holds {len(content):,}")
    numbers = np.frombuffer(content, "<f4", offset=_HEAD)
    require(bool(np.isfinite(numbers).all()), f"{name}: holds numbers that are not finite")
    pieces = np.split(numbers, np.cumsum(sizes)[:-1])
    return shape, {k: p.reshape(s) for (k, s), p in zip(shape.parts.items(), pieces, strict=True)}


def weights(shape: Shape, parts: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The same by the names of transformers, whose rotary positions turn the halves of a head, not its neighbours."""
    half = np.arange(shape.width // shape.heads).reshape(-1, 2).T.ravel()  # 0, 2, 4, ..., 1, 3, 5, ...
    found = {"model.embed_tokens.weight": parts["embed"], "model.norm.weight": parts["norm"]}
    for name in list(shape.parts)[1:10]:
        for layer, matrix in enumerate(parts[name]):
            if name in ("self_attn.q_proj", "self_attn.k_proj"):
                matrix = matrix.reshape(-1, len(half), shape.width)[:, half].reshape(matrix.shape)
            found[f"model.layers.{layer}.{name}.weight"] = np.ascontiguousarray(matrix)
    return found


def config(shape: Shape) -> dict[str, Any]:
    """The configuration for transformers."""
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.keys,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "bos_token_id": BEGIN,
        "eos_token_id": END,
        "pad_token_id": None,
    }


def tokenizer(content: bytes, size: int, name: str) -> Any:
    """The tokenizer as transformers has them: pieces joined by highest score, unknown characters as bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = _pieces(content, size, name)
    code = {piece: i for i, (piece, _) in enumerate(pieces)}
    joins = [
        (score, piece[:k], piece[k:])
        for piece, score in pieces[3 + 256 :]
        for k in range(1, len(piece))
        if piece[:k] in code and piece[k:] in code
    ]
    merges = [(a, b) for _, a, b in sorted(joins, key=lambda join: -join[0])]
    made = Tokenizer(models.BPE(code, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Prepend(" ")
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    begin, end = pieces[BEGIN][0], pieces[END][0]
    made.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, BEGIN)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=begin, eos_token=end, unk_token="<unk>")


def _pieces(content: bytes, size: int, name: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    at = 4
    for _ in range(size):
        require(at + 8 <= len(content), f"{name}: {size} pieces are due, it ends after {len(found)}")
        score, length = struct.unpack_from("<fi", content, at)
        found.append((content[at + 8 : at + 8 + length].decode(), float(score)))
        at += 8 + length
    return found


def save(model: bytes, pieces: bytes, folder: Path) -> None:
    """Write a model and its tokenizer as a folder that transformers reads."""
    import json

    from safetensors.numpy import save_file

    shape, parts = read(model, "the model")
    folder.mkdir(parents=True)
    save_file(weights(shape, parts), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(shape), indent=1))
    tokenizer(pieces, shape.vocabulary, "the tokenizer").save_pretrained(folder)
