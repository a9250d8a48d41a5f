"""The configuration: a YAML file read into frozen pydantic models; unknown keys are refused by name.

Every key is either *content* (it decides what is asked or kept, so it is part of a stage's fingerprint) or
*operational* (it decides only how fast, where and for how much): operational keys are marked as such here and
may change between two commands on the same run. `lemma.configfile` reads the file. Example::

    data: [{dataset: gsm8k, path: train.jsonl, limit: 500}]
    teacher: {backend: openai, model: gpt-4o, api_key_env: OPENAI_API_KEY}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

OPERATIONAL: dict[str, JsonValue] = {"operational": True}


class Section(BaseModel):
    """A part of the configuration: frozen, closed."""

    # defaults are validated too, so that 0 and 0.0 are one value in every hash
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def content(self) -> dict[str, JsonValue]:
        """The content keys only, as plain JSON values."""
        return {
            name: _content_value(getattr(self, name))
            for name, info in type(self).model_fields.items()
            if info.json_schema_extra != OPERATIONAL
        }


def _content_value(value: Any) -> JsonValue:
    if isinstance(value, Section):
        return value.content()
    if isinstance(value, list | tuple):
        return [_content_value(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _content_value(item) for key, item in value.items()}
    return value  # type: ignore[no-any-return]


class DatasetSpec(Section):
    """Where problems come from."""

    dataset: str
    """Reader: gsm8k, math, jsonl, rollouts or hub."""
    path: str
    """File, glob (plain or .gz), or for `hub` a name or folder; `example:gsm8k` is the bundled example."""
    split: str = "train"
    """Split of a `hub` dataset."""
    subset: str | None = None
    """Configuration name of a `hub` dataset."""
    name: str | None = None
    """What the problems' `dataset` field says; by default the reader decides, and in jsonl, rollouts and hub a row's
    own `dataset` comes first. In rollouts it is also the model of samples that name none."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our field → theirs, for `jsonl`, `rollouts` and `hub`; dots reach inside."""
    limit: Annotated[int, Field(ge=1)] | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """Read this many problems at most."""


class Prices(Section):
    """US dollars for a million tokens; an unknown price shows as unknown, never as 0."""

    input_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    """Tokens that are sent."""
    cached_input_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    """Tokens sent that the endpoint had in its cache; null: as all that are sent."""
    output_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    """Tokens of replies."""
    batch_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """What a token costs in a batch or a file of requests, as a share of these prices."""


