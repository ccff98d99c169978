# The names of course.py for those who type `make`: each target is one call of it. Written for GNU make 3.81.

FIND_PYTHON = for p in "$(PYTHON)" python3 python python3.13 python3.12 python3.11; do \
	"$$p" -c "import sys; sys.exit(sys.version_info < (3, 8))" 2>/dev/null && echo "$$p" && break; done
COURSE = "$(or $(shell $(FIND_PYTHON)),$(error Python 3.11, 3.12 or 3.13 is needed; found none that runs))" course.py
given = $(if $(filter command,$(origin $1)),$($1))
option = $(if $(strip $2),$1 "$(strip $2)")

.PHONY: help setup lab test check lint run claims readme bench weights clean

help:
	@$(COURSE) help
	@echo 'make takes the same commands: make lab PORT=8889, make run CHAPTER=02, make claims CHAPTER=02 DATASET=mnist SEED=1,'
	@echo 'SEEDS=0-7, make test LEDGER=run.jsonl, make readme LEDGER=run.jsonl, make bench PART=name QUICK=1; ARGS="..." adds'
	@echo 'what else the tool shall get; PYTHON=python3.12, CONSTRAINTS=file and AELIB_DATA=folder hold for all of them.'

setup:
	@$(COURSE) setup $(ARGS)

lab:
	@$(COURSE) lab $(call option,--port,$(PORT)) $(ARGS)

# What the shell happens to export does not count here: stored outputs are those of digits with seed 0.
test:
	@$(COURSE) test $(call option,--dataset,$(or $(call given,DATASET),$(call given,AELIB_DATASET))) \
	  $(call option,--seed,$(or $(call given,SEED),$(call given,AELIB_SEED))) \
	  $(call option,--ledger,$(or $(call given,LEDGER),$(call given,AELIB_LEDGER))) $(ARGS)

check lint:
	@$(COURSE) $@ $(ARGS)

run:
	@$(COURSE) run $(CHAPTER) $(ARGS)

claims:
	@$(COURSE) claims $(CHAPTER) $(call option,--dataset,$(DATASET)) $(call option,--seed,$(SEED)) \
	  $(call option,--seeds,$(SEEDS)) $(ARGS)

readme:
	@$(COURSE) readme $(if $(LEDGER),"$(LEDGER)") $(ARGS)

# Alone on the machine: it measures seconds. Each part's results are written as soon as it is finished.
bench:
	@$(COURSE) bench $(PART) $(if $(QUICK),--quick) $(ARGS)

weights:
	@$(COURSE) weights $(NAME) $(ARGS)

clean:
	@$(COURSE) clean
