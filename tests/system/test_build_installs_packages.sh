#!/bin/bash
# A recipe installs packages from a folder into a real Debian without any network, with what they need and
# nothing of the build left in the disk; a package that is not there fails the step by name; packages are
# removed. In the long suite: it needs a whole Debian.
set -euo pipefail
root=$PWD
. "$PWD/tests/harness/lib.sh"
. "$root/tests/harness/guestfs.sh"
[ -n "${CHECK_LONG:-}" ] || skip "a build in a whole Debian is part of make check-long"
(cd "$root" && tests/system/demo-image.sh "$BUILD/demo/debian.img")
export CARREL_STORE=$work/store
"$carrel" store init "$CARREL_STORE" --quiet
"$carrel" image import debian "$BUILD/demo/debian.img" --quiet >/dev/null

mkdir -p "lab/some debs"
tar -xf "$BUILD/demo/debian-extra.tar" -C "lab/some debs"
mv "lab/some debs"/tree_*.deb "lab/some debs/a tree.deb" # names of files mean nothing
cat >lab/lab.recipe <<'RECIPE'
image = lab
base = debian
package-folder = some debs
packages = tree
run = tree --version; hostname -f || true; ls /var/lib/apt/lists | wc -l
hostname = lab-1.example.org
RECIPE
"$carrel" image build lab/lab.recipe >out 2>err || fail "$(cat err)"
"$carrel" image show lab --log >log
grep -q '^Setting up tree ' log || fail "$(cat log)"
grep -q '^tree v[0-9]' log || fail "$(cat log)"

# In the disk: the package, the name, and no trace of the build.
"$carrel" image export lab out.img --quiet
offset=$(sfdisk --json out.img | jq '.partitiontable.partitions[1].start * 512')
inside() { debugfs -R "$1" "out.img?offset=$offset" 2>&1; }
inside 'stat /usr/bin/tree' | grep -q 'Mode:  0755' || fail "there is no /usr/bin/tree"
inside 'cat /etc/hostname' | grep -qx 'lab-1.example.org'
inside 'cat /etc/hosts' | grep -qP '^127\.0\.1\.1\tlab-1\.example\.org lab-1$'
for trace in /usr/sbin/policy-rc.d /var/cache/carrel-build /etc/apt/sources.list.d/carrel-build.list; do
    inside "stat $trace" | grep -q 'not found' || fail "$trace is still there"
done
# The free space that installing used is given back.
"$carrel" image diff debian@1 lab@1 --json >diff.json
[ "$(jq '.bytes_changed + .bytes_added' diff.json)" -lt $((64 << 20)) ] || fail "$(cat diff.json)"

# One more step that cannot be done: only it runs, and apt's words are shown.
cp lab/lab.recipe good
echo 'packages = no-such-package' >>lab/lab.recipe
status=0
"$carrel" image build lab/lab.recipe >out 2>err || status=$?
[ "$status" = 1 ] || fail "status $status"
[ "$(grep -c '  cached  ' err)" = 3 ] || fail "$(cat err)"
grep -q '  | .*no-such-package' err || fail "$(cat err)"
# And one that can.
cp good lab/lab.recipe
echo 'remove = tree' >>lab/lab.recipe
"$carrel" image build lab/lab.recipe >out 2>err || fail "$(cat err)"
"$carrel" image show lab --log | grep -q '^Purging configuration files for tree\|^Removing tree ' ||
    fail "$("$carrel" image show lab --log)"
