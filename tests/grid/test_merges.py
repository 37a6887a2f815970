"""The runs of the field's protocol for merged CLIP models, composed as they would run at full scale."""

from frod_bench.grid.merges import compose_groups
from frod_bench.grid.tables import load_table


def test_the_protocol_for_clip_composes():
    groups = compose_groups(load_table("merge_clip"), "paper", "0", [])
    assert [group.name for group in groups][-2:] == ["frod-seed0", "frod-per-task-seed0"]
    for group in groups:
        assert len(group.cells) == 8
        for cell in group.cells:
            config = cell.config
            assert config["backbone"]["name"] == "clip_vit_b32" and config["backbone"]["head_init"] == "text"
            assert config["backbone"]["class_names"] == config["task"]["label_names"]
            assert config["method"]["head"] == "frozen" and config["selection"] == "holdout"
            assert config["train"]["batch_size"] == 32
        assert len({cell.identity for cell in group.cells}) == 8
    by_name = {group.name: [cell.config for cell in group.cells] for group in groups}
    slots = [config["method"]["pattern_slot"] for config in by_name["frod-per-task-seed0"]]
    assert len(set(slots)) == 8 and None not in slots
    assert {config["method"]["pattern_slot"] for config in by_name["frod-seed0"]} == {None}
    assert {config["train"]["lr"]["backbone"] for config in by_name["full-ft-seed0"]} == {1e-5}
    assert all(config["method"]["mask"] for config in by_name["lori-s-seed0"])
