"""The configuration: a YAML file read into frozen pydantic models; unknown keys are refused by name.

Every key is either *content* (it decides what is asked or kept, so it is part of a stage's fingerprint) or
*operational* (it decides only how fast, where and for how much): operational keys are marked as such here and
may change between two commands on the same run. `lemma.configfile` reads the file. Example::

    data: [{dataset: gsm8k, path: train.jsonl, limit: 500}]
    teacher: {backend: openai, model: gpt-4o, api_key_env: OPENAI_API_KEY}

`endpoints` says who is asked, `stages` what each stage does, `evaluation` what is measured, `data` where problems come
from, `execution` how and where the work is done, `config` holds it all.
"""

from __future__ import annotations

from lemma.config.base import OPERATIONAL, Section
from lemma.config.config import Config
from lemma.config.data import DatasetSpec
from lemma.config.endpoints import BudgetConfig, Endpoint, Prices, StudentConfig, TeacherConfig
from lemma.config.evaluation import EvalConfig, EvalSet
from lemma.config.execution import ExecutorConfig, ShardsConfig, StorageConfig
from lemma.config.stages import (
    AnalyzeConfig,
    ChecksConfig,
    CorrectConfig,
    ExportConfig,
    InjectConfig,
    SampleConfig,
    SmoothConfig,
)

__all__ = [
    "OPERATIONAL",
    "AnalyzeConfig",
    "BudgetConfig",
    "ChecksConfig",
    "Config",
    "CorrectConfig",
    "DatasetSpec",
    "Endpoint",
    "EvalConfig",
    "EvalSet",
    "ExecutorConfig",
    "ExportConfig",
    "InjectConfig",
    "Prices",
    "SampleConfig",
    "Section",
    "ShardsConfig",
    "SmoothConfig",
    "StorageConfig",
    "StudentConfig",
    "TeacherConfig",
]
