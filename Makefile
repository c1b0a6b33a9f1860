# The user interface. Each target runs the script of its name; the values (MODEL=churn CSV=rows.csv …) reach it through
# the environment as they stand: taken with $(value), so that make expands nothing in them, and never put into shell text.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV ?= .venv
VALUES := VENV PYTHON MODEL CSV TARGET ID TIME VERSION OUT FORCE ACCEPT REASON AT A B JSON QUICK KEY TO FROM KEEP YES BASE BATCH BENCH HELP
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))
export $(VALUES) MAKECMDGOALS

# What has no script of its own says with HELP=1 what stands here.
usage = [ "$$HELP" = 1 ] && USAGE=$@ awk -f scripts/help.awk Makefile ||

##@ look around
.PHONY: help
help: ## [HELP=1]: this list; with HELP=1 what one target does
#  make help
#  make train HELP=1
	@$(usage) awk -f scripts/help.awk Makefile

##@ make a version
.PHONY: new
new: ## MODEL= CSV= TARGET= [ID=] [TIME=]: make a model from a CSV
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: ingest
ingest: ## [MODEL=] [CSV=]: check new rows, add them to the training data
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: train
train: ## [MODEL=] [FORCE=1]: fit, examine, register what passes its gates
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: evaluate
evaluate: ## [MODEL=] [VERSION=] [CSV=]: score a version against the thresholds
	@sh scripts/in-venv.sh scripts/$@.py

##@ make it live
.PHONY: approve
approve: ## [MODEL=] [VERSION=] [KEY=]: sign for a version, where that is asked for
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

##@ watch and heal
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
retrain: ## [MODEL=] [FORCE=1] [ACCEPT=1] [REASON=]: check; learn anew where needed
	@sh scripts/in-venv.sh scripts/$@.py

##@ automate
.PHONY: cron
cron: ## let cron run crontab.txt
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: uncron
uncron: ## take it out again
	@sh scripts/in-venv.sh scripts/$@.py

##@ see
.PHONY: status
status: ## [MODEL=] [JSON=1]: a line each: what is live, how it does
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: history
history: ## [MODEL=] [AT=] [JSON=1]: who did what when; what was live then
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: compare
compare: ## [MODEL=] [A=] [B=] [JSON=1]: two versions side by side
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: report
report: ## [MODEL=]: a page with plots, and metrics for Prometheus
	@sh scripts/in-venv.sh scripts/$@.py

##@ keep
.PHONY: verify
verify: ## [MODEL=] [QUICK=1]: is everything as the commands left it?
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: restore
restore: ## [MODEL=] [FROM=]: bring back everything, from the tags or a backup
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: reproduce
reproduce: ## [MODEL=] [VERSION=]: train a version again, and compare
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: backup
backup: ## TO=: copy everything to another folder, verified
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: prune
prune: ## KEEP= [MODEL=] [FROM=] [YES=1]: free the disk of old versions
	@sh scripts/in-venv.sh scripts/$@.py

##@ try and develop
.PHONY: demo
demo: ## the whole loop in a temporary clone, a minute
	@sh scripts/in-venv.sh scripts/$@.py

.PHONY: test
test: ## the tests, two at a time, three minutes
#  make test
#  make test VENV=~/venvs/mlops    # in another venv
	@$(usage) { sh scripts/in-venv.sh -c '' && $(MAKE) -j2 --output-sync=target test-versions test-rest; }

VERSIONS := tests/test_train.py tests/test_deploy.py tests/test_remote.py tests/test_readme.py tests/test_loop.py tests/test_predict.py tests/test_fast.py
.PHONY: test-versions test-rest
test-versions:
	@sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider $(VERSIONS)
test-rest:
	@sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider tests $(VERSIONS:%=--ignore=%)

.PHONY: test-all
test-all: ## the tests with sweeps and fuzzing, two hours
#  make test-all
#  make test-all VENV=~/venvs/mlops    # in another venv
	@$(usage) sh scripts/in-venv.sh -m pytest -q -p no:cacheprovider -m "" tests

.PHONY: bench
bench: ## [BENCH=all] [BASE=]: time and memory as ratios to a floor
#  make bench                  # the quick ones, some minutes
#  make bench BENCH=all        # all of them, an hour
#  make bench BASE=old.json    # also how each ratio moved since an earlier .bench.json
	@$(usage) sh scripts/in-venv.sh tests/bench.py

.PHONY: bench-stream
bench-stream: ## CSV= TARGET= [BATCH=]: replay a CSV in time order through the loop
#  make bench-stream CSV=stream.csv TARGET=label
#  make bench-stream CSV=stream.csv TARGET=label BATCH=500    # rows a day
	@$(usage) sh scripts/in-venv.sh tests/bench_stream.py

# A mistyped target: the nearest. The folders would otherwise count as targets that are up to date.
.PHONY: data models scripts tests
.DEFAULT data models scripts tests:
	@GOALS="$$MAKECMDGOALS" awk -f scripts/help.awk Makefile
