"""Causal language models (transformers): fine-tuned, writing, fine-tuned again, as in the paper's headline experiment.

Shumailov et al. 2024: OPT-125m on WikiText-2, blocks of 64 tokens, each generation continuing every original block.
"""

from __future__ import annotations

import difflib
import inspect
import math
import time
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State, Trial
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, one_line, require
from outcross.core.rng import Stream
from outcross.families.decoding import ANCESTRAL, Decoding, check_prompts, check_question, check_tokens, kept
from outcross.families.neural import need_torch, pretrained

if TYPE_CHECKING:
    from outcross.families.neural.language import Plan, Writing
    from outcross.families.neural.several import Place
    from outcross.sources.coding import Coding

TINY = {
    "model_type": "opt",
    "hidden_size": 128,
    "word_embed_proj_dim": 128,
    "num_hidden_layers": 4,
    "ffn_dim": 512,
    "num_attention_heads": 4,
    "dropout": 0.0,
}
_PLAIN = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))  # no token of a source is special to a network
_TRIED = 8  # minibatches of a trial
_OWN = ("block", "first", "fit")  # what a state holds besides weights


@dataclass(frozen=True, eq=False)
class CausalModel:
    """A trained network as its weights. Rows are blocks of tokens (n, block) int32."""

    learner: Learner
    block: int
    first: NDArray[np.int64]  # how often each token began a row of the pool (vocabulary,)
    weights: State
    fit: dict[str, float]

    @property
    def vocabulary(self) -> int:
        """How many different tokens there can be."""
        return len(self.first)

    @property
    def prompted(self) -> bool:
        """Whether its rows continue prompts."""
        return self.learner.prompts != "none"

    @property
    def question(self) -> int:
        """How many tokens of its prompt a row keeps."""
        return self.learner.question

    @cached_property
    def _network(self) -> Any:
        from outcross.families.neural import language

        network = self.learner.network(self.vocabulary, self.block)
        language.from_state(network, self.weights)
        return network.eval()

    @property
    def trained(self) -> frozenset[str]:
        """Names of the weights that training moves by gradients."""
        return frozenset(name for name, p in self._network.named_parameters() if p.requires_grad)

    def sample(self, n: int, rng: Stream, given: Corpus | None = None) -> NDArray[np.int32]:
        """N blocks of tokens. given: n blocks to continue, one each; without, a row begins as rows of the pool did.

        Raises InputError where a prompt is due, or is too long for the network.
        """
        check_prompts(self, n, given)
        chances = rng.generator().random((n, self.block), dtype=np.float32)
        if given is None:
            added = np.cumsum(self.first)
            begun = np.searchsorted(added, chances[:, :1] * added[-1], side="right").astype(np.int32)
            return np.concatenate([begun, self.write(begun, chances[:, 1:])], axis=1)
        prompts, question = kept(self.question, given), self.question
        self.learner.fits(prompts.shape[1] + self.block - question, self._network.config)
        made = self.write(prompts, chances[:, question:])
        return np.concatenate([prompts, made], axis=1) if question else made

    def write(self, prompts: NDArray[np.int32], chances: NDArray[np.float32]) -> NDArray[np.int32]:
        """Prompts (n, length) continued, each by as many tokens as it has chances (n, new), uniform in [0, 1)."""
        from outcross.families.neural import language, several

        if self.learner.place.several and len(prompts) >= self.learner.place.processes:
            return several.write(self, prompts, chances)
        return language.write(self._network, prompts, chances, self.learner.writing(self.vocabulary, self._network))

    def surprisal(self, blocks: NDArray[np.int32]) -> NDArray[np.float64]:
        """- log p of each token but the first, given those before it in its block: nats (n, block - 1).

        Of the tokens after the question alone, where there is one: (n, block - question).
        """
        from outcross.families.neural import language

        check_tokens(blocks, self.vocabulary)
        return language.surprisal(self._network, blocks, self.learner.precision, self.question)

    @property
    def device(self) -> str:
        """What its network runs on."""
        return str(self._network.device)

    @property
    def info(self) -> dict[str, float]:
        """The last loss a token in training, and which epoch was kept."""
        return self.fit

    def save(self, folder: Path) -> None:
        """Write configuration and weights (safetensors), as `learner.model` reads them."""
        self._network.save_pretrained(folder)

    def state(self) -> State:
        """Weights by name, the first tokens of rows, the block, and how the fit ended."""
        own = {"block": np.array([self.block]), "first": self.first, "fit": np.array([*self.fit.values()])}
        return {**self.weights, **own}


