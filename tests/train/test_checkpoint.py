import errno
import os
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from frod_bench.adapters.frod_basis import RightBasis
from frod_bench.errors import RequestError
from frod_bench.train import checkpoint
from frod_bench.train.checkpoint import _ChecksummedFile, delete_checkpoints, load_checkpoint, save_checkpoint
from frod_bench.train.fit import fit

METHODS = ("frod", "lora", "full_ft")
CLOCKS = ("seconds", "diagnostics_s", "data_wait", "samples_per_second", "peak_memory_bytes")


class Interrupted(BaseException):
    pass


class Interrupting:
    """A tracker that ends the process, as it were, when an epoch has been written down but not yet saved."""

    def __init__(self, at_epoch):
        self.at_epoch = at_epoch

    def log(self, line):
        if line["epoch"] == self.at_epoch:
            raise Interrupted


def settle(run, record):
    """What a run leaves that no clock is part of."""
    lines = [{key: value for key, value in line.items() if key not in CLOCKS} for line in run.read_metrics()]
    files = {file.name: file.read_bytes() for file in run.adapter.iterdir()}
    return lines, run.read_losses(), files, record.best, record.final, record.status


def weights(trainer):
    return {name: value.clone() for name, value in trainer.adapted.trainable_state().items()}


@pytest.mark.parametrize("interrupted_in", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_as_an_uninterrupted_one(make_trainer, make_run, silent, method, interrupted_in):
    values = {"dropout": 0.3, "epochs": 3, "schedule": "cosine", "warmup_steps": 0.2, "group_by_length": True}
    whole, (run, record) = make_trainer(method, **values), make_run("whole", method)
    fit(whole, run, record, silent)

    broken, (other, half) = make_trainer(method, **values), make_run("broken", method)
    with pytest.raises(Interrupted):
        fit(broken, other, half, Interrupting(interrupted_in))
    assert other.read_record().status == "running"
    assert len(other.read_metrics()) == interrupted_in

    resumed = make_trainer(method, **values)
    torch.manual_seed(99)  # the new process has drawn other numbers before
    again = replace(half, best=None, final=None)
    fit(resumed, other, again, silent, resume=True)
    assert settle(other, again) == settle(run, record)
    assert len(other.read_losses()) == whole.total_steps
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name
    assert not other.checkpoints.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"source": "local", "fingerprint": "2"}}, "other rows"),
        ({"samples": {"train": 39, "eval": 17}}, "other rows"),
        ({"initialisation": {"backbone": {"revision": "b"}}}, "other base weights"),
    ],
)
def test_a_run_goes_on_only_with_what_it_was_begun_with(make_trainer, make_run, silent, change, words):
    run, record = make_run("run")
    record.data, record.samples = {"source": "local", "fingerprint": "1"}, {"train": 40, "eval": 17}
    record.initialisation = {"backbone": {"revision": "a"}}
    with pytest.raises(Interrupted):
        fit(make_trainer(), run, record, Interrupting(2))
    with pytest.raises(RequestError, match=rf"started with {words} .* delete the folder .*run/checkpoints,"):
        fit(make_trainer(), run, replace(record, **change), silent, resume=True)
    assert fit(make_trainer(), run, record, silent, resume=True).status == "completed"


def test_a_checkpoint_in_another_basis_is_refused(make_trainer, tmp_path):
    here, there = make_trainer("frod"), make_trainer("frod")
    save_checkpoint(tmp_path, here, {})
    load_checkpoint(tmp_path, here)
    basis = there.adapted.model.layers[0].query.basis
    basis.right = RightBasis(torch.cat([-basis.Vt[:1], basis.Vt[1:]]))  # as right a basis, of another machine
    with pytest.raises(RequestError, match=r"(?s)needs another layers\.query:\d+\.V .*Delete the folder"):
        load_checkpoint(tmp_path, there)


def test_another_seed_gives_other_weights(make_trainer, make_run, silent):
    ends = []
    for seed in (0, 0, 1):
        trainer = make_trainer(dropout=0.3, seed=seed)
        fit(trainer, *make_run(f"run{len(ends)}"), silent)
        ends.append(weights(trainer)["layers.0.query.weight"])
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_all_random_states_come_back(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, {})

    def draw():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    first = draw()
    assert draw() != first
    load_checkpoint(tmp_path, trainer)
    assert draw() == first


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(make_trainer, tmp_path):
    assert load_checkpoint(tmp_path / "checkpoints", make_trainer()) is None


def test_progress_comes_back_as_it_was(make_trainer, tmp_path):
    progress = {"epochs": 2, "best": {"value": 0.5, "metrics": {"accuracy": 0.5}}, "selected": None}
    save_checkpoint(tmp_path, make_trainer(), progress)
    assert load_checkpoint(tmp_path, make_trainer()) == progress


