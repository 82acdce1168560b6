"""What a refit leaves: how to look at a question, and what each model's head says to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scrimp.routing import heads as head_fits
from scrimp.routing.heads import Head
from scrimp.routing.kept_rows import Block, named
from scrimp.routing.landmarks import Frame, Landmarks, Topics, frame, landmarks, spot, topics
from scrimp.routing.neighbours import Neighbours, neighbours
from scrimp.routing.text_features import Floats, Shape

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """One question, seen by what was fitted."""

    kernel: Singles
    words: Singles
    votes: Singles
    novelty: float


@dataclass(slots=True)
class Fitted:
    """`columns` says which of the neighbours' columns is whose, `parts` what each part counts."""

    frame: Frame
    topics: Topics
    marks: Landmarks
    near: Neighbours
    columns: dict[str, int]
    heads: dict[str, Head]
    parts: NDArray[np.float64]

    def look(self, features: Floats) -> Look:
        """See one question."""
        dense, words = self.frame.dense(features), self.frame.words(features)
        leaning = self.topics.leaning(self.frame.all(dense, words))
        kernel = self.marks.near(spot(self.frame.shape, dense, leaning))
        votes, novelty = self.near.look(compared(self.frame, dense))
        return Look(kernel, words, votes, novelty)


def compared(frame: Frame, dense: Singles) -> Singles:
    """What neighbours are compared by: meaning, where there is an embedding."""
    shape: Shape = frame.shape
    meaning = frame.inverse[shape.lexical : shape.dense]
    return dense[..., shape.lexical :] if meaning.any() else dense[..., : shape.lexical]


def fitted(block: Block, shape: Shape) -> tuple[Fitted, NDArray[np.float64]]:
    """Everything on these rows, and what each is said to be by fits that did not see it."""
    seen = frame(block.features, shape)
    dense, words = seen.dense(block.features), seen.words(block.features)
    told, leaning = topics(seen.all(dense, words), named(block.places))
    spots = spot(shape, dense, leaning)
    marks = landmarks(spots)
    near = (marks.near(spots) @ marks.whiten).astype(np.float64)
    given = head_fits.Fitting(
        near, words.astype(np.float64), block.models, block.answers, block.weights
    )
    heads, alone = head_fits.fit(given)
    means = given.means()
    memory, votes = neighbours(compared(seen, dense), (block.answers - means).astype(np.float32))
    parts = np.concatenate([alone, votes[None].astype(np.float64)])
    shares = head_fits.stack(given, parts)
    columns = {model: at for at, model in enumerate(block.models)}
    made = Fitted(seen, told, marks, memory, columns, heads, shares)
    return made, means + np.tensordot(shares, parts, axes=1)
