"""Coding: a text as tokens and back. Learned on the real text that can be drawn, and then the same for good.

A coding that were learned anew on what models wrote would move every number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from outcross.core.errors import InputError, require
from outcross.sources.parse import tokenise

END, UNKNOWN = "<eos>", "<unk>"
Split = Callable[[str], list[str]]


class Coding(Protocol):
    """A text as tokens and back."""

    size: int  # of the vocabulary
    end: int  # the token that marks an end
    told: str  # what it is, for people
    name: str  # what `tokens` of a source calls it

    def encode(self, documents: Iterable[str]) -> Iterator[Sequence[int]]:
        """The tokens of each document, with the mark of its end."""

    def bare(self, text: str) -> list[int]:
        """The tokens of a text without any mark."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of tokens."""


def digest(coding: Coding) -> str:
    """SHA-256 over what each token stands for: two codings of as many tokens can be different ones."""
    h = hashlib.sha256()
    for token in range(coding.size):
        h.update(coding.decode([token]).encode() + b"\0")
    return h.hexdigest()


class Words:
    """Words with numbers, the most frequent first; one mark ends each document, words not known are `<unk>`."""

    name = "words"

    def __init__(self, labels: Sequence[str], split: Split = tokenise) -> None:
        self.labels, self._split = tuple(labels), split
        self._code = {word: i for i, word in enumerate(self.labels)}
        self.size, self.end, self._unknown = len(self.labels), self._code[END], self._code[UNKNOWN]
        self.told = f"{self.size:,} words"

    @classmethod
    def learned(cls, documents: Iterable[str], least: int = 1, split: Split = tokenise) -> Words:
        """The words of these documents that occur `least` times or more."""
        often = Counter[str]()
        for document in documents:
            often.update(split(document))
            often[END] += 1
        often[UNKNOWN] += sum(n for n in often.values() if n < least)
        kept = [word for word, n in often.items() if n >= least or word in (END, UNKNOWN)]
        return cls(sorted(kept, key=lambda word: (-often[word], word)), split)

    def encode(self, documents: Iterable[str]) -> Iterator[Sequence[int]]:
        """The words of each document, and the mark of its end."""
        for document in documents:
            yield [*self.bare(document), self.end]

    def bare(self, text: str) -> list[int]:
        """The words of a text."""
        return [self._code.get(word, self._unknown) for word in self._split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Words with spaces between."""
        return " ".join(self.labels[i] for i in ids)


class Pretrained:
    """The tokenizer of a pretrained model (transformers), with the marks that it puts at documents by itself.

    One that puts none gets its mark of an end behind each document.
    """

    def __init__(self, name: str) -> None:
        from outcross.families.neural import pretrained

        self.name, self._tokenizer = name, pretrained.tokenizer(name)
        self.size, end = len(self._tokenizer), self._tokenizer.eos_token_id
        require(end is not None, f"{name}: its tokenizer has no mark of an end (eos_token)")
        self.begin: int | None = self._tokenizer.bos_token_id
        self.end, self._adds = int(end), bool(self._tokenizer("a").input_ids != self.bare("a"))
        self.told = f"{self.size:,} pieces of {name}"

    def save(self, folder: Path) -> None:
        """Write it as transformers reads it."""
        self._tokenizer.save_pretrained(folder)

    @property
    def json(self) -> str:
        """What the tokenizer is, to tell it from others."""
        return str(self._tokenizer.backend_tokenizer.to_str())

    def chat(self, question: str) -> str | None:
        """A question as the model was trained to be asked, up to where its answer begins; None where it was not."""
        if not self._tokenizer.chat_template:
            return None
        said = [{"role": "user", "content": question}]
        return str(self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))

    def bare(self, text: str) -> list[int]:
        """The pieces of a text."""
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def encode(self, documents: Iterable[str]) -> Iterator[Sequence[int]]:
        """The pieces of each document with its marks."""
        listed = list(documents)
        if not listed:
            return
        for ids in self._tokenizer(listed, verbose=False).input_ids:
            yield ids if self._adds else [*ids, self.end]

    def decode(self, ids: Iterable[int]) -> str:
        """The text; marks are written out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


class Pieces:
    """Byte-level byte-pair pieces (Sennrich et al. 2016; the tokenizers package); one mark ends each document."""

    name = "bpe"

    def __init__(self, json: str) -> None:
        from tokenizers import Tokenizer

        self.json = json
        self._tokenizer = Tokenizer.from_str(json)
        self.size, self.end = self._tokenizer.get_vocab_size(), self._tokenizer.token_to_id(END) or 0
        self.told = f"{self.size:,} byte-pair pieces"

    def save(self, folder: Path) -> None:
        """Write it as transformers reads it."""
        from transformers import PreTrainedTokenizerFast

        PreTrainedTokenizerFast(tokenizer_object=self._tokenizer, eos_token=END).save_pretrained(folder)

    @classmethod
    def learned(cls, documents: Iterable[str], size: int) -> Pieces:
        """At most so many pieces, learned on these documents. Raises InputError without the tokenizers package."""
        try:
            from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        except ImportError as e:
            raise InputError("tokens=bpe needs the tokenizers package: pip install 'outcross[lm]'") from e
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        require(size > len(alphabet), f"vocabulary is more than the {len(alphabet)} bytes, got {size}")
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
        )
        made.train_from_iterator(documents, trainer)
        return cls(made.to_str())

    def encode(self, documents: Iterable[str]) -> Iterator[Sequence[int]]:
        """The pieces of each document, and the mark of its end."""
        for found in self._tokenizer.encode_batch(list(documents)):
            yield [*found.ids, self.end]

    def bare(self, text: str) -> list[int]:
        """The pieces of a text."""
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text; ends are marked."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))
