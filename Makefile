# make demo     build, bring up examples/hello and print what to open
# make test     format, lints and every test (as root: they make namespaces)
# make bench    measure against the floor, and against docker compose and podman where installed
# make install  DESTDIR= PREFIX=/usr/local

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
TARGET  := x86_64-unknown-linux-gnu
BINARY  := target/$(TARGET)/release/hoist
HELLO   := examples/hello/compose.yaml
HELLO_PORT ?= 7878
export HELLO_PORT

.PHONY: build demo test bench install clean

build:
	@GOAL=$@ .ci/needs build
	$(CARGO) build --release --locked

demo:
	@GOAL=$@ .ci/needs build root kernel
	$(CARGO) build --release --locked
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

bench:
	@GOAL=$@ .ci/needs build root kernel
	$(CARGO) build --release --locked --benches
	benches/config
	benches/compare

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/hoist
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BINARY) man $(DESTDIR)$(PREFIX)/share/man/man1
	$(BINARY) completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/hoist
	$(BINARY) completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hoist
	$(BINARY) completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hoist.fish

clean:
	$(CARGO) clean
