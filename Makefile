# make demo     build, bring up examples/hello and print what to open
# make test     format, lints and every test (as root: they make namespaces)
# make test-crash  kill us at every system call that others can see, on every path (an hour; PART=3/8 the third of eight parts)
# make test-v2  the tests that the kernel decides, in a virtual machine with pure cgroup v2 and systemd
# make soak     fifty containers under random restarts and kill -9, for ten minutes
# make bench    measure against the floor, and against docker compose and podman where installed
# make install  DESTDIR= PREFIX=/usr/local
# make deb      a Debian package in target/
# make archive  a release archive in target/: of the same commit the same bytes, whoever builds it

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
TARGET  := x86_64-unknown-linux-gnu
BINARY  := target/$(TARGET)/release/hoist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
HELLO   := examples/hello/compose.yaml
HELLO_PORT ?= 7878
export HELLO_PORT

# A release tells the commit it was built from, and not whose home the sources of its libraries were in.
build demo bench install deb archive: export HOIST_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
deb archive: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
CARGO_HOME ?= $(HOME)/.cargo
RELEASE := $(CARGO) build --release --locked \
  --config 'target.$(TARGET).rustflags = ["--remap-path-prefix=$(CARGO_HOME)=/cargo"]'

.PHONY: build demo test test-crash test-v2 soak bench install deb archive clean

build:
	@GOAL=$@ .ci/needs build
	$(RELEASE)

demo:
	@GOAL=$@ .ci/needs build root kernel
	$(RELEASE)
	$(BINARY) -f $(HELLO) up -d --wait
	@echo
	@echo "  open        http://127.0.0.1:$(HELLO_PORT)/"
	@echo "  look        $(BINARY) -f $(HELLO) ps"
	@echo "  take down   $(BINARY) -f $(HELLO) down"

test:
	@GOAL=$@ .ci/needs build root kernel test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked --no-fail-fast

test-crash:
	@GOAL=$@ .ci/needs build root kernel test
	HOIST_CRASH=$(or $(PART),all) $(CARGO) test --locked --test it -- crash:: --nocapture

test-v2:
	@GOAL=$@ .ci/needs build vm
	CARGO="$(CARGO)" tests/vm/v2 $(FILTERS)

soak:
	@GOAL=$@ .ci/needs build root kernel test
	HOIST_SOAK_SECONDS=600 $(CARGO) test --locked --test it -- soak:: --nocapture

bench:
	@GOAL=$@ .ci/needs build root kernel
	$(CARGO) build --release --locked --benches
	benches/config
	benches/compare
	benches/logs

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/hoist
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BINARY) man $(DESTDIR)$(PREFIX)/share/man/man1
	$(BINARY) completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/hoist
	$(BINARY) completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hoist
	$(BINARY) completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hoist.fish

deb: build
	rm -rf target/deb
	$(MAKE) install DESTDIR=target/deb PREFIX=/usr
	gzip -9n target/deb/usr/share/man/man1/*.1
	install -D -m 644 LICENSE target/deb/usr/share/doc/hoist/copyright
	install -d target/deb/DEBIAN target/deb/usr/libexec/docker/cli-plugins
	ln -s ../../../bin/hoist target/deb/usr/libexec/docker/cli-plugins/docker-compose
	printf '%s\n' 'Package: hoist' 'Version: $(VERSION)' 'Architecture: amd64' 'Section: admin' 'Priority: optional' \
	  'Maintainer: the hoist maintainers <hoist@example.org>' 'Conflicts: docker-compose-v2, docker-compose-plugin' \
	  'Description: docker compose without Docker' ' Brings up the services of a compose file on a container runtime of its own.' \
	  >target/deb/DEBIAN/control
	find target/deb -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} +
	dpkg-deb --root-owner-group --build target/deb target/hoist_$(VERSION)_amd64.deb

ARCHIVE := hoist-$(VERSION)-x86_64-linux
archive: build
	rm -rf target/archive
	$(MAKE) install DESTDIR=target/archive/$(ARCHIVE) PREFIX=
	install -m 644 LICENSE README.md CHANGELOG.md target/archive/$(ARCHIVE)
	tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --format=ustar \
	  -C target/archive -c $(ARCHIVE) | gzip -9n >target/$(ARCHIVE).tar.gz

clean:
	$(CARGO) clean
