"""The stages in order over one run's folder.

`stages` reads a folder as a configuration wants it; `opening` brings one up to date with its configuration; `asking`
has the engine, workers elsewhere or batches answer what is missing; `pipeline` goes through the stages.
"""

from __future__ import annotations

from lemma.pipeline.base import STAGES, Options
from lemma.pipeline.pipeline import Pipeline
from lemma.pipeline.stages import RunStages

__all__ = ["STAGES", "Options", "Pipeline", "RunStages"]
