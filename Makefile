# SPDX-License-Identifier: GPL-2.0
# Each target runs one script in harness/. 'make help' lists them.

.DEFAULT_GOAL := help

help:      ## this list
	@sed -n -e 's/^##@ \(.*\)/\n\1:/p' -e 's/^\([a-z-]*\): *## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo; sed -n 's/^BASES="\([^ "]*\)\(.*\)"/  BASE=<version> make ...: for that Linux version; default: \1/p' harness/bases/default

##@ Try it

demo:      ## see it work: a ublk disk and a FUSE directory with zero copy; the first line says how long it takes
	@harness/demo/demo.sh

test:      ## everything that must pass before a change is done
	@harness/suites/test.sh

##@ Install it

deb:       ## Debian packages of kernel, liburing, libfuse (root; CONFIG=running|<file>, LOCALMODCONFIG=1)
	@harness/deb/deb.sh

deb-test:  ## test such packages, with a small kernel: install, boot, use, upgrade, remove (root)
	@harness/deb/deb-test.sh

##@ Change it (CONTRIBUTING.md)

setup:     ## install the packages and tools that the other targets need (root), once
	@harness/setup/setup.sh

base:      ## download the base, Linux without the series, into the cache (BASE=<version> selects it)
	@harness/queue/base.sh

tree:      ## patches/ and new files -> build/<base>/linux, an editable git tree
	@harness/queue/tree.sh

export:    ## the commits of build/<base>/linux -> patches/ and new files (GUARD=<patch>: for this base only)
	@harness/queue/export.sh

lint:      ## style and build gates for scripts and patches
	@harness/lint/lint.sh

build:     ## build the patched kernel
	@harness/kernel/build.sh

boot:      ## boot the patched kernel in a virtual machine, with a shell
	@harness/vm/boot.sh

clean:     ## remove build/ (the cache stays)
	@harness/setup/clean.sh

##@ Measure it, test everything

bench:     ## measure the cost of operations, in guest instructions
	@harness/bench/bench.sh

bench-kmbuf: ## the same for kernel-managed buffers only
	@harness/bench/bench.sh kmbuf

bench-fuse: ## the same for FUSE only
	@harness/bench/bench.sh fuse

regress:   ## make test, the complete test suites of ublk, liburing and libfuse, the packages, the bench
	@harness/suites/regress.sh

roundtrip: ## prove on one base that tree, export and series lose nothing
	@harness/queue/roundtrip.sh

##@ Mail it

series:    ## write the mails, from you, to build/<base>/series/, build/userspace/series/ (SIGNOFF=1 signs off)
	@harness/queue/series.sh
	@harness/suites/userspace-series.sh

.PHONY: help setup base tree export series roundtrip lint build boot demo \
	test regress bench bench-kmbuf bench-fuse deb deb-test clean
