# Every target makes what it needs: a virtual environment in the checkout, from the lock file.
PYTHON ?= python3
VENV ?= .venv
# What is installed beside the package; tests/oldest.lock has the oldest that it allows.
LOCK ?= requirements-dev.lock
BIN = $(VENV)/bin
# In CI, what fails is run once more by itself.
PYTEST = $(BIN)/python $(if $(CI),tools/run_tests.py,-m pytest)
STAMP = $(VENV)/.installed
# What is compiled once need not be compiled by each process of the tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test smoke wheel image check mutants compatibility random test-apps test-clients test-console laws site sbom screenshots test-kafka bank bench fuzz torture kafka lock clean format

up: $(STAMP)  ## Start the seeded bus: Kafka on 127.0.0.1:9092, HTTP on 127.0.0.1:8081
	$(BIN)/fakebus up --fixtures fixtures $(ARGS)

# What "make test" leaves to others, since it needs toolchains or takes long.
CLIENTS = tests/clients/test_other_languages.py tests/clients/test_share_groups.py tests/clients/test_rebalances.py tests/clients/test_crashes.py tests/clients/test_registry_other_languages.py tests/clients/test_asyncapi.py tests/clients/test_flow_of_languages.py tests/clients/test_true_causes.py tests/clients/test_why_of_languages.py tests/clients/test_secure_other_languages.py tests/clients/test_streams_kills.py tests/unit/web/test_description.py tests/wire/test_fuzzing_of_doors.py tests/devstack
LONG = tests/kill/test_bank.py tests/compatibility/test_data_files.py
ELSEWHERE = $(CLIENTS) $(LONG) tests/docs tests/clients/apps tests/differential tests/console

# Four at a time, also on two cores: much of it is waiting for clients. The tests of a file go to one
# process, so that what they share is made once.
test: $(STAMP)  ## Unit tests and the Python clients
	$(PYTEST) -q -n 4 --dist loadfile --no-loadscope-reorder $(addprefix --ignore ,$(ELSEWHERE)) $(ARGS)

smoke: $(STAMP)  ## Install a wheel into a new environment, start it, use it and stop it
	$(BIN)/python tools/smoke.py $(ARGS)

wheel: $(STAMP)  ## fakebus-VERSION-py3-none-any.whl in the checkout
	rm -f fakebus-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir . .

image:  ## The container image, from a wheel of the checkout
	docker build --tag fakebus .

check: $(STAMP)  ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-clients: $(STAMP)  ## kcat, Java, Go and Node clients (needs their toolchains)
	$(BIN)/python tests/clients/build.py
	$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder $(CLIENTS) $(ARGS)
	$(PYTEST) -q -n 4 tests/docs
	$(PYTEST) -q $(LONG)
	$(BIN)/python -m torture --brief

test-apps: $(STAMP)  ## Applications that others wrote; on Apache Kafka with ARGS="--cluster kafka"
	$(PYTEST) -q tests/clients/apps $(ARGS)

test-console: $(VENV)/.console  ## The console in Chromium
	timeout 300 $(PYTEST) -q tests/console $(ARGS)

site: $(VENV)-site/.installed  ## The documentation as a site, in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/mkdocs build --strict --quiet $(ARGS)

sbom: $(VENV)-site/.installed  ## What the image installs, as CycloneDX: build/fakebus.cdx.json
	mkdir -p build
	$(VENV)-site/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o build/fakebus.cdx.json.new
	mv build/fakebus.cdx.json.new build/fakebus.cdx.json

screenshots: $(VENV)/.console  ## Pictures of the console for the docs
	$(BIN)/python tools/screenshots.py $(ARGS)

test-kafka: $(STAMP)  ## The same scenarios on a real Apache Kafka, and both asked the same (Java 17, Maven)
	$(BIN)/python tests/clients/build.py
	$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder tests/clients/python tests/clients/test_other_languages.py tests/clients/test_share_groups.py tests/clients/test_rebalances.py tests/clients/test_crashes.py tests/differential --cluster kafka $(ARGS)

laws: $(STAMP)  ## The laws that hold for all inputs, with ten times as many inputs as in make test
	EXAMPLES=10 KILLS=50 $(PYTEST) -q -n 2 --dist loadfile $(shell grep -rlE 'hypothesis|KILLS' tests --include='test_*.py' | grep -vE 'tests/(differential|clients|console|kill)/' | tr '\n' ' ') $(ARGS)

mutants: $(STAMP)  ## Change guards of the modules that differ from main, and see whether a test notices
	$(BIN)/python tools/mutants.py $(ARGS)

compatibility: $(STAMP)  ## Run the tests with clients, note what they send, and write docs/reference/compatibility.md
	$(BIN)/python tests/clients/build.py
	$(BIN)/python tools/compatibility.py --record

random: $(STAMP)  ## 10,000 random operations with each machine, on fakebus and on a real Apache Kafka
	RANDOM_OPERATIONS=10000 $(PYTEST) -q tests/differential/test_random_operations.py tests/differential/test_random_groups.py tests/differential/test_random_requests.py $(ARGS)

bank: $(STAMP)  ## Transfers in transactions while the bus is killed 200 times
	$(BIN)/python -m tests.kill.bank $(ARGS)

bench: $(STAMP)  ## fakebus beside Apache Kafka, kfake and others in one run, and how it grows; ARGS=--help tells more
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(STAMP)  ## 100,000 mutated frames for every API, and a healthy client whose acknowledgements are measured
	$(BIN)/python -m fuzzing $(ARGS)

torture: $(STAMP)  ## 1,000 kills and more under writers of every kind, and a checker of what they were told
	$(BIN)/python -m torture $(ARGS)

kafka: $(STAMP)  ## A real Apache Kafka on 127.0.0.1:19092, to settle questions of behaviour
	$(BIN)/python tools/kafka.py run $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## Renew the lock file (needs uv)
	sh tools/lock.sh --upgrade

clean:
	rm -rf .venv* .cache build dist .mypy_cache .ruff_cache .pytest_cache

$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fakebus needs Python 3.11 or later; run: make PYTHON=python3.12 " + "up")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.console: $(STAMP) tests/console/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/console/requirements.lock
	@touch $@

$(VENV)-site/.installed: tools/site/requirements.lock
	$(PYTHON) -m venv $(VENV)-site
	$(VENV)-site/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/site/requirements.lock
	@touch $@
