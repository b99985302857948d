#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Packages of other Debian suites, through a private apt root in the cache.
#
#   apt.sh version [src:]PKG           print the newest version
#   apt.sh versions [src:]PKG          print all versions, newest first
#   apt.sh have [src:]PKG              the same, but print nothing if no suite has
#                                      the package (unreadable lists are an error)
#   apt.sh deb PKG[=VERSION] DIR       download a .deb into DIR, print its path
#   apt.sh source PKG[=VERSION] DIR    download a source, print the .dsc's path
#   apt.sh install PKG...              install from the machine's own release
#   apt.sh mirror                      print the address of the Debian archive
#
# The private root uses the mirror and the settings (proxy, Check-Valid-Until ...)
# of this machine's apt, but its own lists and caches. Results go to stdout,
# progress to stderr.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/bases/bases.sh"
exec 3>&1 1>&2
export LC_ALL=C

ROOT=$CACHE/apt
CONF=$ROOT/apt.conf
LOG=$LOGS/apt.log
# The suites of every base, and the suites that source packages come from.
SUITES=$(for base in $(bases_all); do
	# shellcheck source=harness/bases/7.2
	(. "$TOP/harness/bases/$base" && tr ' ' '\n' <<<"$BASE_SUITES")
done | awk '!seen[$0]++' | paste -sd' ')
SOURCE_SUITES="forky sid"
# Identifies the configuration below; another tag makes it anew.
TAG="# $ROOT: $SUITES, sources: $SOURCE_SUITES"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The address of the Debian archive, from the machine's own apt, which parses its
# .list and .sources files for us. Other vendors use the release's name as well, so
# an archive that calls itself Debian wins, then one whose address looks like Debian
# (a machine that never ran 'apt-get update' knows no origins).
mirror() {
	# shellcheck disable=SC2016 # apt expands these
	local release='' format='$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)'
	# shellcheck source=/dev/null
	[ ! -r /etc/os-release ] || release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	{
		apt-get indextargets --format "$format" 'Created-By: Packages' &&
		apt-get indextargets --no-release-info --format "$format" 'Created-By: Packages'
	} |
	awk -F'|' -v release="$release" '
		$4 != "main" || $3 ~ /[-\/]/ || $5 ~ /^cdrom:/ { next }
		{ score = 1 }
		$1 == "Debian" && $2 == "Debian" { score += 8 }
		$5 ~ /\/debian\/?$/ { score += 4 }
		$3 == release { score += 2 }
		# apt prints the name of a field that it does not know.
		$1 != "Debian" && $1 !~ /^(\$\(ORIGIN\))?$/ { next }
		score > best { best = score; uri = $5 }
		END { if (uri) print uri }'
}

# need_mirror: sets uri to the mirror, or stops.
need_mirror() {
	uri=$(mirror) || die "apt-get indextargets failed" "this is not a Debian machine?" ""
	[ -n "$uri" ] || die "no Debian mirror found" \
		"this machine's apt configuration names no Debian archive with component main" \
		"run 'apt-get indextargets' to see its archives"
}

