# Everything is in dev.py. Variables: PORT, PODS, SLOTS, AGENT (demo, up), ARGS (test, bench).
PYTHON ?= python3
COMMANDS := demo up test check bench generate

.PHONY: $(COMMANDS)
$(COMMANDS):
	@$(PYTHON) $(dir $(abspath $(lastword $(MAKEFILE_LIST))))dev.py $@
