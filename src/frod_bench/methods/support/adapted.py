"""A model that a method has been attached to."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.checkpoint import read_checkpoint_tensors, write_checkpoint
from frod_bench.methods.support.fingerprint import Sketch, check_sketches
from frod_bench.methods.support.method import Method
from frod_bench.methods.support.wrappers import named_modules, named_parameters, strip_wrappers, unparametrised_name
from frod_bench.module_names import in_matching_module
from frod_bench.ops.sharding import gather_full, shard_like

FORMATS = ("frod-bench", "peft")
_FINGERPRINT = "fingerprint."  # before the names of such tensors in a file


class Adapted:
    """A model with a method attached.

    `roles` maps each role to its parameters; every trainable parameter has exactly one role. Roles are stored by name,
    so a parameter that replaces another one inherits its role. `facts` describe the initialisation, for the record;
    `state` belongs to the method.
    """

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        roles: dict[str, list[nn.Parameter]],
        targets: list[str],
        head: list[str],
        seed: int,
        facts: dict[str, Any] | None = None,
        state: Any = None,
    ):
        self.model, self.method, self.targets, self.head, self.seed = model, method, targets, head, seed
        self.facts, self.state = facts or {}, state
        if method.head == "frozen":
            for parameter in roles["head"]:
                parameter.requires_grad_(False)
            roles = roles | {"head": []}
        listed = [id(p) for parameters in roles.values() for p in parameters]
        trainable = {id(p) for p in model.parameters() if p.requires_grad}
        if len(listed) != len(set(listed)) or set(listed) != trainable:
            raise AssertionError(f"{method.name}: a trainable parameter is not in exactly one role")
        role_of = {id(p): role for role, parameters in roles.items() for p in parameters}
        self._names: dict[str, list[str]] = {role: [] for role in roles}
        self._shapes: dict[str, torch.Size] = {}
        for name, parameter in self._parameters():
            if id(parameter) in role_of:
                self._names[role_of[id(parameter)]].append(name)
                self._shapes[name] = parameter.shape
        self._ended = False
        self._sketches: dict[str, Sketch] | None = None

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield every parameter under each of its names; a shared one has a name in every module."""
        for name, parameter in named_parameters(self.model, remove_duplicate=False):
            yield unparametrised_name(name), parameter

    @property
    def roles(self) -> dict[str, list[nn.Parameter]]:
        """The parameters in the model by role. Raises RequestError if one of them is no longer there."""
        there = dict(self._parameters())
        if gone := [name for names in self._names.values() for name in names if name not in there]:
            if self._ended:
                raise RequestError(f"The {self.method.name} adapter was merged or detached already.")
            raise RequestError(
                f"{len(gone)} of the parameters that the {self.method.name} adapter trains are not in the model any"
                f" more, {gone[0]} among them: something has replaced, merged or flattened their layers since it was"
                " attached. Put them back, or attach again."
            )
        return {role: list({id(there[n]): there[n] for n in names}.values()) for role, names in self._names.items()}

    def count(self) -> dict[str, int]:
        """Return the number of trainable parameters in each role."""
        return self.method.count(self)

    def batch_statistics(self) -> Tensor | None:
        """Return what the last forward pass in training contributes to the `statistics` of `auxiliary_loss`."""
        return self.method.batch_statistics(self)

    def auxiliary_loss(self, statistics: Tensor | None = None) -> Tensor | float:
        """Return the method's own term for the last forward pass in training, to add to the task's loss.

        If a step has several micro-batches, `statistics` is the sum of `batch_statistics` over all of them.
        """
        return self.method.auxiliary_loss(self, statistics)

    def diagnostics(self) -> dict[str, Any]:
        """Return what the method reports about its parameters, e.g. `tan_alpha` with mean, min, max and per_layer."""
        self.require_attached()
        return self.method.diagnostics(self)

    def epoch_columns(self, lr: Mapping[str, float]) -> dict[str, Any]:
        """Return the columns that the method adds to the metrics of an epoch; `lr` is by role."""
        self.require_attached()
        return self.method.epoch_columns(self, lr)

    def fixed_weights(self, passes: int = 1) -> AbstractContextManager[None]:
        """Return a context for `passes` forward passes without a change of parameters, as in one training step."""
        return self.method.fixed_weights(self, passes)

    def merge(self) -> nn.Module:
        """Replace the adapters by plain linear layers that compute the same function, and return the model.

        Raises RequestError for a method that has no such layers (GOAT), and after `merge` or `detach`.
        """
        self.require_attached()
        self.method.merge(self)
        self._ended = True
        return self.model

    def detach(self) -> nn.Module:
        """Restore the base layers bit for bit, and return the model; the head stays as trained.

        Raises RequestError for full fine-tuning, which keeps no copy, and after `merge` or `detach`.
        """
        self.require_attached()
        self.method.detach(self)
        self._ended = True
        return self.model

    def require_attached(self) -> None:
        """Raise RequestError if the adapter is no longer in the model."""
        _ = self.roles

    def trainable_state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, by name; they share memory with the model unless it is sharded.

        These are the parameters of all roles, even while they are frozen, the buffers of the same modules, and the
        running statistics of batch normalisations, which change without a gradient.
        """
        return {name: gather_full(tensor.detach()) for name, tensor in self.changing().items()}

    def changing(self) -> dict[str, Tensor]:
        """Return the parameters and buffers themselves whose values `trainable_state` returns, possibly sharded."""
        self._require_values()
        own = {id(p) for parameters in self.roles.values() for p in parameters}
        found: dict[str, Tensor] = {name: p for name, p in named_parameters(self.model) if id(p) in own}
        for path, module in named_modules(self.model):
            beside = any(id(p) in own for p in module.parameters(recurse=False))
            if beside or isinstance(module, nn.modules.batchnorm._NormBase):
                passing = module._non_persistent_buffers_set
                buffers = module.named_buffers(path, recurse=False)
                found |= {name: b for name, b in buffers if name.rpartition(".")[2] not in passing}
        return found

    def _require_values(self) -> None:
        """Raise RequestError if an engine has offloaded or flattened a trainable parameter."""
        for name, parameter in self._parameters():
            if name not in self._shapes:
                continue
            if parameter.is_meta:
                raise RequestError(
                    f"The values of {name} are not in the model (device meta), where accelerate has offloaded it after"
                    " the adapter was attached: call accelerate.hooks.remove_hook_from_submodules(model) first."
                )
            if parameter.shape != self._shapes[name]:
                raise RequestError(
                    f"{name} is {list(parameter.shape)} now and was {list(self._shapes[name])}: an engine that flattens"
                    " and splits parameters, as FSDP 1 does, holds it. Gather them first (FSDP.summon_full_params)."
                )

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Copy values that `trainable_state` returned into the model.

        Raises RequestError if names or shapes differ, before anything is changed.
        """
        own, state = self.changing(), self._under_one_name(state)
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            what = f"lacks {missing[0]}" if missing else f"has {unknown[0]}, which this model does not have"
            raise RequestError(f"The adapter does not fit this model: it {what}.")
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                shapes = f"{list(state[name].shape)}, not {list(tensor.shape)}"
                raise RequestError(f"The adapter does not fit this model: {name} is {shapes}.")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(shard_like(state[name], tensor))

    def _under_one_name(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return values by name, with those of a parameter that several modules share under its first name alone."""
        first = {id(parameter): name for name, parameter in named_parameters(self.model)}
        state = {strip_wrappers(name): tensor for name, tensor in state.items()}
        for name, parameter in named_parameters(self.model, remove_duplicate=False):
            one = first[id(parameter)]
            if name != one and name in state and torch.equal(state[name], state.setdefault(one, state[name])):
                del state[name]
        return state

    def save(self, directory: str | Path, format: str = "frod-bench", write: bool = True) -> Path:
        """Write the adapter and the head into `directory` and return it.

        The format `frod-bench` holds the trainable values, the options and the seed; `peft` loads with
        `PeftModel.from_pretrained`. If the trainable parameters are sharded, every process has to call this, and one
        of them with `write`. Raises RequestError for another format, for a method that PEFT does not have, and after
        `merge` or `detach`.
        """
        directory = Path(directory)
        if format not in FORMATS:
            raise RequestError(f"format={format!r} is not known. Accepted: {', '.join(FORMATS)}.")
        self.require_attached()
        if write:
            directory.mkdir(parents=True, exist_ok=True)
        if format == "peft":
            if write:  # the trainable parameters of PEFT's methods are never sharded
                self.method.save_peft(self, directory)
            return directory
        tensors = self.trainable_state() | {f"{_FINGERPRINT}{name}": t for name, t in self.fingerprint().items()}
        config: dict[str, Any] = {
            "method": self.method.name,
            "options": self.method.saved_options(),
            "targets": self.targets,
        }
        config |= {"head": self.head, "seed": self.seed}
        if write:
            write_checkpoint(directory, tensors, config)
        return directory

    def load(self, directory: str | Path, head: bool = True) -> None:
        """Read what `save` wrote in the format `frod-bench`; without `head`, the head stays as it is.

        Raises RequestError if it does not fit this model.
        """
        state = read_checkpoint_tensors(directory)
        saved = {name: state.pop(name) for name in list(state) if name.startswith(_FINGERPRINT)}
        self.check_fingerprint({name.removeprefix(_FINGERPRINT): tensor for name, tensor in saved.items()}, directory)
        if not head:
            parts = ((state, False), (self.trainable_state(), True))
            state = {n: t for part, own in parts for n, t in part.items() if in_matching_module(n, self.head) == own}
        self.load_state(state)

    def fingerprint(self) -> dict[str, Tensor]:
        """Return the values of `Method.fingerprint`."""
        return {name: sketch.values for name, sketch in self._cached_sketches().items()}

    def _cached_sketches(self) -> dict[str, Sketch]:
        """Return `Method.fingerprint`, computed once: it depends on frozen tensors, which may be sharded later."""
        if self._sketches is None:
            self._sketches = self.method.fingerprint(self)
        return self._sketches

    def check_fingerprint(self, saved: dict[str, Tensor], place: str | Path) -> None:
        """Raise RequestError unless the adapter in `place`, with the fingerprint `saved`, was made for this model."""
        if self._cached_sketches() and not saved:
            raise RequestError(
                f"The adapter in {place} carries no sketch of its base weights, as an older version did not write"
                " one, so it cannot be matched with these. Train it again; for a run, type force=true."
            )
        check_sketches(self._cached_sketches(), saved, place)
