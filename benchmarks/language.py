"""Training and writing of causal language models against transformers' Trainer and `generate`.

    python -m benchmarks.language [--repeats 3] [--rows 800] [--blocks 6] [--large]

Same configuration, batch and precision (fp32) on both sides, one thread on one core, a process each (what one tells
the C library is no help to the other), blocks of 64 tokens
(noise: speed does not depend on what they say). The Trainer with its defaults, `generate` block by block as the
authors' code calls it: 64 new tokens by five beams, and drawn. Ratios of tokens a second, medians over interleaved
repeats. The tiny configuration is that of `lm/tiny-wikitext2`; --large takes width 256 and 8,192 tokens.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from outcross.core.corpus import Corpus
from outcross.core.rng import Purpose, Streams
from outcross.families.causal_lm import TINY, Learner
from outcross.families.neural import pretrained

BLOCK, BATCH = 64, 16
LARGE = {"hidden_size": 256, "word_embed_proj_dim": 256, "ffn_dim": 1024}
TARGETS = {"training": 1.5, "beam 5": 3.0, "sampling": 10.0}
FIT, DRAW = (Streams.of(0, 0).stream(0, purpose) for purpose in (Purpose.FIT, Purpose.SAMPLE))


def plain(config: dict[str, object], vocabulary: int) -> torch.nn.Module:
    """The network as transformers makes it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    whole = {**TINY, **config, "vocab_size": vocabulary, "max_position_embeddings": 2 * BLOCK, "pad_token_id": None}
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(**{**whole, "eos_token_id": None}))


def by_trainer(config: dict[str, object], pool: Corpus) -> float:
    """Seconds of one epoch by the library's Trainer with its defaults."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    rows = [{"input_ids": row, "labels": row} for row in pool.items.tolist()]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wish = {
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
            "logging_strategy": "no",
            "use_cpu": True,
        }
        arguments = TrainingArguments(folder, num_train_epochs=1, per_device_train_batch_size=BATCH, **wish)
        trainer = Trainer(plain(config, pool.vocabulary or 0), arguments, train_dataset=rows)
        trainer.remove_callback(PrinterCallback)
        began = time.perf_counter()
        trainer.train()
        return time.perf_counter() - began


def by_generate(config: dict[str, object], prompts: Corpus, how: dict[str, object]) -> float:
    """Seconds of `generate`, block by block."""
    network = plain(config, prompts.vocabulary or 0).eval()
    began = time.perf_counter()
    for row in prompts.items:
        ids = torch.from_numpy(row[None].astype(np.int64))
        mask = torch.ones_like(ids)
        network.generate(ids, attention_mask=mask, max_new_tokens=BLOCK, min_new_tokens=BLOCK, **how)  # type: ignore[operator]
    return time.perf_counter() - began


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--large", action="store_true")
    wish = parser.parse_args()
    alone()
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=alone) as other, threadpool_limits(1):
        measure(LARGE if wish.large else {}, 8192 if wish.large else 4096, wish, other)


def alone() -> None:
    """One thread on the last core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pretrained.quiet()
    torch.set_num_threads(1)


def measure(config: dict[str, object], vocabulary: int, wish: argparse.Namespace, other: Executor) -> None:
    blocks = np.random.default_rng(0).integers(vocabulary, size=(wish.rows, BLOCK)).astype(np.int32)
    pool, few, one = (Corpus.text(blocks[:n], vocabulary) for n in (wish.rows, 128, wish.blocks))
    learner = Learner(config=config, epochs=1, batch=BATCH, schedule="linear", rate=5e-5, decay=0.0)
    state = learner.fit(few, FIT).state()
    drawn = Learner(config=config, prompts="original").load(state)
    searched = Learner(config=config, decoding="beam", prompts="original").load(state)
    beam, draw = {"num_beams": 5, "do_sample": False}, {"do_sample": True, "top_k": 0}
    cases = {  # name: (tokens of ours, ours, tokens of theirs, theirs)
        "training": (pool, lambda: learner.fit(pool, FIT), pool, (by_trainer, config, pool)),
        "beam 5": (few, lambda: searched.sample(len(few), DRAW, few), one, (by_generate, config, one, beam)),
        "sampling": (few, lambda: drawn.sample(len(few), DRAW, few), one, (by_generate, config, one, draw)),
    }
    print(f"{sum(p.numel() for p in plain(config, vocabulary).parameters()):,} parameters, {vocabulary:,} tokens")
    print(f"{'':12}{'ours tokens/s':>16}{'theirs tokens/s':>18}{'ratio':>8}{'target':>8}")
    for name, (mine, ours, yours, theirs) in cases.items():
        pairs = [  # the first warms up
            (mine.items.size / timed(ours), yours.items.size / other.submit(*theirs).result())
            for _ in range(wish.repeats + 1)
        ][1:]
        left, right = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:12}{left:16,.0f}{right:18,.0f}{ratio:8.2f}{TARGETS[name]:8.1f}", flush=True)


if __name__ == "__main__":
    main()
