"""PEFT's tuners by the names of their papers, and those that do not fit here; needs no PEFT, which takes seconds."""

# what PEFT calls a tuner in capitals, in its paper's spelling; a tuner that is not here keeps PEFT's
_SPELLED = {
    "ADALORA": "AdaLoRA",
    "ADAMSS": "AdaMSS",
    "C3A": "C³A",
    "DELORA": "DeLoRA",
    "FOURIERFT": "FourierFT",
    "FROD": "FRoD",
    "GLORA": "GLoRA",
    "GRALORA": "GraLoRA",
    "HIRA": "HiRA",
    "IA3": "IA³",
    "LILY": "Lily",
    "LOHA": "LoHa",
    "LOKR": "LoKr",
    "LORA": "LoRA",
    "MISS": "MiSS",
    "PEANUT": "PEANuT",
    "PSOFT": "PSOFT",
    "PVERA": "PVeRA",
    "RANDLORA": "RandLoRA",
    "ROAD": "RoAd",
    "SHIRA": "SHiRA",
    "TINYLORA": "TinyLoRA",
    "UNILORA": "Uni-LoRA",
    "VBLORA": "VB-LoRA",
    "VERA": "VeRA",
    "WAVEFT": "WaveFT",
}

_TOKENS = "trains tokens in front of the input, so no layer is adapted and nothing can be merged"
# tuners that cannot keep what every method here guarantees, and why
UNFIT = {
    "ADALORA": "moves rank between the layers after every step, which the training loop here does not do",
    "ADAPTION_PROMPT": "puts prompts into whole attention blocks, and the targets here are linear layers",
    "CARTRIDGE": _TOKENS,
    "CPT": _TOKENS,
    "LN_TUNING": "trains normalisation layers, and the targets here are linear layers",
    "MULTITASK_PROMPT_TUNING": _TOKENS,
    "POLY": "takes the number of a task with every row, which no task here has",
    "PREFIX_TUNING": _TOKENS,
    "PROMPT_TUNING": _TOKENS,
    "P_TUNING": _TOKENS,
    "SHADOW": "trains a second model beside the layers, with a loss of its own",
    "TRAINABLE_TOKENS": "trains rows of the embedding, and the targets here are linear layers",
    "XLORA": "mixes adapters that are trained already",
}


def spelled(tuner: str) -> str:
    """Return a tuner of PEFT as its paper spells it: "SHiRA" for "SHIRA"."""
    return _SPELLED.get(tuner.upper(), tuner)
