#!/bin/bash
# The life of a version: made by a recipe, tested, promoted for a moment to come, signed by two people of
# three (one is not enough), started by the agent, rolled back, removed, collected, and the store
# scrubbed. On a real Ceph; CARREL_TEST_LIFE=dir does the same in a folder, as does a machine without
# Ceph, whose test counts as skipped for that reason.
. "$(dirname "$0")/../harness/agent.sh"
. "$root/tests/harness/nbd.sh"
. "$root/tests/harness/trust.sh"
. "$root/tests/harness/rados.sh"
. "$root/tests/harness/guestfs.sh"
absent=$(rados_is_built) || true
command -v ceph-mon ceph-osd >/dev/null || absent="Ceph is not installed: there is no 'ceph-osd' (make deps)"
if [ -z "$absent" ] && [ "${CARREL_TEST_LIFE:-rados}" = rados ]; then
    any_ceph
    store=$(rados_uri life)
fi
export CARREL_STORE=$store CARREL_BY=anna
desktop_file

# A base, and people who sign it.
"$root/tests/harness/livingdisk.sh" base.img
"$carrel" --quiet store init "$store"
"$carrel" --quiet image import desk base.img --message "as installed" >/dev/null
keys_make anna ben carla
"$carrel" --quiet trust init --keys keys --threshold 2 --key anna.pem.pub,ben.pem.pub,carla.pem.pub
start "$BUILD/bin/carrel-signer" --state keys/signer --socket signer.sock >signer.out
wait_until grep -q ready signer.out
export CARREL_SIGNER=$work/signer.sock

signed_by() { # PERSON...
    for person in "$@"; do "$carrel" trust sign --key "$person.pem" >sign.out; done
    grep -q '^published' sign.out || fail "not published: $(cat sign.out)"
}
"$carrel" --quiet image promote desk@1 stable
signed_by anna ben
"$carrel" --quiet trust seat desktop-seat
signed_is() { # REF NAME@N
    [ "$(verified desktop-seat "$1" | cut -d' ' -f1)" = "$2" ]
}
signed_is desk:stable desk@1 || fail "the first version is not signed"

# The recipe: its last step writes what the console will say.
mkdir recipe
head -c 2M /dev/urandom >recipe/wallpaper
cat >recipe/desk.recipe <<'RECIPE'
image = desk
base = desk@1
message = with a greeting
file = wallpaper -> /usr/share/wallpaper
run = echo 'echo "the recipe says $((6 * 7))"' >/etc/rc
RECIPE
"$carrel" image build recipe/desk.recipe >build.out 2>build.err || fail "$(cat build.err)"
grep -q '^desk@2 ' build.out
[ "$("$carrel" --json image show desk@2 | jq .stored_bytes)" -gt $((2 << 20)) ] ||
    fail "what the steps stored does not count: $(cat build.out)"
"$carrel" image show desk@2 --recipe | diff - recipe/desk.recipe

# Testing, then stable from a moment on; nothing of it holds with one signature.
"$carrel" image promote desk@2 testing --message "for room 12" --sign-key anna.pem >promote.out
grep -q 'targets . has 1 of 2 signatures' promote.out || fail "$(cat promote.out)"
refuses 1 "no channel 'testing'" verified desktop-seat desk:testing
signed_by ben
signed_is desk:testing desk@2 || fail "two signatures are not enough"
at=$(($(date +%s) + 5))
"$carrel" image promote desk:testing stable --at "$(date -d "@$at" +%Y-%m-%dT%H:%M:%S)" \
    --sign-key anna.pem >promote.out
until [ "$(date +%s)" -ge "$at" ]; do read -r -t 0.1 <> <(:) || true; done
signed_is desk:stable desk@1 || fail "one signature promotes"
signed_by carla
signed_is desk:stable desk@2 || fail "the promotion does not hold after its date"
"$carrel" --quiet image promote desk:testing stable --at +1d # will be taken back

# A seat starts what is signed.
make_pki
start_server
source=(--server "$server_url" --pki "$seat" --trust desktop-seat)
image=desk:stable
agent_start
guest_ready
grep -q 'the recipe says 42' "$serial.log" || fail "the change is not on the console"
kill -TERM "$agent_pid"
agent_ends 0

# Back: with one signature seats still start the bad version, with two the one before.
"$carrel" image rollback desk:stable --message "no sound" --sign-key carla.pem >rollback.out
grep -q '^desk:stable points at desk@1, before at desk@2' rollback.out || fail "$(cat rollback.out)"
signed_is desk:stable desk@2 || fail "one signature rolls back"
signed_by ben
agent_start
guest_ready
! grep -q 'the recipe says' "$serial.log" || fail "the rollback started the bad version"
kill -TERM "$agent_pid"
agent_ends 0

# The bad version goes, and its bytes with it.
bytes() { "$carrel" --json store stat | jq ".pack_bytes + .segment_bytes + .manifest_bytes"; }
refuses 1 "'desk@2' stays: channel 'desk:testing' points at it" "$carrel" image rm desk@2
"$carrel" --quiet image rollback desk:testing --end
"$carrel" image rm desk@2 --steps >/dev/null 2>&1
signed_by anna carla
refuses 1 'desk@2' verified desktop-seat desk@2
before=$(bytes)
"$carrel" --quiet store gc --grace 0
after=$(bytes)
[ $((before - after)) -gt $((2 << 20)) ] || fail "only $((before - after)) bytes were freed"
"$carrel" --quiet store scrub || fail "scrub found damage"
"$carrel" --quiet image verify desk@1
signed_is desk:stable desk@1 || fail "the version that is left is not signed any more"
"$carrel" --quiet image export desk@1 out.img
"$carrel" --quiet image export desk@1 --format qcow2 out.qcow2
qemu-img compare -q out.img out.qcow2
dd if=out.img bs=1M count=32 status=none | cmp - <(dd if=base.img bs=1M count=32 status=none)
for file in out base; do # free space reads as zeros now; every block in use is the same
    dd if=$file.img of=$file.fs bs=1M skip=32 conv=sparse status=none
    e2image -ra -p $file.fs $file.used 2>/dev/null
done
cmp out.used base.used || fail "the export is another file system"

[ -z "$absent" ] || skip "done in a folder, not in Ceph: $absent"
