# The course's commands. `make` alone lists them. Written for GNU make 3.81, which macOS ships.

CONSTRAINTS ?= constraints.txt
PY := .venv/bin/python
TEXT := aelib tests tools conftest.py $(wildcard benchmarks)

# Kernels run in other folders: a relative AELIB_DATA is made absolute here.
ifneq ($(strip $(AELIB_DATA)),)
override AELIB_DATA := $(if $(filter /%,$(AELIB_DATA)),$(AELIB_DATA),$(CURDIR)/$(AELIB_DATA))
export AELIB_DATA
endif

# Stored outputs are those of digits with seed 0: tests drop what the shell happens to export, not what make is given.
FRESH := env $(foreach v,AELIB_DATASET AELIB_SEED AELIB_LEDGER,$(if $(filter command,$(origin $v)),,-u $v))
# A ledger, too, is written by kernels. This stands below FRESH, which asks whether make was given it.
ifneq ($(and $(filter command,$(origin AELIB_LEDGER)),$(strip $(AELIB_LEDGER))),)
override AELIB_LEDGER := $(if $(filter /%,$(AELIB_LEDGER)),$(AELIB_LEDGER),$(CURDIR)/$(AELIB_LEDGER))
export AELIB_LEDGER
endif
ONE_THREAD := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 \
	OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=300 --nbval-sanitize-with=tools/nbval_sanitize.cfg

.PHONY: help setup lab test check run claims readme bench clean

help:
	@echo 'make lab     open the course in JupyterLab            [PORT=8888] [ARGS="..."] [AELIB_DATA=folder]'
	@echo 'make test    run the unit tests and every chapter     (minutes; ends with the seconds of each chapter)'
	@echo 'make check   lint, unit tests, notebooks as files     (about two minutes)'
	@echo 'make run     execute the chapters, keep their outputs [CHAPTER=02]'
	@echo 'make claims  measure what the chapters claim          [CHAPTER=02] [DATASET=mnist] [SEED=1] [AELIB_DATA=folder]'
	@echo 'make readme  write the chapters table of README.md   [LEDGER=file, from make test AELIB_LEDGER=file]'
	@echo 'make bench   measure quality and speed, an hour; PART=name one part of it; QUICK=1 in under 10 minutes'
	@echo 'make clean   remove .venv, caches and build leftovers (never what you put into data/)'
	@echo 'The first call installs everything into .venv; PYTHON=python3.12 chooses the Python (3.11, 3.12 or 3.13).'

setup:
	@CONSTRAINTS="$(CONSTRAINTS)" PYTHON="$(PYTHON)" sh tools/setup.sh

# Jupyter runs stored HTML only in notebooks that are marked as trusted: ours are, again whenever one has changed.
.venv/.trusted: $(wildcard notebooks/*.ipynb) | setup
	@"$(PY)" -m nbformat.sign $(wildcard notebooks/*.ipynb) >/dev/null 2>&1 || true
	@touch $@

lab: setup .venv/.trusted
	@"$(PY)" -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
	  $(if $(PORT),--port="$(PORT)") $(ARGS)

test: setup
	@$(FRESH) $(ONE_THREAD) "$(PY)" -m pytest tests notebooks $(NBVAL) -n 2 --dist loadscope $(ARGS)

check: setup
	@"$(PY)" -m ruff check $(TEXT) notebooks
	@"$(PY)" -m ruff format --check $(TEXT)
	@$(FRESH) $(ONE_THREAD) "$(PY)" -m pytest tests -n 2 --dist loadscope -q $(ARGS)

run: setup
	@"$(PY)" tools/notebooks.py run $(CHAPTER)

claims: setup
	@"$(PY)" tools/notebooks.py claims $(CHAPTER) \
	  $(if $(DATASET),--dataset "$(DATASET)") $(if $(SEED),--seed "$(SEED)")

readme: setup
	@"$(PY)" tools/readme.py $(if $(LEDGER),"$(LEDGER)")

# Alone on the machine: it measures seconds. Each part's results are written as soon as it is finished.
bench: setup
	@$(FRESH) "$(PY)" -m benchmarks $(PART) $(if $(QUICK),--quick)

clean:
	@rm -rf .venv .venv.lock .pytest_cache .ruff_cache build dist *.egg-info
	@find . -path ./data -prune -o -path ./.git -prune -o -type d \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
