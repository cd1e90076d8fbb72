# Everything is in dev.py. Variables: PORT, PODS, SLOTS, AGENT (demo, up), ARGS (test, bench, bench-scale, fault, e2e, image), IMAGE (image), SEEDS, START, SECONDS (simulate), REGISTRY, TAG (release-…).
PYTHON ?= python3
DEV := $(PYTHON) $(dir $(abspath $(lastword $(MAKEFILE_LIST))))dev.py

.PHONY: demo up test check bench bench-scale simulate fault e2e generate image pins chart release-image release-chart

demo: # one spoken session before your eyes, then the end
	@$(DEV) demo
up: # the same, left running
	@$(DEV) up
test: # every test, on a real control plane
	@$(DEV) test
check: # everything that judges the source
	@$(DEV) check
bench: # the table of figures
	@$(DEV) bench
bench-scale: # a thousand pods and ten thousand sessions
	@$(DEV) bench-scale
simulate: # whole days on virtual time, drawn from seeds, each judged by every promise
	@$(DEV) simulate
fault: # everything that can break, broken under load on a real control plane, again and again
	@$(DEV) fault
e2e: # the chart in a real cluster, made for it or given, used as people use it
	@$(DEV) e2e
generate: # crds/ and the chart's copies, from the model; the gRPC example's code
	@$(DEV) generate
image: # the image, into dist/greenroom-image.tar
	@$(DEV) image
pins: # deploy/*requirements.txt, from pyproject.toml and constraints.txt
	@$(DEV) pins
chart: # the chart as people get it, judged and packed into dist/
	@$(DEV) chart
release-image: # the image for all platforms, to REGISTRY as the version of TAG
	@$(DEV) release-image
release-chart: # the chart, to REGISTRY as the version of TAG
	@$(DEV) release-chart