def flip(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


DAMAGES = [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"x", flip]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(make_trainer, tmp_path, damage, capsys):
    trainer = make_trainer()
    for number in range(3):
        save_checkpoint(tmp_path, trainer, {"number": number})
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    kept[1].write_bytes(damage(kept[1].read_bytes()))
    assert load_checkpoint(tmp_path, trainer) == {"number": 1}
    assert f"{kept[1].name} is damaged" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == kept[:1]  # else it would be one of the two that are kept
    kept[0].write_bytes(damage(kept[0].read_bytes()))
    assert load_checkpoint(tmp_path, trainer) is None
    save_checkpoint(tmp_path, trainer, {"number": 3})
    assert load_checkpoint(tmp_path, trainer) == {"number": 3}


def test_a_checkpoint_that_meets_an_objection_is_passed_over(make_trainer, tmp_path, capsys):
    trainer = make_trainer()
    for number in range(2):
        save_checkpoint(tmp_path, trainer, {"number": number})

    def objection(progress):
        return "It is odd" if progress["number"] % 2 else None

    assert load_checkpoint(tmp_path, trainer, objection) == {"number": 0}
    assert capsys.readouterr().out == "It is odd; the run resumes from before that.\n"
    assert load_checkpoint(tmp_path, trainer) == {"number": 0}


def test_any_flipped_bit_is_noticed(make_trainer, tmp_path):
    save_checkpoint(tmp_path, make_trainer("lora"), {})
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    for place in random.Random(0).sample(range(len(content)), 40):
        content[place] ^= 1 << place % 8
        file.write_bytes(content)
        assert load_checkpoint(tmp_path, make_trainer("lora")) is None
        content[place] ^= 1 << place % 8


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_checkpoint_that_cannot_be_written_leaves_those_before(make_trainer, tmp_path, monkeypatch, code):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, {"number": 0})

    class Full(_ChecksummedFile):
        def write(self, data):
            if self.sum.intdigest() != _ChecksummedFile(None).sum.intdigest():
                self.error = OSError(code, os.strerror(code))
                raise self.error
            return super().write(data)

    monkeypatch.setattr(checkpoint, "_ChecksummedFile", Full)
    with pytest.raises(OSError, match=os.strerror(code)):
        save_checkpoint(tmp_path, trainer, {"number": 1})
    assert len(list(tmp_path.iterdir())) == 1
    assert load_checkpoint(tmp_path, trainer) == {"number": 0}


def replace_content(file, content):
    """Put `content` in the place of a checkpoint, under the name that its checksum wants."""
    torch.save(content, file)
    file.rename(file.with_name(f"000001-{checkpoint._checksum(file)}.pt"))


@pytest.mark.parametrize("content", [{}, [], {"trainable": {}}])
def test_a_file_of_other_content_is_refused(make_trainer, tmp_path, content):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, {})
    (file,) = tmp_path.iterdir()
    replace_content(file, content)
    with pytest.raises(RequestError, match="cannot be used"):
        load_checkpoint(tmp_path, trainer)


def test_the_checkpoint_of_another_method_is_refused(make_trainer, tmp_path):
    save_checkpoint(tmp_path, make_trainer("lora"), {})
    with pytest.raises(RequestError, match="cannot be used"):
        load_checkpoint(tmp_path, make_trainer("frod"))


class Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_no_code_of_a_checkpoint_is_run(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path / "checkpoints", trainer, {})
    (file,) = (tmp_path / "checkpoints").iterdir()
    replace_content(file, {"trainable": Trap(tmp_path / "sprung")})
    with pytest.raises(RequestError, match="cannot be used"):
        load_checkpoint(tmp_path / "checkpoints", trainer)
    assert not (tmp_path / "sprung").exists()


def test_deleting_leaves_what_is_not_ours(make_trainer, tmp_path):
    save_checkpoint(tmp_path / "own", make_trainer(), {})
    save_checkpoint(tmp_path / "shared", make_trainer(), {})
    (tmp_path / "shared/notes.txt").write_text("keep")
    delete_checkpoints(tmp_path / "own")
    delete_checkpoints(tmp_path / "shared")
    delete_checkpoints(tmp_path / "absent")
    assert not (tmp_path / "own").exists()
    assert [file.name for file in (tmp_path / "shared").iterdir()] == ["notes.txt"]


def test_a_link_is_left_alone_and_so_is_what_it_points_to(make_trainer, tmp_path):
    save_checkpoint(tmp_path / "scratch", make_trainer(), {})
    (tmp_path / "checkpoints").symlink_to(tmp_path / "scratch")
    before = list((tmp_path / "scratch").iterdir())
    delete_checkpoints(tmp_path / "checkpoints")
    with pytest.raises(OSError, match="links are not followed"):
        save_checkpoint(tmp_path / "checkpoints", make_trainer(), {})
    assert list((tmp_path / "scratch").iterdir()) == before and (tmp_path / "checkpoints").is_symlink()