write_config() {
	local uri suite arch signed=
	need_mirror
	arch=$(dpkg --print-architecture)
	[ ! -r "$KEYRING" ] || signed=" signed-by=$KEYRING"
	mkdir -p "$ROOT/state/lists/partial" "$ROOT/cache/archives/partial"
	[ -e "$ROOT/status" ] || : >"$ROOT/status"
	{
		echo "$TAG"
		for suite in $SUITES; do
			echo "deb [arch=$arch target=Packages$signed] $uri $suite main"
		done
		for suite in $SOURCE_SUITES; do
			echo "deb-src [target=Sources$signed] $uri $suite main"
		done
	} >"$ROOT/sources.new"
	# With another mirror or other suites, read all lists again. An unchanged file
	# keeps its time, or apt would rebuild its cache.
	if ! cmp -s "$ROOT/sources.new" "$ROOT/sources.list"; then
		rm -f "$ROOT/stamp"
		mv "$ROOT/sources.new" "$ROOT/sources.list"
	fi
	rm -f "$ROOT/sources.new"
	# apt reads this file (-c) after the machine's own settings, so it wins.
	cat >"$CONF" <<-END
		Dir::State "$ROOT/state";
		Dir::State::lists "$ROOT/state/lists";
		Dir::State::status "$ROOT/status";
		Dir::Cache "$ROOT/cache";
		Dir::Cache::pkgcache "pkgcache.bin";
		Dir::Cache::srcpkgcache "srcpkgcache.bin";
		Dir::Etc::sourcelist "$ROOT/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		Acquire::Retries "2";
		APT::Sandbox::User "root";
		APT::Default-Release "";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

# explain ERROR: die with the cause that apt's log shows.
explain() {
	local what=$1 cause next
	tail -n 5 "$LOG"
	if grep -qi 'no space left on device' "$LOG" ||
		[ "$(df -Pm "$ROOT" | awk 'NR == 2 { print $4 }')" -lt 2 ]; then
		cause="disk full: no space left under $CACHE"
		next="free some space, or move the cache with KMBUF_CACHE=<dir>"
	elif grep -qiE 'hash sum mismatch|unexpected size|checksum' "$LOG"; then
		cause="checksum mismatch: a downloaded file differs from the mirror's signed index"
		next="try again; the usual cause is a proxy, or a mirror that is being updated"
	elif grep -qiE 'could not (resolve|connect)|temporary failure|unable to connect|connection (failed|refused|timed out|reset)|network is unreachable|no route to host|proxy' "$LOG"; then
		cause="no network: $(grep -iEm1 'resolve|connect|temporary failure|unreachable|no route|proxy' "$LOG")"
		next="check the network and the proxy in apt's configuration, then try again"
	elif grep -qiE 'no_pubkey|not signed|signatures? (were|was|could)' "$LOG"; then
		cause="the archive's signature cannot be checked"
		next="install or upgrade debian-archive-keyring"
	elif grep -qi 'unable to locate package' "$LOG"; then
		cause="no such package: $(grep -iom1 'unable to locate package.*' "$LOG")"
		next="the harness is written for Debian 12; see harness/setup/packages"
	else
		cause=$(grep -m1 -E '^(E|Err|W):' "$LOG" || tail -n 1 "$LOG")
		next="see $LOG"
	fi
	die "$what" "$cause" "$next"
}

# Sets update_failed. That is fatal only if the wanted package is not found then.
update_failed=
refresh() {
	mkdir -p "$ROOT"
	write_config
	need_space "$ROOT" 400 "package lists"
	say "apt: reading the lists of $SUITES (private, in the cache)"
	update_failed=
	# apt can hang on a full disk.
	if timeout -k 5 900 apt-get -c "$CONF" update --error-on=any >"$LOG" 2>&1; then
		touch "$ROOT/stamp"
	else
		update_failed=1
	fi
	refreshed=1
}

# versions [src:]PKG: print all versions, newest first.
versions() {
	local kind=Packages
	[ "$1" = "${1#src:}" ] || kind=Sources
	{ apt-cache -c "$CONF" madison "${1#src:}" 2>/dev/null || true; } |
	awk -F' *[|] *' -v kind="$kind" '$3 ~ kind "$" { print $2 }' | sort -rVu
}

not_every_list() {
	[ -z "$update_failed" ] ||
		say "apt: notice: not every list could be read (see $LOG); going on"
}

# find_package [src:]PKG [VERSION]: sets found (all versions) and version (VERSION or
# the newest).
find_package() {
	refreshed=
	[ -n "$(find "$ROOT/stamp" -mmin -1440 2>/dev/null)" ] || refresh
	while :; do
		found=$(versions "$1")
		version=${2:-${found%%$'\n'*}}
		if [ -n "$version" ] && grep -qxF -- "$version" <<<"$found"; then
			not_every_list
			return 0
		fi
		[ -z "$refreshed" ] || break
		refresh
	done
	[ -z "$update_failed" ] || explain "cannot read the package lists"
	if [ -n "$found" ]; then
		die "no such version: ${1#src:} $2" \
			"the suites $SUITES have ${found//$'\n'/, }" "ask for one of these"
	fi
	die "no such package: ${1#src:}" "none of the suites $SUITES has it" \
		"check the name; Debian may have moved on"
}

# have [src:]PKG: sets found. Lists may be a day old: a removed package stays removed.
have() {
	[ -n "$(find "$ROOT/stamp" -mmin -1440 2>/dev/null)" ] || refresh
	found=$(versions "$1")
	[[ -n $found || -z $update_failed ]] || explain "cannot read the package lists"
	not_every_list
}

# fetch VERB [src:]PKG [VERSION] DIR PATTERN: download and print the new file's path.
fetch() {
	local verb=$1 pkg=$2 want=$3 dir=$4 pattern=$5 name=${2#src:} try file
	mkdir -p "$dir"
	for try in first again; do
		find_package "$pkg" "$want"
		say "apt: downloading $name $version"
		if (cd "$dir" && timeout -k 5 3600 apt-get -c "$CONF" -q --download-only "$verb" "$name=$version") >"$LOG" 2>&1; then
			# apt writes the epoch's colon as %3a.
			file=$(find "$dir" -maxdepth 1 -name "$pattern" -newer "$CONF" -print -quit)
			[ -n "$file" ] || file=$(find "$dir" -maxdepth 1 -name "$pattern" -print -quit)
			[ -n "$file" ] || die "apt-get $verb $name wrote no file" "" "see $LOG"
			echo "$file" >&3
			return 0
		fi
		# The lists may be older than the mirror: try once more with new lists.
		[ "$try" = first ] || break
		grep -q '404' "$LOG" || break
		rm -f "$ROOT/stamp"
	done
	explain "download failed: $name $version"
}

# install PKG...: with the machine's own apt, as root. No other verb changes the system.
install() {
	mkdir -p "$ROOT"
	need_space / 1500 "packages"
	say "apt: reading the system's package lists"
	apt-get -q update --error-on=any >"$LOG" 2>&1 ||
		say "apt: notice: not every list could be read (see $LOG); going on"
	say "apt: installing $*"
	DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends \
		"$@" >>"$LOG" 2>&1 </dev/null || explain "cannot install packages"
}

usage() {
	die "usage: apt.sh mirror | version[s] [src:]PKG | have [src:]PKG | deb PKG[=VERSION] DIR | source PKG[=VERSION] DIR | install PKG..."
}

if [ "$*" = mirror ]; then
	need_mirror
	echo "$uri" >&3
	exit
fi
[ $# -ge 2 ] || usage
if [ "$1" = install ]; then
	shift
	install "$@"
	exit
fi
mkdir -p "$ROOT"
# Checkouts share the cache: one process at a time.
exec 9>"$ROOT/lock"
flock 9
# Asking apt for the mirror takes a second or two, so do it only for new lists.
grep -qxF "$TAG" "$ROOT/sources.list" 2>/dev/null || rm -f "$ROOT/stamp"
pkg=${2%%=*}
want=
[ "$pkg" = "$2" ] || want=${2#*=}
case $1 in
version) find_package "$pkg"; echo "$version" >&3 ;;
versions) find_package "$pkg"; echo "$found" >&3 ;;
have) have "$pkg"; [ -z "$found" ] || echo "$found" >&3 ;;
deb) fetch download "$pkg" "$want" "${3:?DIR}" "${pkg}_*.deb" ;;
source) fetch source "src:$pkg" "$want" "${3:?DIR}" "${pkg}_*.dsc" ;;
*) usage ;;
esac
