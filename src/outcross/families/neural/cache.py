"""Keys and values of tokens already written, in room that is there from the beginning.

The library's own cache grows by copying all of it for every token, which takes most of the time of a small network.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class Layer(DynamicLayer):
    """Keys and values of one layer (n, heads, tokens, size): views of room for `most` tokens."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.shared = most, 0  # shared: tokens that all beams of a row have in common
        self._room: list[Tensor] = []

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make room, as large as the first keys and values tell."""
        super().lazy_initialization(key_states, value_states)
        self._room = [s.new_empty((*s.shape[:2], self.most, s.shape[3])) for s in (key_states, value_states)]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write what is new behind what is there; all of it."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first = self.get_seq_length()
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, first : first + new.shape[2]] = new
        return self._show(first + key_states.shape[2])

    def _show(self, tokens: int) -> tuple[Tensor, Tensor]:
        keys, values = (room[:, :, :tokens] for room in self._room)
        self.keys, self.values = keys, values
        return keys, values

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Every row so many times, one after the other: from here on they differ."""
        self.shared = self.get_seq_length()
        self._room = [room.repeat_interleave(repeats, dim=0) for room in self._room]
        self._show(self.shared)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Rows in another order, within those of one prompt: only what they do not share has to move."""
        for room in self._room:
            own = room[:, :, self.shared : self.get_seq_length()]
            own.copy_(own.index_select(0, beam_idx))


def cache(most: int) -> Cache:
    """An empty cache with room for so many tokens a row."""
    return Cache(layer_class_to_replicate=partial(Layer, most))  # type: ignore[arg-type]
