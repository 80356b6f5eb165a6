# What to do with this tree. `make test` is all the tests, `make lint` what must
# be clean before a commit.

GO ?= go

.PHONY: all test test-long oracle bench bench-load lint tools fuzz clean

all: bellhop

bellhop: FORCE
	$(GO) build -o $@ .
FORCE:

# test installs what the tests need and runs all of them, browsers and proxies
# included.
test: tools
	$(GO) vet ./...
	BELLHOP_TEST_TOOLS=all $(GO) test -race -shuffle=on -timeout 15m ./...

# test-long runs what takes too long for every change: many more seeds, more
# rounds of killing, and every fuzz target for a while.
test-long: tools fuzz
	BELLHOP_TEST_TOOLS=all BELLHOP_TEST_LONG=1 $(GO) test -race -shuffle=on -timeout 120m -rapid.checks=2000 ./...

# oracle holds hundreds of gateways against hotels that live through every trouble
# that is known; the short form of it is in test. SEEDS=… from FIRST=… on; one that
# fails says its seed, and runs again by SEEDS=1 FIRST=….
SEEDS ?= 300
FIRST ?= 1
oracle:
	BELLHOP_ORACLE_SEEDS=$(SEEDS) BELLHOP_ORACLE_SEED=$(FIRST) $(GO) test -timeout 120m -parallel 6 -run TestOracle ./web/e2e

# fuzz gives every fuzz target FUZZTIME.
FUZZTIME ?= 1m
fuzz:
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "== $$file $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
		done; \
	done

# bench prints the benchmarks in the form that benchstat reads.
COUNT ?= 6
bench:
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./...

# bench-load holds the gateway under load, with 10 000 streams and more, beside the
# least that any fan-out costs on this machine, and prints the medians of RUNS;
# bench-steady and so on are one question each, which "go run ./web/bench -help"
# lists. FLAGS=-profile=DIR has CPU profiles written, too.
RUNS ?= 5
bench-load: bench-all
bench-%: bellhop
	$(GO) run ./web/bench -bellhop ./bellhop -runs $(RUNS) $(FLAGS) $*

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	@test -z "$$($(GO) fix -diff ./...)" || { $(GO) fix -diff ./...; exit 1; }
	$(GO) run honnef.co/go/tools/cmd/staticcheck@latest ./...
	$(GO) mod tidy -diff

# tools installs the programs that the tests run beside the gateway, on Debian;
# elsewhere it says what is missing.
tools:
	@.ci/tools

clean:
	rm -f bellhop
