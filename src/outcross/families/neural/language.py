"""Causal language models of transformers: trained on blocks of one length, writing with a cache of keys and values.

A plain loop over rows in memory and a writer of our own, because the Trainer and `generate` of the library spend half
their time and more on other things (`benchmarks/language.py`). Networks are the library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from outcross.core.contracts import State
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.rng import Stream
from outcross.families.neural.training import generator, keep_freed, seeded

Schedule = Literal["constant", "linear", "cosine", "epochs"]
LOWEST = 1e-6  # step size that the paper's schedule by epochs ends at
_SCORED, _WRITTEN = 64, 128  # rows that are scored, and written, at once
_APART = 16  # shard of the first of several processes


class Plan(NamedTuple):
    """How a network is trained. schedule: of the step size, `epochs` being cosine annealing, a step an epoch."""

    epochs: int
    batch: int
    optimiser: str
    rate: float
    decay: float
    schedule: Schedule
    warmup: float
    clip: float
    precision: str
    question: int = 0  # first tokens of each block, which are read and not learned


class Writing(NamedTuple):
    """How a network writes: the settings of `Decoding`, and what only these models have."""

    decoding: str
    beams: int
    top_k: int
    top_p: float
    temperature: float
    penalty: float
    vocabulary: int
    barred: tuple[int, ...]  # tokens that are never written


def train(
    network: Any,
    blocks: NDArray[np.int32],
    rng: Stream,
    plan: Plan,
    held: NDArray[np.int32] | None = None,
    team: Any = None,
) -> dict[str, float]:
    """Minimise the loss of each token but the first, or of those after the question; returns the last loss a token, and
    which epoch was kept.

    held: blocks on which the best epoch is chosen, in place of the last. team: the Accelerator of a process that trains
    with others (`several.py`). Raises FitDegenerate when the loss diverges.
    """
    keep_freed()
    own = rng._replace(shard=2 if team is None else _APART + team.process_index)  # of dropout
    return seeded(lambda: _train(network, blocks, rng, plan, held, team), own)  # type: ignore[no-any-return]


def _train(
    network: Any, blocks: NDArray[np.int32], rng: Stream, plan: Plan, held: NDArray[np.int32] | None, team: Any
) -> dict[str, float]:
    rows, chance = torch.from_numpy(blocks.astype(np.int64)), generator(rng._replace(shard=1))
    trained = network if team is None else team.prepare(network)
    optimiser = _optimiser(network, plan)
    steps = plan.epochs * -(-len(rows) // plan.batch)
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, _pace(plan, steps))
    loss, best, kept, state = math.nan, math.inf, plan.epochs, None
    for epoch in range(1, plan.epochs + 1):
        loss = _epoch(trained, rows, optimiser, pace, chance, plan, team)
        if not math.isfinite(loss):
            raise FitDegenerate(f"the loss diverged in epoch {epoch} of {plan.epochs}: {loss}")
        if held is None:
            continue
        found = float(surprisal(network, held, plan.precision, plan.question).mean())
        if found < best:
            best, kept, state = found, epoch, {k: v.clone() for k, v in network.state_dict().items()}
    if state is not None:
        network.load_state_dict(state)
    network.eval()
    return {"loss": loss, "epoch": float(kept)}


def _optimiser(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    weights = [p for p in network.parameters() if p.requires_grad]
    if plan.optimiser == "sgd":
        return torch.optim.SGD(weights, plan.rate, momentum=0.9, weight_decay=plan.decay, fused=True)
    kind = torch.optim.Adam if plan.optimiser == "adam" else torch.optim.AdamW
    return kind(weights, plan.rate, weight_decay=plan.decay, fused=True)


def _pace(plan: Plan, steps: int) -> Callable[[int], float]:
    """The step size at each step, as a share of `rate`."""
    warm, each = round(plan.warmup * steps), steps // plan.epochs

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, steps - warm)
        if plan.schedule == "epochs":  # the authors': stepped once an epoch, down to LOWEST
            least = min(1.0, LOWEST / plan.rate)
            return least + (1.0 - least) * 0.5 * (1.0 + math.cos(math.pi * (step // each) / plan.epochs))
        falling = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}
        return falling[plan.schedule]

    return share


def _epoch(
    network: Any, rows: Tensor, optimiser: Any, pace: Any, chance: torch.Generator, plan: Plan, team: Any
) -> float:
    """The mean loss a token while it trained."""
    network.train()
    total = torch.zeros((), dtype=torch.float64)
    for part in torch.randperm(len(rows), generator=chance).split(plan.batch):
        own, weight = _share(part, team)
        loss = _loss(network, rows[own].to(network.device), plan.precision, plan.question).mean() * weight
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if plan.clip > 0.0:
            nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimiser.step()
        pace.step()
        total += len(part) * loss.detach().cpu()
    return float(total if team is None else team.reduce(total.to(team.device), "mean")) / len(rows)


def _share(part: Tensor, team: Any) -> tuple[Tensor, float]:
    """The rows of a minibatch that this process trains on, and what their mean loss counts in the mean over processes.

    There is always one row, as all processes have to take the step.
    """
    if team is None:
        return part, 1.0
    own = part[team.process_index :: team.num_processes]
    return (own if len(own) else part[:1]), len(own) * team.num_processes / len(part)


def _loss(network: Any, blocks: Tensor, precision: str, question: int = 0) -> Tensor:
    """- log p of each token but the first (n, block - 1), or of those after the question (n, block - question)."""
    due = blocks[:, max(1, question) :]
    few = {"logits_to_keep": due.shape[1]} if question else {}
    with torch.autocast(blocks.device.type, torch.bfloat16, enabled=precision == "bf16"):
        scores = network(input_ids=blocks[:, :-1], use_cache=False, **few).logits
    return F.cross_entropy(scores.flatten(0, 1).float(), due.flatten(), reduction="none").view(due.shape)


def surprisal(network: Any, blocks: NDArray[np.int32], precision: str, question: int = 0) -> NDArray[np.float64]:
    """- log p of each token that `_loss` speaks of, given those before it, nats."""
    network.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(blocks.astype(np.int64)).split(_SCORED)
        return np.asarray(
            torch.cat([_loss(network, p.to(network.device), precision, question).cpu() for p in parts]).double()
        )


def write(network: Any, prompts: NDArray[np.int32], chances: NDArray[np.float32], way: Writing) -> NDArray[np.int32]:
    """Continue prompts (n, length) by as many tokens as there are chances (n, new), uniform in [0, 1)."""
    keep_freed()
    network.eval()
    together = max(1, _WRITTEN // 4 // way.beams * 5) if way.decoding == "beam" else _WRITTEN
    made = []
    with torch.inference_mode():
        for first in range(0, len(prompts), together):
            ids = torch.from_numpy(prompts[first : first + together].astype(np.int64)).to(network.device)
            if way.decoding == "beam":
                made.append(_search(network, ids, chances.shape[1], way))
            else:
                made.append(_sample(network, ids, torch.from_numpy(chances[first : first + together]), way))
    return np.asarray(torch.cat(made).cpu().numpy(), dtype=np.int32)


def _next(network: Any, ids: Tensor, cache: Any, way: Writing) -> Tensor:
    """Scores (n, vocabulary) of the token after ids, whose keys and values are added to the cache."""
    found: Tensor = network(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
    return found[:, : way.vocabulary].float()


def _cut(ids: Tensor, scores: Tensor, cuts: Sequence[Any], way: Writing) -> Tensor:
    """Scores after every cut, in the library's order, and without the barred tokens."""
    for cut in cuts:
        scores = cut(ids, scores)
    return scores.index_fill(1, torch.tensor(way.barred, device=ids.device), -math.inf) if way.barred else scores


