# For those who work on Sluice. Each target calls a script that also runs without make.
SECONDS ?= 60
SEEDS ?= 5000

.DEFAULT_GOAL := help
.PHONY: help build run test heavy chaos tls-scan lint circles format sanitize mutants fuzz replay simulate autobahn bench callers clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the release binary, .build/release/sluice
	scripts/build

run: ## Build it and serve the built-in demonstration server
	scripts/run

test: ## Build and run every test
	scripts/test

heavy: ## Run the long versions of the end-to-end tests, and the whole matrix of clients and servers
	scripts/test end-to-end -m heavy

chaos: ## Kill, stop and garble servers under load for minutes, and print what clients saw of it
	scripts/test end-to-end -k test_failover -m heavy -s

tls-scan: ## Scan the https listener for weaknesses
	scripts/tls-scan

lint: ## Check the form of Swift, C and shell sources, and the walls between them
	scripts/lint

circles: ## List which files stand in circles, and what goes against the order of parts
	scripts/circles

format: ## Rewrite Swift and C sources in that form
	scripts/lint --fix

sanitize: ## Run the tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	scripts/sanitize

mutants: ## Break the rules of scripts/mutants.list one by one and see that a test notices each
	scripts/mutate

fuzz: ## Fuzz each C codec for SECONDS (60): make fuzz SECONDS=600
	scripts/fuzz --seconds $(SECONDS)

replay: ## Run each fuzz target over its committed corpus
	scripts/fuzz --replay

simulate: ## Run SEEDS (5000) simulations of a whole gateway: make simulate SEEDS=100000
	SLUICE_SEEDS=$(SEEDS) scripts/test swift --filter SimulationTests

autobahn: ## Run the Autobahn WebSocket test suite against /debug/echo (half an hour)
	scripts/autobahn

bench: ## Measure everything beside nginx, HAProxy, Envoy and the Python gateways; takes hours
	Benchmarks/bench

callers: ## Measure what a call costs as thousands of callers share the connections to one server; takes some minutes
	Benchmarks/callers

clean: ## Remove everything that was built
	rm -rf .build .build-asan .build-tsan
