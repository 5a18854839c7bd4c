#!/bin/sh
# images.sh [FOLDER]: makes the four images of this example from Debian packages and brings them into hoist's store.
# The root filesystems stay in FOLDER (default: ./.images) as tar files, so a second run only imports them.
# Needs root and Debian or a relative with mmdebstrap; the mirror is the machine's own. HOIST names the binary.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/.images}
hoist=${HOIST:-hoist}

fail() {
	echo "error: $*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || fail 'making a root filesystem needs root'
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || fail 'this is no Debian: /etc/os-release has no VERSION_CODENAME'
for sources in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources /etc/apt/sources.list; do
	[ -s "$sources" ] && break
done
[ -s "$sources" ] || fail 'no package sources below /etc/apt'
if ! command -v mmdebstrap >/dev/null 2>&1; then
	echo 'images: installing mmdebstrap' >&2
	apt-get update -q >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap >/dev/null
fi

# image NAME PACKAGES [OPTION...]: NAME.tar with Debian's essential packages and PACKAGES, without documentation.
image() {
	name=$1 packages=$2
	shift 2
	[ -s "$folder/$name.tar" ] && return
	echo "images: making $name" >&2
	mmdebstrap --quiet --variant=essential --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt=force-confold --dpkgopt=force-unsafe-io \
		--aptopt='APT::Install-Recommends "false"' "$@" \
		"$suite" "$folder/$name.part.tar" "$sources"
	mv "$folder/$name.part.tar" "$folder/$name.tar"
}

mkdir -p "$folder"
rm -f "$folder"/*.part.tar
image nginx nginx
image app python3,python3-psycopg2
image redis redis-server
# Postgres compiles no queries here (`jit=off`), so LLVM, a third of the image, stays out.
# shellcheck disable=SC2016 # "$1" is mmdebstrap's
image postgres postgresql --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
	--essential-hook='mkdir -p "$1/etc/postgresql-common"' \
	--essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
	--customize-hook='chroot "$1" install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data' \
	--customize-hook='for tool in initdb postgres pg_isready pgbench; do
		chroot "$1" sh -c "ln -sf /usr/lib/postgresql/*/bin/$tool /usr/local/bin/$tool"; done'

"$hoist" import --change 'CMD ["nginx", "-g", "daemon off;"]' --change 'EXPOSE 80' \
	"$folder/nginx.tar" guestbook/nginx
"$hoist" import --change 'WORKDIR /app' --change 'ENV PYTHONUNBUFFERED=1' --change 'EXPOSE 8000' \
	"$folder/app.tar" guestbook/app
"$hoist" import --change 'USER redis' --change 'WORKDIR /var/lib/redis' --change 'EXPOSE 6379' \
	--change 'CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--appendonly", "yes"]' \
	"$folder/redis.tar" guestbook/redis
"$hoist" import --change 'USER postgres' --change 'ENV PGDATA=/var/lib/postgresql/data' --change 'EXPOSE 5432' \
	--change 'VOLUME /var/lib/postgresql/data' "$folder/postgres.tar" guestbook/postgres
