# The user interface. Each target runs the script of its name; the values (MODEL=churn CSV=rows.csv …) reach it through
# the environment as they stand: taken with $(value), so that make expands nothing in them, and never put into shell text.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV ?= .venv
VALUES := VENV PYTHON MODEL CSV TARGET ID TIME VERSION OUT FORCE ACCEPT REASON AT BASE BATCH QUICK KEY HELP
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))
export $(VALUES)

.PHONY: help
help: ## this list
	@awk -F ' *## *' '/^[a-z-]+:.*##/ {split($$1, t, ":"); printf "  make %-10s %s\n", t[1], $$2}' Makefile

.PHONY: new
new: ## MODEL= CSV= TARGET= [ID=] [TIME=]: make a model from a CSV
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: ingest
ingest: ## [MODEL=] [CSV=]: check new rows and add them to the training data
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: train
train: ## [MODEL=] [FORCE=1]: fit, examine, and register a version that passes its gates
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: evaluate
evaluate: ## [MODEL=] [VERSION=] [CSV=]: score a version against the thresholds
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: approve
approve: ## [MODEL=] [VERSION=] [KEY=]: sign for a version, where model.toml asks for that
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: deploy
deploy: ## [MODEL=] [VERSION=] [REASON=]: make a version live
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: rollback
rollback: ## [MODEL=] [VERSION=] [REASON=]: make the version live before live again
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: predict
predict: ## [MODEL=] CSV= [OUT=]: score rows with the live version and log them
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: label
label: ## [MODEL=] CSV=: take in true outcomes
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: check
check: ## [MODEL=]: is what is live still right?
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: drift
drift: ## [MODEL=] [ACCEPT=1] [REASON=]: does it still see what it was trained on?
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: retrain
retrain: ## [MODEL=] [FORCE=1] [ACCEPT=1]: check; where it dropped, learn anew and deploy what is better
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: cron
cron: ## let cron run crontab.txt
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: uncron
uncron: ## take it out again
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: status
status: ## [MODEL=]: what is live
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: history
history: ## [MODEL=] [AT=]: who did what when; what was live then
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: report
report: ## [MODEL=]: a page with plots, models/report.html, and models/metrics.prom for Prometheus
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: verify
verify: ## [MODEL=] [QUICK=1]: is everything as the commands left it?
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: restore
restore: ## [MODEL=]: bring back everything from the tags, in a new clone or after a loss
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: demo
demo: ## the whole loop in a temporary clone, a minute
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: test
test: ## the tests, two at a time, two to three minutes
	@sh scripts/in-venv.sh -c ''
	@$(MAKE) -j2 --output-sync=target test-versions test-rest

VERSIONS := tests/test_train.py tests/test_deploy.py tests/test_remote.py tests/test_readme.py tests/test_loop.py
.PHONY: test-versions test-rest
test-versions:
	@sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider $(VERSIONS)
test-rest:
	@sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider tests $(VERSIONS:%=--ignore=%)

.PHONY: test-all
test-all: ## the tests with sweeps and simulations, ten minutes
	@sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider -m "" tests

.PHONY: bench
bench: ## [BASE=]: time and memory as ratios to a floor, two minutes
	@sh scripts/in-venv.sh tests/bench.py

.PHONY: bench-stream
bench-stream: ## CSV= TARGET= [BATCH=]: replay a CSV in time order through the loop, against what one would do without it
	@sh scripts/in-venv.sh tests/bench_stream.py
