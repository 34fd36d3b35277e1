# Every target sets up the environment that it needs; a second call does nothing again.
#
#   make demo         generate data, train, resume, evaluate, draw: see runs/demo
#   make test         the tests, default line: TensorFlow 2.21, Keras 3, Python 3.11+
#   make test-addons  the tests, addons line: TensorFlow 2.15, Keras 2.15, Python 3.10-3.11
#   make test-slow    the long tests, default line
#   make bench        the benchmarks; make compare: beside TensorFlow Model Garden
#   make exchange     TFRecords to Model Garden's decoder and back
#   make sanitize     10,000 random calls of each compiled op under ASan and UBSan
#   make lint         ruff check and format
#   make types        mypy over the package and the recipes
#   make coverage     the tests of `make test`, and what they cover
#   make lock         resolve requirements/*.in anew (needs uv)
#
# Another interpreter: make test PYTHON=/path/to/python3.11

PYTHON ?= python3
PYTEST_ARGS ?=

CURRENT := .venv
ADDONS := .venv-addons
GARDEN := .venv-garden
PIP_OPTIONS := --quiet --no-input --disable-pip-version-check

.PHONY: demo test test-addons test-slow bench compare exchange garden sanitize lint format \
  types coverage lock clean
.DELETE_ON_ERROR:

demo: $(CURRENT)/ready
	$(CURRENT)/bin/tfmask demo --output runs/demo

test: $(CURRENT)/ready
	$(CURRENT)/bin/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-addons: $(ADDONS)/ready
	$(ADDONS)/bin/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-slow: $(CURRENT)/ready
	$(CURRENT)/bin/python -m pytest -m slow $(PYTEST_ARGS)

bench: $(CURRENT)/ready
	$(CURRENT)/bin/python benchmarks/startup.py
	$(CURRENT)/bin/python benchmarks/input_pipeline.py
	$(CURRENT)/bin/python benchmarks/inference.py
	$(CURRENT)/bin/python benchmarks/training_step.py
	$(CURRENT)/bin/python benchmarks/op_parity.py
	$(CURRENT)/bin/python benchmarks/shape_aware_roi_align.py

exchange: $(CURRENT)/ready $(GARDEN)/ready
	$(CURRENT)/bin/python benchmarks/records_exchange.py --garden $(GARDEN)/bin/python

compare: $(CURRENT)/ready $(GARDEN)/ready
	$(CURRENT)/bin/python benchmarks/compare.py --garden $(GARDEN)/bin/python

garden: $(GARDEN)/ready

# Python and TensorFlow are not instrumented: the sanitizers are loaded before them, and
# what Python never frees is no leak of ours.
sanitize: $(CURRENT)/ready
	$(CURRENT)/bin/python custom_ops/build.py --sanitize --output build/sanitized
	for fuzz in fuzz_shape_aware fuzz_deform_columns fuzz_momentum_update fuzz_box_frames; do \
	  ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=tests:custom_ops/harness:. TFMASK_CUSTOM_OPS=require \
	    TFMASK_CUSTOM_OPS_FOLDER=build/sanitized \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	    $(CURRENT)/bin/python tests/$$fuzz.py --calls 10000 || exit; \
	done

lint: $(CURRENT)/ready
	$(CURRENT)/bin/ruff check .
	$(CURRENT)/bin/ruff format --check .

format: $(CURRENT)/ready
	$(CURRENT)/bin/ruff check --fix .
	$(CURRENT)/bin/ruff format .

types: $(CURRENT)/ready
	$(CURRENT)/bin/mypy

# Processes that tests start are measured as well.
coverage: $(CURRENT)/ready
	$(CURRENT)/bin/coverage erase
	$(CURRENT)/bin/coverage run -m pytest -m "not slow" $(PYTEST_ARGS)
	$(CURRENT)/bin/coverage combine --quiet
	$(CURRENT)/bin/coverage report

# --- environments ---------------------------------------------------------------------

# $(call require_python,CONDITION ON v,WHAT IS EXPECTED)
define require_python
@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not ($(1)))' || { \
  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): expected Python $(2);" \
    "choose it with make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
endef

# $(call install_lock,FOLDER,LOCK FILE)
define install_lock
@echo "setting up $(1) from $(2); this takes a minute or two"
@$(PYTHON) -m venv --clear $(1)
@$(1)/bin/python -m pip install $(PIP_OPTIONS) --require-hashes -r $(2)
@touch $@
endef

CUSTOM_OPS := $(wildcard custom_ops/*.py custom_ops/*/*.cc custom_ops/*/*.h \
  custom_ops/*/*.cu custom_ops/*/*.cuh)

# setuptools is in the locks, so nothing is fetched to build the package itself.
define install_package
@$(@D)/bin/python custom_ops/build.py --if-possible
@$(@D)/bin/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation -e .
@touch $@
endef

$(CURRENT)/locked: requirements/current.lock
	$(call require_python,v >= (3$(comma) 11),3.11 or newer)
	$(call install_lock,$(CURRENT),requirements/current.lock)

$(ADDONS)/locked: requirements/addons.lock
	$(call require_python,(3$(comma) 10) <= v <= (3$(comma) 11),3.10 or 3.11)
	$(call install_lock,$(ADDONS),requirements/addons.lock)

$(GARDEN)/ready: requirements/garden.lock
	$(call require_python,(3$(comma) 11) <= v <= (3$(comma) 12),3.11 or 3.12)
	$(call install_lock,$(GARDEN),requirements/garden.lock)

$(CURRENT)/ready: $(CURRENT)/locked setup.py pyproject.toml $(CUSTOM_OPS)
	$(install_package)

$(ADDONS)/ready: $(ADDONS)/locked setup.py pyproject.toml $(CUSTOM_OPS)
	$(install_package)

comma := ,

# --- upkeep ---------------------------------------------------------------------------

UV_COMPILE := uv pip compile --quiet --universal --generate-hashes --upgrade \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock:
	$(UV_COMPILE) --python-version 3.11 requirements/current.in -o requirements/current.lock
	$(UV_COMPILE) --python-version 3.10 requirements/addons.in -o requirements/addons.lock
	$(UV_COMPILE) --python-version 3.11 requirements/garden.in -o requirements/garden.lock

clean:
	rm -rf $(CURRENT) $(ADDONS) $(GARDEN) build dist *.egg-info runs/demo runs/ci tfmask/_lib
