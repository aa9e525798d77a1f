"""One network on several GPUs of one machine, a process each, through accelerate.

Each process trains on its share of every minibatch, and their gradients are averaged: the steps of one GPU but for the
order of sums. Rows are written in shares.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from outcross.core.contracts import State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError, OutcrossError
from outcross.core.rng import Stream
from outcross.families.neural import language
from outcross.families.neural.training import Device

Work = Callable[..., State]  # of an Accelerator and what is given
_ERRORS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (FitDegenerate, InputError)}


class Place(NamedTuple):
    """How many processes there are to be, and on which kind of device."""

    processes: int
    device: Device

    @property
    def several(self) -> bool:
        """Whether it takes more than this process."""
        return self.processes > 1


def every_gpu() -> Place:
    """All GPUs that this process may see (CUDA_VISIBLE_DEVICES)."""
    return Place(torch.cuda.device_count(), "cuda")


def train(learner: Any, network: Any, pool: Corpus, rng: Stream, held: NDArray[np.int32] | None) -> dict[str, float]:
    """What `language.train` does, by every process of the learner's place."""
    given = (learner, pool.vocabulary, language.to_state(network), pool.items, rng, held)
    state, *_ = together(learner.place, _trained, *given)
    loss, epoch = (float(v) for v in state.pop("fit"))
    language.from_state(network, state)
    return {"loss": loss, "epoch": epoch}


def _trained(
    team: Any,
    learner: Any,
    vocabulary: int,
    begin: State,
    blocks: NDArray[np.int32],
    rng: Stream,
    held: NDArray[np.int32] | None,
) -> State:
    learner = replace(learner, device=team.device.type)
    network = learner.adapted(learner.network(vocabulary, blocks.shape[1]), rng)
    language.from_state(network, begin)
    found = language.train(network, blocks, rng, learner.plan, held, team)
    return {**language.to_state(network), "fit": np.array([*found.values()])} if team.is_main_process else {}


def write(model: Any, prompts: NDArray[np.int32], chances: NDArray[np.float32]) -> NDArray[np.int32]:
    """What `model.write` does, each process of its learner's place for its share of the prompts."""
    parts = together(model.learner.place, _written, model.learner, model.state(), prompts, chances)
    return np.concatenate([part["rows"] for part in parts])


def _written(team: Any, learner: Any, state: State, prompts: NDArray[np.int32], chances: NDArray[np.float32]) -> State:
    model = replace(learner, device=team.device.type).load(state)
    own = np.array_split(np.arange(len(prompts)), team.num_processes)[team.process_index]
    return {"rows": model.write(prompts[own], chances[own])}


def together(place: Place, work: Work, *given: Any) -> list[State]:
    """What `work(accelerator, *given)` gives in each process. Raises what one of them raised of this package's errors.

    Processes are started anew every time, which takes seconds.
    """
    from torch.multiprocessing.spawn import start_processes

    with tempfile.TemporaryDirectory() as folder:
        threads = torch.get_num_threads()
        start_processes(
            _process, (place, threads, folder, work, given), place.processes, daemon=True, start_method="spawn"
        )
        for told in sorted(Path(folder).glob("*.error")):
            kind, _, text = told.read_text().partition("\n")
            raise _ERRORS.get(kind, InputError)(text)
        return [load_file(_result(folder, rank)) for rank in range(place.processes)]


def _result(folder: str, rank: int) -> Path:
    return Path(folder, f"{rank}.safetensors")


def _process(rank: int, place: Place, threads: int, folder: str, work: Work, given: tuple[Any, ...]) -> None:
    """One of the processes. They meet by a file, so that no port has to be free."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), OMP_NUM_THREADS=str(threads))
    os.environ.update(WORLD_SIZE=str(place.processes), LOCAL_WORLD_SIZE=str(place.processes))
    torch.set_num_threads(threads)
    backend = "nccl" if place.device == "cuda" else "gloo"
    torch.distributed.init_process_group(
        backend, init_method=f"file://{folder}/meet", rank=rank, world_size=place.processes
    )
    from accelerate import Accelerator

    try:
        save_file(work(Accelerator(cpu=place.device == "cpu"), *given), _result(folder, rank))
    except (OutcrossError, FitDegenerate) as e:
        Path(folder, f"{rank}.error").write_text(f"{type(e).__name__}\n{e}")
    finally:
        torch.distributed.destroy_process_group()