def _sample(network: Any, ids: Tensor, chances: Tensor, way: Writing) -> Tensor:
    """Token by token: the one in which a uniform number falls."""
    from outcross.families.neural.cache import cache

    before = ids.shape[1]
    past, new, cuts = cache(before + chances.shape[1]), ids, list(_cuts(way))
    for step in range(chances.shape[1]):
        scores = _cut(ids, _next(network, new, past, way), cuts, way)
        added = scores.softmax(dim=1).cumsum(dim=1)
        goal = chances[:, step : step + 1].to(added.device) * added[:, -1:]
        new = torch.searchsorted(added, goal, right=True).clamp_(max=way.vocabulary - 1)
        ids = torch.cat([ids, new], dim=1)
    return ids[:, before:]


def _cuts(way: Writing) -> Iterator[Any]:
    """What is done to scores before a token is drawn, in the library's order."""
    from transformers import (
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
    )

    if way.penalty != 1.0:
        yield RepetitionPenaltyLogitsProcessor(way.penalty)
    if way.temperature != 1.0:
        yield TemperatureLogitsWarper(way.temperature)
    if way.top_k:
        yield TopKLogitsWarper(way.top_k)
    if way.top_p < 1.0:
        yield partial(_nucleus, share=way.top_p)


def _nucleus(ids: Tensor, scores: Tensor, share: float) -> Tensor:
    """Scores of the likeliest tokens that together have this share, and of those that tie with the last."""
    rising = scores.sort(dim=1).values if scores.is_cuda else torch.from_numpy(np.sort(scores.cpu().numpy(), axis=1))
    rising = rising.to(scores.device)  # numpy sorts five times as fast as torch on a CPU
    gone = (rising.softmax(dim=1).cumsum(dim=1) <= 1.0 - share).sum(dim=1, keepdim=True)
    least = rising.gather(1, gone.clamp_(max=scores.shape[1] - 1))
    return scores.masked_fill(scores < least, -math.inf)


