"""Who is asked, at what price, and what may be spent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from lemma.config.base import OPERATIONAL, Section


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