@dataclass(frozen=True)
class Learner(Decoding):
    """model: `smollm2`, a folder, a .gguf file or the hub id of a pretrained model, whose tokenizer the source must use
    (source.tokens); without one, `config` describes a network to transformers (model_type, hidden_size, ...), a tiny
    OPT by default. init of each generation: the `pretrained` model (the default with one), the `previous` generation's
    weights, or from `scratch` (the default without).

    epochs (0 leaves a pretrained model as it is), batch, optimiser, rate, decay as usual; schedule of the rate:
    `constant`, `linear`, `cosine`, or `epochs`, the paper's cosine with one step an epoch; warmup: share of all steps;
    clip: norm of gradients, 0 for none. lora: rank of a low-rank update in place of all weights, 0 for all. select: the
    `last` epoch, or the `best` on real validation data (the paper), which helps the model with real data. precision:
    `bf16` computes in 16 bits. device: `all` trains and writes on every GPU of the machine at once, through accelerate.

    temperature and repetition_penalty (Keskar et al. 2019) of what is written; ends: whether the mark of an end may be.
    The rest as for every model of text (`families/decoding.py`).
    """

    trains_by: ClassVar[tuple[str, ...]] = (
        *("epochs", "batch", "optimiser", "rate", "decay"),
        *("schedule", "warmup", "clip", "lora", "precision"),
    )

    model: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    init: Literal["auto", "pretrained", "previous", "scratch"] = "auto"
    epochs: int = 5
    batch: int = 16
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    rate: float = 1e-3
    decay: float = 0.01
    schedule: Literal["constant", "linear", "cosine", "epochs"] = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    lora: int = 0
    select: Literal["last", "best"] = "last"
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda", "mps", "all"] = "auto"
    temperature: float = 1.0
    repetition_penalty: float = 1.0
    ends: bool = True

    @property
    def remedies(self) -> dict[str, dict[str, Any]]:
        """What removes each cause of error; a network of another size is another model."""
        drawn = {**ANCESTRAL, "temperature": 1.0, "repetition_penalty": 1.0}
        return {"approximation": {"epochs": 4 * self.epochs}, "sampler": drawn}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, hint in get_type_hints(type(self)).items():
            value, known = getattr(self, name, None), get_args(hint)
            if get_origin(hint) is Literal:
                require(value in known, f"{name} is {', '.join(known)}, got {value!r}")
        for name, least in (("epochs", 1 if self.model is None else 0), ("batch", 1), ("lora", 0)):
            require(getattr(self, name) >= least, f"{name} is {least} or more, got {getattr(self, name)}")
        for name in ("rate", "temperature", "repetition_penalty"):
            require(getattr(self, name) > 0.0, f"{name} is positive, got {getattr(self, name):g}")
        for name in ("decay", "clip"):
            require(getattr(self, name) >= 0.0, f"{name} is at least 0, got {getattr(self, name):g}")
        require(0.0 <= self.warmup < 1.0, f"warmup is a share of all steps in [0, 1), got {self.warmup:g}")
        require(
            self.decoding == "sample" or self.temperature == 1.0, "decoding=beam takes no temperature: it draws nothing"
        )
        require(self.model is None or not self.config, "config describes a network; with a model it has its own")
        require(self.init != "pretrained" or self.model is not None, "init=pretrained needs a model")
        pretrained.need_transformers()
        need_torch()

    def __hash__(self) -> int:
        return hash((self.model, repr(sorted(self.config.items())), self.epochs, self.rate))

    @property
    def validates(self) -> bool:
        """Whether a fit looks at validation data."""
        return self.select == "best"

    def fingerprint(self) -> str:
        """SHA-256 of the pretrained model; nothing without one."""
        return "" if self.model is None else pretrained.fingerprint(self.model)

    def reads(self, coding: Coding) -> None:
        """Raise InputError unless a pretrained model was trained on tokens of this coding."""
        if self.model is None or coding.name == self.model:
            return
        from outcross.sources.coding import Pretrained

        own = isinstance(coding, Pretrained) and coding.json == Pretrained(self.model).json
        told = f"{self.model} reads tokens of its own, the source gives {coding.told}: use source.tokens={self.model}"
        require(own, told)

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None, validation: Corpus | None = None) -> CausalModel:
        """Train on a pool of text. Raises FitDegenerate when the loss diverges, InputError of any other pool, or where
        model and vocabulary do not belong together.
        """
        from outcross.families.neural import language, several

        require(pool.vocabulary is not None, "a language model fits text: blocks of tokens with their vocabulary")
        assert pool.vocabulary is not None
        check_question(self.question, pool.shape[0])
        network = self._begun(pool.vocabulary, pool.shape[0], rng, previous)
        held = validation.items if validation is not None and self.select == "best" else None
        if self.epochs == 0:
            found = {"loss": math.nan, "epoch": 0.0}
        elif self.place.several:
            found = several.train(self, network, pool, rng, held)
        else:
            found = language.train(network, pool.items, rng, self.plan, held)
        network = network.merge_and_unload() if self.lora else network
        first = np.bincount(pool.items[:, 0], minlength=pool.vocabulary)
        return CausalModel(self, pool.shape[0], first, language.to_state(network), found)

    def _begun(self, vocabulary: int, block: int, rng: Stream, previous: Any) -> Any:
        """The network that training begins with."""
        from outcross.families.neural import language, training

        wanted = self.init if self.init != "auto" else ("scratch" if self.model is None else "pretrained")
        network = training.seeded(lambda: self.network(vocabulary, block, wanted == "pretrained"), rng)
        if wanted == "previous" and previous is not None:
            language.from_state(network, previous.weights)
        elif wanted == "previous" and self.model is not None:
            network = self.network(vocabulary, block, True)
        return self.adapted(network, rng)

    def adapted(self, network: Any, rng: Stream) -> Any:
        """The network with what is to be trained in place of its weights, if they are not."""
        return _low_rank(network, self.lora, rng) if self.lora else network

    @property
    def place(self) -> Place:
        """On how many devices it trains and writes."""
        from outcross.families.neural import several

        return several.every_gpu() if self.device == "all" else several.Place(1, self.device)

    def network(self, vocabulary: int, block: int, learned: bool = False) -> Any:
        """The network for so many tokens: with the weights of the pretrained model, or with new ones."""
        from transformers import AutoModelForCausalLM

        from outcross.families.neural.linear import swap
        from outcross.families.neural.training import device_of

        pretrained.quiet()
        config = self._config(vocabulary, block)
        self.fits(block, config)
        try:
            if learned:
                assert self.model is not None
                folder = pretrained.folder_of(self.model)
                made = AutoModelForCausalLM.from_pretrained(
                    folder, config=config, local_files_only=True, use_safetensors=True
                )
            else:
                made = AutoModelForCausalLM.from_config(config)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as e:
            raise InputError(f"{self.model or 'config'}: no network ({one_line(str(e))[:200]})") from e
        return swap(made.float()).to(device_of(self.device))

    def _config(self, vocabulary: int, block: int) -> Any:
        from transformers import AutoConfig

        try:
            if self.model is not None:
                config = AutoConfig.from_pretrained(pretrained.folder_of(self.model), local_files_only=True)
            else:
                base = TINY if self.config.get("model_type", "opt") == "opt" else {}
                wanted = {**_PLAIN, "max_position_embeddings": 2 * block, **base, **self.config}
                wanted["vocab_size"] = vocabulary
                config = AutoConfig.for_model(**wanted)
                _known(self.config, config)
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise InputError(f"{self.model or 'config'}: no network ({one_line(str(e))[:200]})") from e
        require(
            vocabulary <= config.vocab_size,
            f"{self.model} knows {config.vocab_size:,} tokens, the source has {vocabulary:,}: use "
            f"source.tokens={self.model}",
        )
        return config

    def fits(self, length: int, config: Any) -> None:
        """Raise InputError where rows, with their prompts, are longer than what the network can read."""
        longest = getattr(config, "max_position_embeddings", length)
        require(
            length <= longest,
            f"{length} tokens with the prompt, this network reads {longest}: use a shorter source.block",
        )

    def load(self, state: State) -> CausalModel:
        """The model whose state this is."""
        weights = {name: value for name, value in state.items() if name not in _OWN}
        found = dict(zip(("loss", "epoch"), (float(v) for v in state["fit"]), strict=True))
        return CausalModel(self, int(state["block"][0]), state["first"], weights, found)

    @property
    def plan(self) -> Plan:
        """How a network is trained."""
        from outcross.families.neural.language import Plan

        named = {name: getattr(self, name) for name in Plan._fields}
        return Plan(**named)

    def writing(self, vocabulary: int, network: Any) -> Writing:
        """How a network writes."""
        from outcross.families.neural.language import Writing

        ends = network.config.eos_token_id
        barred = () if self.ends or ends is None else tuple(np.atleast_1d(ends).tolist())
        cut = (self.decoding, self.beams, self.top_k, self.top_p, self.temperature, self.repetition_penalty)
        return Writing(*cut, vocabulary, barred)

    def trial(self, pool: Corpus, rng: Stream) -> Trial:
        """How long a fit to the pool and writing as many rows would take, from a few minibatches on one device."""
        few = pool.take(slice(0, _TRIED * self.batch))
        short = replace(self, epochs=min(1, self.epochs), select="last", device=self.place.device)
        short.fit(few.take(slice(0, self.batch)), rng)  # the first minibatch pays for imports and memory
        began = time.perf_counter()
        model = short.fit(few, rng)
        trained = (time.perf_counter() - began) / len(few) * self.epochs
        given = few.take(slice(0, 2 * self.batch))
        began = time.perf_counter()
        model.sample(len(given), rng, given if model.prompted else None)
        written = (time.perf_counter() - began) / len(given)
        return Trial((trained + written) * len(pool) / self.place.processes, model.device, model)


def _known(wanted: dict[str, Any], config: Any) -> None:
    """Raise InputError for a setting that this kind of network does not have, which transformers only keeps."""
    names = {*inspect.signature(type(config).__init__).parameters, *type(config).attribute_map, "model_type"}
    for name in wanted:
        close = difflib.get_close_matches(name, names, 1)
        advice = f"; did you mean {close[0]}?" if close else ""
        require(name in names, f"config: a network of type {config.model_type} has no {name!r}{advice}")


def _low_rank(network: Any, rank: int, rng: Stream) -> Any:
    """The network with low-rank updates of all its linear layers to train (Hu et al. 2022; peft)."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as e:
        raise InputError("lora needs peft: pip install 'outcross[lm]'") from e
    from outcross.families.neural.training import seeded

    wanted = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, at how peft asks it
        return seeded(lambda: get_peft_model(network, wanted), rng._replace(shard=3))
