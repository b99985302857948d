# SPDX-License-Identifier: GPL-2.0
# Thin verbs; each one is a script in a room of harness/. 'make help' lists them.

.DEFAULT_GOAL := help

help:      ## this list
	@sed -n -e 's/^##@ \(.*\)/\n\1:/p' -e 's/^\([a-z-]*\): *## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo; sed -n 's/^BASES="\([^ "]*\)\(.*\)"/  BASE=<version> make ...: on that Linux; default: \1/p' harness/bases/default

##@ Try it

demo:      ## see it work: a ublk disk and a FUSE directory with zero copy; the first line says how long it takes
	@harness/demo/demo.sh

test:      ## everything that must pass before a change is done
	@harness/suites/test.sh

##@ Install it

deb:       ## Debian packages of kernel, liburing, libfuse (root; CONFIG=running|<file>, LOCALMODCONFIG=1)
	@harness/deb/deb.sh

deb-test:  ## install such packages with a small kernel, boot, use, upgrade and remove them (root)
	@harness/deb/deb-test.sh

##@ Change it (CONTRIBUTING.md)

setup:     ## install the packages and tools that the rest needs (root), once
	@harness/setup/setup.sh

base:      ## fetch the Linux that the series is for into the cache (BASE=<version>: which)
	@harness/queue/base.sh

tree:      ## patches/ and new files -> build/<base>/linux, an editable git tree
	@harness/queue/tree.sh

export:    ## the commits of build/<base>/linux -> patches/ and new files (GUARD=: for this base only)
	@harness/queue/export.sh

lint:      ## style and build gates for scripts and patches
	@harness/lint/lint.sh

build:     ## build the patched kernel
	@harness/kernel/build.sh

boot:      ## boot it in a virtual machine, with a shell
	@harness/vm/boot.sh

clean:     ## remove build/ (the cache stays)
	@harness/setup/clean.sh

##@ Measure it, and test all of it

bench:     ## what operations cost, in instructions of the guest
	@harness/bench/bench.sh

bench-kmbuf: ## the same, of kernel-managed buffers only
	@harness/bench/bench.sh kmbuf

bench-fuse: ## the same, of FUSE only
	@harness/bench/bench.sh fuse

regress:   ## test, and all of the own tests of Linux's ublk, liburing and libfuse; packages; the bench
	@harness/suites/regress.sh

roundtrip: ## prove that tree, export and series lose nothing, on one base
	@harness/queue/roundtrip.sh

##@ Mail it

series:    ## the mails, from you: build/<base>/series/, build/userspace/series/ (SIGNOFF=1: signed off)
	@harness/queue/series.sh
	@harness/suites/userspace-series.sh

.PHONY: help setup base tree export series roundtrip lint build boot demo \
	test regress bench bench-kmbuf bench-fuse deb deb-test clean
