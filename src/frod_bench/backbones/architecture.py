"""The linear layers of a transformer and the tokens of an image, derived from its configuration alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from frod_bench.backbones.model_files import AUTO
from frod_bench.errors import RequestError
from frod_bench.module_names import matches

Linears = dict[str, tuple[int, int]]  # layers of one block by name: (outputs m, inputs n)


@dataclass(frozen=True)
class Architecture:
    """A transformer, described by the values of its transformers configuration, including `model_type`.

    Listings, forecasts, benchmarks and audits all take their shapes from here; `configs/backbone/` holds the values.
    """

    values: Mapping[str, Any]

    @classmethod
    def of(cls, backbone: Mapping[str, Any]) -> "Architecture":
        """Return the architecture in a backbone's configuration. Raises RequestError when its YAML has none."""
        values = (backbone.get("facts") or {}).get("architecture")
        if not values or values.get("model_type") not in _LINEARS:
            raise RequestError(
                f"The shapes of {backbone.get('name')} are not known: give its YAML facts.architecture, the values of"
                f" the library's configuration, with a model_type of {', '.join(_LINEARS)}. For a model of your own it"
                " is read from the config.json of a directory, if its model_type is one of these."
            )
        return cls(values)

    @property
    def hidden(self) -> int:
        return self.values["hidden_size"]

    @property
    def layers(self) -> int:
        """The number of blocks."""
        return self.values["num_hidden_layers"]

    @property
    def reads_images(self) -> bool:
        return "patch_size" in self.values

    @property
    def tokens(self) -> int | None:
        """The number of patches of an image plus the class token; None for text."""
        if not self.reads_images:
            return None
        return (self.values["image_size"] // self.values["patch_size"]) ** 2 + 1

    def linears(self) -> Linears:
        """Return the linear layers of one block."""
        return _LINEARS[self.values["model_type"]](self.values)

    def target_shapes(self, targets: Iterable[str] | str) -> list[tuple[int, int]]:
        """Return [(m, n), ...] of the target layers of one block, matched by suffix as in PEFT; of `auto`, all."""
        if targets == AUTO:
            return list(self.linears().values())
        wanted = list(targets)
        return [shape for name, shape in self.linears().items() if matches(name, wanted)]

    def narrowed(self, factor: int) -> "Architecture":
        """Return the architecture with its widths divided by `factor`, for a rehearsal."""
        widths = {key: self.values[key] // factor for key in ("hidden_size", "intermediate_size")}
        return Architecture({**self.values, **widths})


def described(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the values that `Architecture` reads from the content of a config.json; None for another architecture."""
    if config.get("model_type") == "clip":  # its classifier has the tower for images alone
        config = {"model_type": "clip_vision_model", **(config.get("vision_config") or {})}
    own = _OTHER_NAMES.get(str(config.get("model_type")), {})
    values = {key: config[own.get(key, key)] for key in _KEYS if isinstance(config.get(own.get(key, key)), int)}
    if config.get("model_type") == "gpt2":
        values.setdefault("intermediate_size", 4 * values.get("hidden_size", 0))
    known = config.get("model_type") in _LINEARS and {"hidden_size", "intermediate_size", "num_hidden_layers"} <= set(
        values
    )
    return {"model_type": config["model_type"], **values} if known else None


def _bert(values: Mapping[str, Any]) -> Linears:
    hidden, inner = values["hidden_size"], values["intermediate_size"]
    square = dict.fromkeys(("query", "key", "value", "attention.output.dense"), (hidden, hidden))
    return square | {"intermediate.dense": (inner, hidden), "output.dense": (hidden, inner)}


def _llama(values: Mapping[str, Any]) -> Linears:
    hidden, inner, heads = values["hidden_size"], values["intermediate_size"], values["num_attention_heads"]
    keys = hidden // heads * values.get("num_key_value_heads", heads)
    attention = {"q_proj": (hidden, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
    gated = dict.fromkeys(("gate_proj", "up_proj"), (inner, hidden))
    return attention | {"o_proj": (hidden, hidden)} | gated | {"down_proj": (hidden, inner)}


def _clip(values: Mapping[str, Any]) -> Linears:
    hidden, inner = values["hidden_size"], values["intermediate_size"]
    square = dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), (hidden, hidden))
    return square | {"fc1": (inner, hidden), "fc2": (hidden, inner)}


def _distilbert(values: Mapping[str, Any]) -> Linears:
    hidden, inner = values["hidden_size"], values["intermediate_size"]
    square = dict.fromkeys(("q_lin", "k_lin", "v_lin", "out_lin"), (hidden, hidden))
    return square | {"lin1": (inner, hidden), "lin2": (hidden, inner)}


def _gpt2(values: Mapping[str, Any]) -> Linears:
    hidden, inner = values["hidden_size"], values["intermediate_size"]
    attention = {"attn.c_attn": (3 * hidden, hidden), "attn.c_proj": (hidden, hidden)}
    return attention | {"mlp.c_fc": (inner, hidden), "mlp.c_proj": (hidden, inner)}


def _vit(values: Mapping[str, Any]) -> Linears:
    return {name.replace("out_proj", "o_proj"): shape for name, shape in _clip(values).items()}


_LINEARS: dict[str, Callable[[Mapping[str, Any]], Linears]] = {
    "bert": _bert,
    "roberta": _bert,
    "llama": _llama,
    "clip_vision_model": _clip,
    "distilbert": _distilbert,
    "gpt2": _gpt2,
    "qwen2": _llama,
    "mistral": _llama,
    "xlm-roberta": _bert,
    "vit": _vit,
    "deit": _vit,
}
_KEYS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("vocab_size", "image_size", "patch_size"),
)
_OTHER_NAMES = {
    "distilbert": {
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
    },
    "gpt2": {
        "hidden_size": "n_embd",
        "intermediate_size": "n_inner",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
    },
}
