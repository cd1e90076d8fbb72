"""docs/autoscaling.md says what is so: its examples of sizes, its series, and the manifests that use them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from greenroom_core.model import names
from greenroom_core.model.crds import runtime_crd
from greenroom_core.model.runtime import Autoscaling, RuntimeSpec
from greenroom_operator.metrics import FLEET_SERIES
from greenroom_operator.planning.size import Demand, Size, sized

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "autoscaling.md").read_text()
MANIFESTS: list[dict[str, Any]] = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
SCALABLE = ("ScaledObject", "HorizontalPodAutoscaler")


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_each_example_of_a_size(row: list[str]) -> None:
    slots, least, most, buffer, bound, waiting, pods = row
    scaling = Autoscaling(
        min_pods=int(least), max_pods=int(most), buffer_sessions=int(buffer) if buffer.isdecimal() else buffer
    )
    spec = RuntimeSpec(template={}, sessions_per_pod=int(slots), autoscaling=scaling)
    assert sized(spec, Demand(int(bound), int(waiting)), Size(0), 0.0).pods == int(pods)


def test_there_are_examples_of_sizes() -> None:
    assert len(ROWS) == 10


def test_the_series_that_it_names_are_those_that_there_are() -> None:
    made = {"greenroom_fleet_asked_for"}  # by the adapter's rule
    assert set(re.findall(r"greenroom_[a-z_]+", PAGE)) - made == set(FLEET_SERIES)


def test_its_queries_use_the_labels_that_the_series_have() -> None:
    labels = {
        label for used in re.findall(r"greenroom_fleet_\w+\{(.*?)\}", PAGE) for label in re.findall(r"(\w+)!?=", used)
    }
    assert labels == {"namespace", "runtime"}


def test_what_it_scales_is_an_agentruntime_that_has_a_scale_and_a_selector() -> None:
    targets = [body["spec"]["scaleTargetRef"] for body in MANIFESTS if body.get("kind") in SCALABLE]
    own = {"apiVersion": names.API_VERSION, "kind": names.RUNTIME_KIND, "name": "support"}
    assert targets == [own, own]
    [version] = runtime_crd()["spec"]["versions"]
    assert version["subresources"]["scale"]["labelSelectorPath"] == ".status.selector"


def test_its_agentruntime_has_fields_that_there_are() -> None:
    [runtime] = [body for body in MANIFESTS if body.get("kind") == names.RUNTIME_KIND]
    known = runtime_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert runtime["spec"].keys() <= known.keys()
    assert runtime["spec"]["autoscaling"].keys() == known["autoscaling"]["properties"].keys()
