# The header makes make strict: one shell a recipe, which stops at the first
# failure also inside a pipe, no half-written targets, no built-in rules.
SHELL := bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# Tools are run by version, so that they are no requirement of the module.
STATICCHECK_VERSION := v0.8.2
GOVULNCHECK_VERSION := v1.9.0
ACTIONLINT_VERSION := v1.7.12
GORELEASER_VERSION := v2.15.1
TOFU_VERSION := v1.12.6
SYFT_VERSION := v1.57.1

# How long each fuzz target runs.
FUZZTIME ?= 30s
# More flags for go test, for example GOTESTFLAGS='-run Interop -v'.
GOTESTFLAGS ?=
# What builds the images: docker, podman or buildah. Empty makes only the folders for it.
ENGINE ?=

.PHONY: help
help: ## Say what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build everything, and the command as bin/wirepost
	go build ./...
	go build -o bin/ ./cmd/wirepost

.PHONY: man
man: ## Write the manual pages into bin/man1
	go run -tags man ./cmd/wirepost man bin/man1

.PHONY: completions
completions: ## Write the scripts that complete words in shells into bin/completions
	@mkdir -p bin/completions
	go build -o bin/ ./cmd/wirepost
	bin/wirepost completion bash >bin/completions/wirepost.bash
	bin/wirepost completion zsh >bin/completions/_wirepost
	bin/wirepost completion fish >bin/completions/wirepost.fish
	bin/wirepost completion powershell >bin/completions/wirepost.ps1

.PHONY: images
images: ## Build the container images with ENGINE (docker, podman or buildah)
	@scripts/images "$(ENGINE)"

# buildah has a store of its own here; with vfs and chroot it needs nothing of the kernel
# but the rights of root.
.PHONY: images-check
images-check: ## Build the images for two processors with buildah and start them; as root, on Linux
	@mkdir -p .tools/containers
	export CONTAINERS_STORAGE_CONF=$(CURDIR)/.tools/containers/storage.conf BUILDAH_ISOLATION=chroot
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' $(CURDIR)/.tools/containers/{graph,run} >$$CONTAINERS_STORAGE_CONF
	scripts/images buildah amd64 arm64
	go run ./images/check

# Nothing is published: docs/releasing.md says what this checks, and what nothing does.
# goreleaser runs syft by its name.
release release-check: export PATH := $(CURDIR)/.tools/bin:$(PATH)
.PHONY: release-check
release-check: release-needs ## Make the files of a release in dist, and the images, and check them; as root, on Linux
	export WIREPOST_VERSION=$$(sed -n 's/^const Version = "\(.*\)"$$/\1/p' wirepost.go)
	export GORELEASER_CURRENT_TAG=v$$WIREPOST_VERSION # for the addresses of the archives
	go run github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION) check
	go run github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION) release --snapshot --clean --skip=publish,sign
	$(MAKE) release-files
	$(MAKE) images-check
	$(MAKE) npm-check
	$(MAKE) terraform-check

.PHONY: release-files
release-files:
	@go build -o bin/release-check ./release/check
	$(if $(filter 0,$(shell id -u)),,sudo )bin/release-check dist

.PHONY: release-needs
release-needs: ## Install the programs that check a release, saying which
	@scripts/release-needs $(SYFT_VERSION)

.PHONY: npm-check
npm-check: test-needs ## Pack clients/js as npm does, check the package, and use it from an empty folder
	CI=true go test -count=1 -run 'TestThePackage|TestTheTypesOfThePackage|TestTheCommitted' ./clients/js

.PHONY: terraform-check
terraform-check: ## Check the Terraform module with OpenTofu, which is built the first time
	scripts/tofu $(TOFU_VERSION) fmt -check -diff -recursive deploy/terraform

.PHONY: release
release: release-needs ## What the workflow for releases runs: a draft of the release of this commit's tag
	go run github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION) release --clean --skip=sign
	$(MAKE) release-files

# The tests run also when a check before them has failed: one run tells everything.
.PHONY: test
test: ## Install what the tests need, check, and run all tests, with the race detector
	@status=0
	scripts/test-needs & needs=$$! # it mostly waits for the network
	$(MAKE) lint || status=1
	wait $$needs || status=1
	# Tests wait a third of their time for programs that they start: one package more than
	# there are processors fills it.
	packages=$$(($$(getconf _NPROCESSORS_ONLN) + 1))
	# lint has vetted all of it; go test would vet again what it compiles for the race detector.
	echo "go test -race -vet=off -p $$packages ./..."
	go test -race -vet=off -p $$packages -timeout 20m $(GOTESTFLAGS) ./... || status=1
	# The simulations take ten times as long with the race detector, which saw a few seeds.
	echo "go test -vet=off -run 'TestEach(Break|Rule)|TestInChaos|TestNothingOfALog' . ./dynamostore"
	go test -vet=off -timeout 20m -run 'TestEachBreak|TestInChaos' . -chaos-seeds 20 || status=1
	go test -vet=off -timeout 20m -run 'TestEach(Break|Rule)|TestInChaos|TestNothingOfALog' ./dynamostore -chaos-seeds 20 -log-seeds 20 || status=1
	exit $$status

.PHONY: test-needs
test-needs: ## Install the programs that the tests drive, saying which
	@scripts/test-needs

.PHONY: lint
lint: ## gofmt, go vet, staticcheck and actionlint
	@status=0
	unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | while IFS= read -r f; do if [ -f "$$f" ]; then echo "$$f"; fi; done | xargs -r gofmt -l)
	if [ -n "$$unformatted" ]; then printf 'gofmt -w is needed on:\n%s\n' "$$unformatted"; status=1; fi
	echo "go vet ./..."
	go vet ./... || status=1
	echo "staticcheck $(STATICCHECK_VERSION) ./..."
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) ./... || status=1
	echo "actionlint $(ACTIONLINT_VERSION)"
	go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION) -shellcheck= -pyflakes= .github/workflows/*.yml || status=1
	exit $$status

.PHONY: vuln
vuln: ## govulncheck, where its database can be reached
	@scripts/vuln $(GOVULNCHECK_VERSION)

.PHONY: site
site: ## Build the pages of docs as a site into bin/site
	@scripts/site

.PHONY: site-check
site-check: site ## Check that every page of the site is accessible
	@go run ./site/check bin/site .tools/node/node_modules/axe-core/axe.min.js

.PHONY: bench
bench: ## Measure every row that has a goal, beside its reference
	@go test -run '^$$' -bench . -benchtime 1x -timeout 20m ./gateway ./wireposttest ./dynamostore ./internal/inspector ./cmd/wirepost ./cmd/wirepost-function | scripts/bench-table

# How many seeds each simulation has.
SEEDS ?= 20

.PHONY: chaos
chaos: ## Run the simulations with SEEDS seeds (20), a line of result for each
	@go test -count=1 -timeout 60m -run 'TestInChaos|TestNothingOfALog' ./wireposttest -chaos-seeds $(SEEDS)
	go test -count=1 -timeout 60m -run 'TestInChaos' . -chaos-seeds $(SEEDS) -v | grep -v '^=== \|^---'
	go test -count=1 -timeout 60m -run 'TestInChaos|TestNothingOfALog' ./dynamostore -chaos-seeds $(SEEDS) -log-seeds $(SEEDS) -v | grep -v '^=== \|^---'

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s)
	@scripts/fuzz $(FUZZTIME)
