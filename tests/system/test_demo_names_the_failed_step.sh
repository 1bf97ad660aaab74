#!/bin/bash
# A demo whose step fails ends with a status that is not 0 and names the step, shows the end of the log
# that tells why, and leaves no process and no socket folder behind.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
export REAL=$BUILD/bin/carrel

# A build folder of the demo's own: a small disk in the place of Debian, a carrel that fails at one
# command, and the real parts for the rest.
mkdir -p own/bin own/demo
for part in "$BUILD"/bin/* "$BUILD"/plugins; do
    case $part in */plugins) ln -s "$part" own/plugins ;; *) ln -s "$part" own/bin/ ;; esac
done
rm own/bin/carrel
cat >own/bin/carrel <<'STUB'
#!/bin/bash
[ "$1 $2" != "$FAILS" ] || { echo "carrel: the stub fails here" >&2; exit 9; }
exec "$REAL" "$@"
STUB
chmod +x own/bin/carrel
truncate -s 1M own/demo/debian.img
PATH=$PATH:/usr/sbin mke2fs -q own/demo/debian.img
tar -cf own/demo/debian-extra.tar -T /dev/null
sha256sum <"$root/tests/system/demo-image.sh" >own/demo/debian.img.key

fails_at() { # STATUS STEP: how the demo must end
    local status=0
    BUILD=$work/own timeout 60 "$root/tests/system/demo.sh" >out 2>err </dev/null || status=$?
    [ "$status" = "$1" ] || fail "status $status, not $1: $(cat err)"
    grep -qxF "demo: this step failed: $2" err || fail "'$2' is not named: $(cat err)"
    [ "$(grep -c 'this step failed' err)" = 1 ] || fail "more than one step failed: $(cat err)"
    ! grep -q 'all went well' out || fail "it says that all went well"
    [ -z "$(find . -maxdepth 1 -name 'carrel-demo.*')" ] || fail "the folder of sockets was left"
    ! grep -lqF -- "$work/own" /proc/[0-9]*/cmdline 2>/dev/null || fail "a process goes on"
}

export FAILS="store init"
fails_at 9 "import it as debian@1"
grep -q 'the stub fails here' err || fail "nobody says why: $(cat err)"
export FAILS="image import"
fails_at 9 "import it as debian@1"

# A server that ends at once: the step names the log that tells why.
export FAILS=none
rm own/plugins
fails_at 1 "change it: serve debian@1 over NBD, boot it, install a package more"
grep -q "the end of '.*/nbdkit.log'" err || fail "the log is not shown: $(cat err)"
