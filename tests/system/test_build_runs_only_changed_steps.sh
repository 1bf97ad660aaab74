#!/bin/bash
# `carrel image build` runs the steps that changed and those behind them, keeps recipe and logs with the
# version, makes nothing of a step that fails but names it, and does nothing when nothing changed; `update`
# does it again on a newer base from the store alone. No network inside, paths with spaces, nothing left.
set -euo pipefail
busyboxdisk=$PWD/tests/harness/busyboxdisk.sh
. "$PWD/tests/harness/lib.sh"
. "$OLDPWD/tests/harness/guestfs.sh"
export CARREL_STORE=$work/store
"$carrel" store init "$CARREL_STORE" --quiet
"$busyboxdisk" base.img first
"$carrel" image import tiny base.img --quiet >/dev/null
"$carrel" image promote tiny@1 stable --quiet >/dev/null

mkdir "my recipe"
recipe="my recipe/demo.recipe"
cat >"$recipe" <<'RECIPE'
image = demo
base = tiny:stable
file = a file.txt -> /opt/some dir/a file.txt mode=0640 owner=7:8
script = set up.sh
run = cat /etc/motd; ls /sys/class/net
RECIPE
echo content >"my recipe/a file.txt"
printf '#!/bin/sh\necho "the script says $((6 * 7))"; sleep 1000 &\n' >"my recipe/set up.sh"

ran() { # NUMBER...: the steps that ran in the last build
    local found
    found=$(sed -n 's/^step \([0-9]*\)\/.*  runs .*/\1/p' err | tr '\n' ' ')
    [ "$found" = "$* " ] || [ "$found" = "$*" ] || fail "steps '$found' ran, not '$*': $(cat err)"
}
versions() { "$carrel" --json image log "$1" | jq length; }

"$carrel" image build "$recipe" >out 2>err || fail "$(cat err)"
ran 1 2 3
grep -q '^demo@1 ' out
[ "$("$carrel" --json image show demo | jq -r .parent)" = tiny@1 ]
"$carrel" image show demo --recipe | diff - "$recipe"
"$carrel" image show demo@1 --log >log
grep -qx 'the script says 42' log
# What the step saw: the base's file, and no network but the loopback.
[ "$(sed -n '/^--- step 3/,$p' log)" = '--- step 3/3, line 5: run = cat /etc/motd; ls /sys/class/net
first
lo' ] || fail "$(cat log)"

# The file is in the disk, with mode and owner; the script is not.
"$carrel" image export demo@1 out.img --quiet
dd if=out.img of=fs.img bs=1M skip=1 status=none
[ "$(debugfs -R 'cat "/opt/some dir/a file.txt"' fs.img 2>/dev/null)" = content ]
debugfs -R 'stat "/opt/some dir/a file.txt"' fs.img 2>/dev/null | tr -s ' ' >stat
grep -q 'Mode: 0640' stat
grep -q 'User: 7 Group: 8' stat
debugfs -R 'ls /var/cache' fs.img 2>&1 | grep -q carrel && fail "the script was left in the image"
e2fsck -fn fs.img >/dev/null 2>&1 || fail "the file system is not clean"

# Nothing changed: nothing runs, nothing is made. The hidden image is hidden.
"$carrel" image build "$recipe" --json >out 2>err
ran
[ "$(jq -c '[.made, .ref, [.steps[].cached]]' out)" = '[false,"demo@1",[true,true,true]]' ]
[ "$(versions demo)" = 1 ] && [ "$(versions demo.steps)" = 3 ]
[ "$("$carrel" --json image ls | jq -r '[.[].image] | join(" ")')" = 'demo tiny' ]
"$carrel" --json image ls --all | jq -r '.[].image' | grep -qx demo.steps
# A comment is no change, and --force makes a version all the same.
echo '# a comment' >>"$recipe"
"$carrel" image build "$recipe" --force --quiet >out 2>err
ran
grep -q '^demo@2 ' out

# The last step fails: it alone ran, it is named, its log is shown and kept, no version is made.
cp "$recipe" good.recipe
sed -i 's/^run = .*/run = echo "about to fail"; exit 3/' "$recipe"
status=0
"$carrel" image build "$recipe" >out 2>err || status=$?
[ "$status" = 1 ] && [ ! -s out ] && [ "$(versions demo)" = 2 ]
ran 3
grep -qx '  | about to fail' err
grep -q "^carrel: building 'demo': step 3 (line 5, 'run = .*') failed: it ended with status 3" err
kept=$(sed -n "s/.*all logs are in '\(.*\)'$/\1/p" err)
grep -q 'about to fail' "$kept"
grep -q 'the script says 42' "$kept"

# A newer base: the update takes everything from the store and says from what to what.
cp good.recipe "$recipe"
rm -r "my recipe"
"$carrel" image update demo --json >out 2>err || fail "$(cat err)"
[ "$(jq .made out)" = false ] || fail "updated without a reason"
"$busyboxdisk" base.img second
"$carrel" image import tiny base.img --quiet >/dev/null
"$carrel" image update demo --json >out 2>err
[ "$(jq .made out)" = false ] || fail "the channel still points at the old base"
"$carrel" image promote tiny@2 stable --quiet >/dev/null
"$carrel" image update demo --json >out 2>err || fail "$(cat err)"
ran 1 2 3
[ "$(jq -c '[.made, .ref, .parent, .message]' out)" = \
    '[true,"demo@3","tiny@2","update: recipe from tiny@1 to tiny@2"]' ] || fail "$(cat out)"
"$carrel" image show demo --log | grep -qx second
"$carrel" image verify demo --quiet

# What was committed by hand after the last build would get lost: refused.
qemu-img create -q -f qcow2 -b "$work/base.img" -F raw hand.qcow2
"$carrel" image commit demo hand.qcow2 --base demo@3 --quiet >/dev/null
refuses 1 "cannot update 'demo': the newest version made by a recipe is 'demo@3'" \
    "$carrel" image update demo

# Nothing is left behind but the log that the person was told of.
left=$(find "$work" -maxdepth 1 \( -name 'carrel-*' -o -name 'libguestfs*' \) ! -path "$kept")
[ -z "$left" ] || fail "left: $left"
