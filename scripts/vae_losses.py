"""Print the loss of every kept model of a run of `paper/vae` on images of what it was trained on.

In nats a minibatch of 256, as the authors' notebook prints its training loss: the model of generation 0 on real
images, each later one on images of the model before. Needs a run with `keep: all`.

    python scripts/vae_losses.py runs/paper-vae-125940bf5c
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from outcross.core.rng import Purpose
from outcross.families.neural import training
from outcross.report.frames import Frame
from outcross.runs import worker
from outcross.runs.cells import build

IMAGES, BATCH, APART = 10_000, 256, 999  # APART: a generation that no run reaches, so that its stream is unused


def main(directory: Path) -> None:
    """One line a generation of chain 0 of the first cell."""
    torch.set_num_threads(1)
    frame = Frame(directory)
    cell = frame.cells[0]
    source, _ = worker.source_of(cell)
    chain = build(cell, source, frame.experiment.seed, 0)
    chance, rng = torch.Generator().manual_seed(0), chain.streams.stream(APART, Purpose.MEASURE)
    images = source.training.items[:IMAGES]
    for generation in frame.reader.kept((0, 0)):
        model = chain.learner.load(frame.reader.arrays((0, 0), generation, "state/"))
        print(f"{generation}: {_loss(model._network, images, chance) * BATCH:,.0f}")
        images = model.sample(IMAGES, rng)


@torch.no_grad()
def _loss(network: torch.nn.Module, images: object, chance: torch.Generator) -> float:
    parts = torch.tensor(images).split(1000)
    return sum(float(network.loss(training.images(part), chance)) for part in parts) / IMAGES


if __name__ == "__main__":
    main(Path(sys.argv[1]))