def _search(network: Any, ids: Tensor, length: int, way: Writing) -> Tensor:
    """Beam search for rows of one length: every beam is as long, so the sum of log p decides."""
    from outcross.families.neural.cache import cache

    beams, n, before = way.beams, len(ids), ids.shape[1]
    past = cache(before + length)
    cuts = list(_cuts(way._replace(temperature=1.0)))  # which would change no order of rows of one length
    score, new = torch.zeros((n, 1), device=ids.device), ids
    for step in range(length):
        falling = _cut(ids, _next(network, new, past, way).log_softmax(dim=1), cuts, way)
        whole = (score.flatten()[:, None] + falling).view(n, -1)
        score, where = whole.topk(beams, dim=1)
        row = torch.arange(n, device=ids.device)[:, None] * (len(ids) // n) + where // way.vocabulary
        if step == 0:  # the keys and values of the prompts are made once, whatever the beams
            past.batch_repeat_interleave(beams)
        else:
            past.reorder_cache(row.flatten())  # type: ignore[arg-type]
        new = (where % way.vocabulary).view(-1, 1)
        ids = torch.cat([ids[row.flatten()], new], dim=1)
    return ids.view(n, beams, -1)[:, 0, before:]


def to_state(network: nn.Module) -> State:
    """Weights as arrays by name, those that are tied once."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, value in network.state_dict().items():
        found.setdefault(value.data_ptr(), (name, value))
    return {name: value.detach().float().cpu().contiguous().numpy() for name, value in found.values()}


def from_state(network: Any, state: State) -> None:
    """Load weights. Raises InputError when they are not this network's."""
    known = {name: value.data_ptr() for name, value in network.state_dict().items()}
    given = {known[name] for name in state if name in known}
    lacking = [name for name, at in known.items() if at not in given]
    odd = [name for name in state if name not in known]
    if lacking or odd:
        raise InputError(
            f"the stored weights are not this network's: {(lacking or odd)[0]} is {'missing' if lacking else 'unknown'}"
        )
    network.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=False)
