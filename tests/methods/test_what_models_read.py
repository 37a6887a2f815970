"""Models that read the dtype, device and shape of a layer's weight, as many of transformers do."""

import pytest
import torch
from torch import nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from frod_bench.methods import attach, make_method, method_names

ADAPTERS = [name for name in method_names() if name != "full_ft"]
every_adapter = pytest.mark.parametrize("method", ADAPTERS)
IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5]])
DEPTH = 5  # the error that a method states is that of one layer


TEXT = {"input_ids": IDS, "labels": IDS}


def t5():
    config = T5Config(
        vocab_size=50, d_model=32, d_kv=16, d_ff=96, num_layers=1, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config), ["q", "v", "wi", "wo"], TEXT


def opt():
    config = OPTConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, ffn_dim=96, num_attention_heads=2, dropout=0.0,
        max_position_embeddings=20, word_embed_proj_dim=32, pad_token_id=0,
    )  # fmt: skip
    return OPTForCausalLM(config), ["q_proj", "fc1", "fc2"], TEXT


def bloom():
    config = BloomConfig(vocab_size=50, hidden_size=32, n_layer=1, n_head=2)
    return BloomForCausalLM(config), ["query_key_value", "dense_h_to_4h", "dense_4h_to_h"], TEXT


def clip():
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4
    )
    pixels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return CLIPVisionModel(config), ["q_proj", "fc1", "fc2"], {"pixel_values": pixels}


def whisper():
    layers = {f"{side}_{kind}": n for side in ("encoder", "decoder") for kind, n in SIDE.items()}
    config = WhisperConfig(
        vocab_size=50, num_mel_bins=8, d_model=32, max_source_positions=10, max_target_positions=10, dropout=0.0,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, **layers,
    )  # fmt: skip
    sound = torch.randn(2, 8, 20, generator=torch.Generator().manual_seed(0))
    targets = ["q_proj", "fc1", "fc2"]
    return WhisperForConditionalGeneration(config), targets, {"input_features": sound, "labels": IDS}


SIDE = {"layers": 1, "attention_heads": 2, "ffn_dim": 96}
every_model = pytest.mark.parametrize("make", [t5, opt, bloom, clip, whisper], ids=lambda make: make.__name__)


def built(make, half=False):
    """Return a model whose weights are large enough for an adapter to be seen, its targets and its inputs."""
    torch.manual_seed(0)
    model, targets, inputs = make()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and "lm_head" not in name:
            module.weight.data.normal_(std=module.in_features**-0.5)
    if half:
        kept = tuple(model._keep_in_fp32_modules or ())
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data.to(torch.float32 if set(kept) & set(name.split(".")) else torch.bfloat16)
        inputs = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs.items()}
    return model.eval(), targets, inputs


@torch.no_grad()
def output(model, inputs):
    return model.eval()(**inputs)[1 if "labels" in inputs else 0].float()


def train(model, inputs, steps=3):
    """Return the loss of every step; the inputs are learned by heart."""
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        found = model(**inputs)[0]
        loss = found if "labels" in inputs else (found.float() - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@every_model
@every_adapter
@pytest.mark.parametrize("half", [False, True], ids=["float32", "half"])
def test_it_starts_as_the_base_and_learns(method, make, half):
    model, targets, inputs = built(make, half)
    expected = output(model, inputs)
    adapted = attach(model, method, targets=targets)
    error = (output(model, inputs) - expected).norm() / expected.norm()
    assert error <= DEPTH * make_method(method).start_error + (0.05 if half else 0.0)
    losses = train(adapted.model, inputs, steps=12 if half else 3)  # a loss near 4 in bf16 has steps of 0.03
    assert losses[-1] < losses[0]


@every_adapter
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapted_layer_tells_what_its_base_would(method, dtype):
    base = nn.Linear(48, 32, dtype=dtype)
    model = nn.Sequential(base)
    expected = what_it_tells(base)
    attach(model, method, targets=["0"])
    assert what_it_tells(model[0]) == expected
    assert what_it_tells(model.to(torch.float16)[0]) == {**expected, "dtype": torch.float16}


def what_it_tells(layer):
    weight = layer.weight
    return {
        "dtype": weight.dtype,
        "device": weight.device,
        "shapes": (weight.shape, layer.bias.shape, layer.in_features, layer.out_features),
        "is a tensor": isinstance(weight, torch.Tensor),
    }


def test_a_conv1d_under_frod_tells_its_own_shape():
    config = GPT2Config(vocab_size=50, n_positions=10, n_embd=32, n_layer=1, n_head=2)
    model = GPT2LMHeadModel(config)
    shape = model.transformer.h[0].mlp.c_fc.weight.shape
    attach(model, "frod", targets=["c_fc"])
    layer = model.transformer.h[0].mlp.c_fc
    assert layer.weight.shape == shape == (32, 128) and (layer.in_features, layer.out_features) == (32, 128)