class Endpoint(Section):
    """An OpenAI-compatible server and how to treat it."""

    model: Annotated[str, Field(min_length=1)]
    """The name that the endpoint knows it by."""
    api: Literal["chat", "completions"] = "chat"
    """`completions` sends the messages' text as it is, without a chat template."""
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further parameters of the request's body (top_p, chat_template_kwargs, …): they change the reply."""
    base_url: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, json_schema_extra=OPERATIONAL
    )
    """Null: the openai package's default. A list: several addresses of the same model; the least busy comes first.
    With `?api-version=…`: an Azure resource."""
    api_key_env: str = Field(default="OPENAI_API_KEY", json_schema_extra=OPERATIONAL)
    """Name of the environment variable that holds the key; the key itself is never written anywhere."""
    headers: dict[str, str] = Field(default_factory=dict, json_schema_extra=OPERATIONAL)
    """Sent with every call; their values are not written to run.yaml."""
    concurrency: Annotated[int, Field(ge=1, le=65536)] = Field(default=64, json_schema_extra=OPERATIONAL)
    """Calls in flight at most; fewer where the endpoint asks for it."""
    rpm: Annotated[float, Field(gt=0)] | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """Requests a minute at most, at each address."""
    tpm: Annotated[float, Field(gt=0)] | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """Tokens a minute at most, at each address, of prompts and replies."""
    timeout_s: Annotated[float, Field(gt=0)] = Field(default=600, json_schema_extra=OPERATIONAL)
    """How long one call may take before it is made again."""
    patience_s: Annotated[float, Field(gt=0)] = Field(default=300, json_schema_extra=OPERATIONAL)
    """How long the endpoint may go without one success before the run gives up (status 3)."""
    prices: Prices = Field(default_factory=Prices, json_schema_extra=OPERATIONAL)
    """What its tokens cost."""

    @property
    def addresses(self) -> list[str | None]:
        """The addresses; None is the openai package's default."""
        return list(self.base_url) if isinstance(self.base_url, list) else [self.base_url]

    @field_validator("extra_body")
    @classmethod
    def _one_reply_a_call(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name, instead in _NOT_EXTRA.items():
            if name in value:
                raise ValueError(f"{name!r} cannot stand here; {instead}")
        return value


def _one_address(endpoint: Endpoint, backend: str) -> None:
    if backend == "batch" and len(endpoint.addresses) > 1:
        raise ValueError("backend `batch` takes one base_url: a batch belongs to the account that it was made in")


_NOT_EXTRA = {
    "n": "every call gives one reply; set sample.num_samples or analyze.votes",
    "stream": "replies are read whole",
    "messages": "the prompts are files; see `prompts`",
}


class StudentConfig(Endpoint):
    """The model whose mistakes are studied; sampling parameters stand under `sample`."""

    backend: Literal["openai", "batch"] = Field(default="openai", json_schema_extra=OPERATIONAL)
    """Any OpenAI-compatible endpoint, call by call or through its Batch API."""

    @model_validator(mode="after")
    def _address_fits_backend(self) -> StudentConfig:
        _one_address(self, self.backend)
        return self


class TeacherConfig(Endpoint):
    """The model that analyses, injects, corrects and smooths; or `rules`, which is none and costs nothing."""

    backend: Literal["openai", "batch", "rules"] = Field(default="rules", json_schema_extra=OPERATIONAL)
    """Any OpenAI-compatible endpoint, call by call or through its Batch API, or the embedded teacher that computes."""
    model: Annotated[str, Field(min_length=1)] = "rules"
    """The name that the endpoint knows it by."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.7
    """Null leaves it to the endpoint (reasoning models refuse it)."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Of one reply; a reply that is cut there is asked for once more with twice as many."""
    reply_form: Literal["tags", "json"] = "tags"
    """How replies are asked for: parts in tags, or one JSON object held to a schema (endpoints that have
    `response_format: json_schema`: OpenAI, vLLM, SGLang, …)."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How many unreadable replies a unit may cost."""

    @model_validator(mode="after")
    def _model_fits_backend(self) -> TeacherConfig:
        if self.backend == "rules" and self.model != "rules":
            raise ValueError(f"model {self.model!r} needs `backend: openai` (backend is `rules`)")
        if self.backend != "rules" and "model" not in self.model_fields_set:
            raise ValueError("needs a `model`")
        _one_address(self, self.backend)
        return self


class BudgetConfig(Section):
    """What the run may spend, all stages and commands together; nothing is asked for beyond it (status 3)."""

    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    """US dollars, by the `prices` of student and teacher."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Input and output tokens."""


class SampleConfig(Section):
    """Student sampling."""

    num_samples: Annotated[int, Field(ge=1)] = 4
    """Solutions of each problem."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    """High ones give nonsense that ordinary decoding never shows."""
    max_tokens: Annotated[int, Field(ge=1)] = 1024
    """Of one solution; one that is cut there is set aside."""


class AnalyzeConfig(Section):
    """Error analysis (paper, section 3.1)."""

    votes: Annotated[int, Field(ge=1, le=15)] = 1
    """Replies a sample; the majority counts."""


class InjectConfig(Section):
    """Mistake injection (paper, section 3.2)."""

    per_problem: Annotated[int, Field(ge=0)] = 1
    """Mistakes put into a correct solution, for each problem; 0 for the student's alone."""
    types: Literal["analysed"] | dict[str, Annotated[float, Field(ge=0)]] = "analysed"
    """The distribution to draw from: as analysed, or shares by type."""
    min_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Types rarer than this are left out."""

    @field_validator("types")
    @classmethod
    def _some_share(cls, value: Any) -> Any:
        if isinstance(value, dict) and not sum(value.values()) > 0:
            raise ValueError("the shares add up to 0; give at least one type a share above 0")
        return value


class CorrectConfig(Section):
    """Correction (paper, section 3.3)."""

    strategies: Annotated[list[str], Field(min_length=1)] = ["fix_continue", "fresh_restart"]
    """Each makes a trajectory of every mistake: going on from the wrong step, or beginning anew."""

    @field_validator("strategies")
    @classmethod
    def _no_twins(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a strategy stands there twice")
        return value


class SmoothConfig(Section):
    """Smoothing (paper, section 3.4)."""

    scope: Literal["joint", "whole", "off"] = "joint"
    """`joint`: reflection and continuation only, the mistake's words stay as they are; `whole`: the published method,
    all three parts; `off`: as corrected."""

    @field_validator("scope", mode="before")
    @classmethod
    def _yaml_off(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


class ChecksConfig(Section):
    """Limits of what is kept."""

    max_chars: Annotated[int, Field(ge=100)] = 12000
    """Length of a trajectory."""


class ExportConfig(Section):
    """What trainers read."""

    formats: list[str] = ["alpaca", "messages", "sharegpt", "parquet", "llamafactory"]
    """Files beside `train.jsonl`, which is always written."""
    plain_share: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of the rows that are plain correct solutions."""
    max_per_problem: Annotated[int, Field(ge=1)] | None = None
    """Trajectories of one problem at most."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = 0.65
    """Rows with the same numbers that share this much of their word pairs are one row: the first is kept. Null keeps
    all but identical ones."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of the problems whose rows go into a validation split."""
    max_type_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the trajectories' rows that one error type may have at most; types that are fewer than this allows get
    equal shares. Null takes them as they come."""
    shuffle: bool = True
    """Rows in an order drawn by the seed; false: as they were made, the plain ones last."""
    prompt: str = "paper"
    """How `completion`, `llamafactory` and `pairs` put the question: `paper` (the published evaluation's), `alpaca`,
    `question`, or a text of your own that holds `{instruction}` once."""
    loss_on: Literal["solution", "correction"] = "solution"
    """What `completion` and `llamafactory` have a model learn: the whole solution, or what follows the mistake, which
    then stands in the prompt."""


class EvalSet(Section):
    """One benchmark."""

    set: str
    """gsm8k, math, math500, svamp, asdiv, mawps, college_math or deepmind_mathematics."""
    path: str | None = None
    """File or glob; null: the set's place on the hub, where it is known (gsm8k, math500)."""
    hub: bool = False
    """Whether `path` is a name on the hub, or a folder that `datasets.load_dataset` reads."""
    split: str = "test"
    """Split, on the hub."""
    subset: str | None = None
    """Configuration name, on the hub."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our field → theirs, for rows of another form than the benchmark's own."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read this many problems at most."""


class EvalConfig(Section):
    """`lemma eval`: the student is measured on benchmarks."""

    sets: list[EvalSet] = Field(default=[], json_schema_extra=OPERATIONAL)
    """The benchmarks; each becomes an entry of `data`, beside those that stand there."""
    shots: Literal["paper"] | Annotated[int, Field(ge=0, le=8)] = "paper"
    """Worked examples before each question. `paper`: eight for svamp, asdiv and mawps, none elsewhere. A number: as
    many everywhere, as far as there are any (eight of word problems, four of competition mathematics)."""
    greedy: bool = True
    """One solution at temperature 0: pass@1."""
    num_samples: Annotated[int, Field(ge=0)] = 0
    """Further solutions at `temperature`, of which mean and majority are told."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    """Of the samples."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Of one solution; one that is cut there counts as wrong."""
    stop: list[str] = ["### Instruction"]
    """What ends a solution; a model that was not trained to end writes the next question. [] for endpoints that refuse
    the parameter."""

    @model_validator(mode="after")
    def _asks_something(self) -> EvalConfig:
        if not self.greedy and not self.num_samples:
            raise ValueError("asks for nothing: set greedy, or num_samples above 0")
        return self


class ShardsConfig(Section):
    """How the work is cut into parts."""

    size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=1000, json_schema_extra=OPERATIONAL)
    """Problems a part."""
    leases: Literal["locks", "heartbeat"] = Field(default="locks", json_schema_extra=OPERATIONAL)
    """How processes on one run are kept apart: by locks, which the file system must have across machines, or by files
    that each of them rewrites now and then (`storage.lease_s`). The same for all of them."""


class ExecutorConfig(Section):
    """Where the work is done."""

    backend: Literal["local", "ray"] = "local"
    """`local`: in this process. `ray`: by workers of a Ray cluster (`pip install lemma[ray]`): the one that
    RAY_ADDRESS names, or one that is started on this machine for the command."""
    workers: Annotated[int, Field(ge=1, le=4096)] = 4
    """Of Ray: processes that share the calls and parts of each stage; each calls its own addresses of `base_url` first.
    Concurrency, rpm, tpm and budget stay those of the whole run."""


class StorageConfig(Section):
    """How a run that lives in object storage is treated (`-o s3://bucket/run`)."""

    cache: Path | None = None
    """Folder for the copies here that commands work in; null: the environment's LEMMA_CACHE, else ~/.cache/lemma."""
    flush_s: Annotated[float, Field(gt=0)] = 10
    """A reply is sent so many seconds after it came, at the latest."""
    flush_replies: Annotated[int, Field(ge=1)] = 500
    """About so many replies are sent at once, at the latest."""
    lease_s: Annotated[float, Field(ge=1)] = 300
    """A process that did not show itself for so long is taken for dead."""
    patience_s: Annotated[float, Field(ge=0)] = 120
    """How long the end of a command tries to send the rest before it gives up (status 3)."""


class Config(Section):
    """A whole run's configuration."""

    seed: int = 0
    """Of all that is drawn at random."""
    data: Annotated[list[DatasetSpec], Field(min_length=1)]
    """Where problems come from, one entry a source."""
    decontaminate: list[str] = ["gsm8k-test", "math-test"]
    """Test sets whose questions are left out at reading: those that come with lemma by name, or paths to your own."""
    student: StudentConfig | None = None
    """The model whose mistakes are studied; not needed where the data holds its samples."""
    teacher: TeacherConfig = Field(default_factory=TeacherConfig)
    """The model that analyses, injects, corrects and smooths."""
    budget: BudgetConfig = Field(default_factory=BudgetConfig, json_schema_extra=OPERATIONAL)
    """What the run may spend."""
    prompts: Path | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """A folder whose files replace the package's; their hashes are content, its place is not."""
    plugins: list[Path] = Field(default=[], json_schema_extra=OPERATIONAL)
    """Python files that add a strategy, an error type, a dataset or an export format; their bytes are content, their
    places are not. They are run: name only files that you trust."""
    answer_form: str = "The answer is: {answer}"
    """How every trajectory ends; holds `{answer}` once."""
    sample: SampleConfig = Field(default_factory=SampleConfig)
    """The student's sampling."""
    analyze: AnalyzeConfig = Field(default_factory=AnalyzeConfig)
    """Error analysis."""
    inject: InjectConfig = Field(default_factory=InjectConfig)
    """Mistake injection."""
    correct: CorrectConfig = Field(default_factory=CorrectConfig)
    """Correction."""
    smooth: SmoothConfig = Field(default_factory=SmoothConfig)
    """Smoothing."""
    checks: ChecksConfig = Field(default_factory=ChecksConfig)
    """Limits of what is kept."""
    export: ExportConfig = Field(default_factory=ExportConfig)
    """What trainers read."""
    eval: EvalConfig | None = None
    """What `lemma eval` measures."""
    shards: ShardsConfig = Field(default_factory=ShardsConfig, json_schema_extra=OPERATIONAL)
    """How the work is cut into parts."""
    executor: ExecutorConfig = Field(default_factory=ExecutorConfig, json_schema_extra=OPERATIONAL)
    """Where the work is done."""
    storage: StorageConfig = Field(default_factory=StorageConfig, json_schema_extra=OPERATIONAL)
    """How a run in object storage is treated."""

    @field_validator("budget")
    @classmethod
    def _is_priced(cls, value: BudgetConfig, info: ValidationInfo) -> BudgetConfig:
        if value.max_cost_usd is None:
            return value
        for role in ("student", "teacher"):
            endpoint = info.data.get(role)
            if endpoint is None or endpoint.backend == "rules":
                continue  # not asked, or at no cost
            for name in ("input_usd_per_mtok", "output_usd_per_mtok"):
                if getattr(endpoint.prices, name) is None:
                    raise ValueError(
                        f"has max_cost_usd, but a price that it is counted by is unknown: give {role}.prices.{name} "
                        "(0 for a server of your own), or limit budget.max_tokens instead"
                    )
        return value

    @field_validator("answer_form")
    @classmethod
    def _has_place(cls, value: str) -> str:
        if value.count("{answer}") != 1:
            raise ValueError("must hold the place {answer} exactly once")
        return value

    @property
    def draws(self) -> int:
        """Solutions that the student is asked for of each problem: as `eval` says where it is given, else `sample`."""
        return self.sample.num_samples if self.eval is None else self.eval.greedy + self.eval.num_samples

    def content_of(self, *keys: str) -> dict[str, JsonValue]:
        """The content of some top-level keys, for a stage's fingerprint: ``{"teacher": {…}, "seed": 0}``.

        Plugins may change anything, so their hashes are part of it.

        Raises:
            OSError: a plugin cannot be read.
        """
        content = {key: _content_value(getattr(self, key)) for key in keys}
        if self.plugins:
            content["plugins"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.plugins]
        return content
