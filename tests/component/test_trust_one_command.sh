#!/bin/bash
# One command signs a store for one person; from then on a version counts when it is signed, what is
# published says that it waits, and --sign-key signs at once. Nothing of it goes into a store twice.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
store_small
refuses 1 'has no signed metadata; `carrel trust init` makes it' "$carrel" trust show
version_add 2 2>err
[ ! -s err ] || fail "a store without signed metadata asks for a signature: $(cat err)"

"$carrel" --quiet trust init --keys keys
for name in 1.root.json 1.targets.json 1.snapshot.json timestamp.json; do
    [ -s "$store/trust/$name" ] || fail "no $name"
done
[ "$(ls "$store/trust" | wc -l)" = 4 ] || fail "more than four files: $(ls "$store/trust")"
[ "$(stat -c %a keys/root.pem keys/targets.pem keys/signer/*.pem | sort -u)" = 600 ] || fail "modes"
refuses 1 'has signed metadata already' "$carrel" trust init --keys other

"$carrel" --quiet trust seat desk
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "disk is $(verified desk disk)"
[ "$(verified desk disk@1)" = "disk@1 $(root_of 1)" ] || fail "disk@1"
refuses 1 "'desk'|root" "$carrel" trust seat desk

# Published and not signed: seats do not see it, and the command says what to do.
dd if=/dev/urandom of=disk-3.raw bs=64K count=4 status=none
"$carrel" image import disk disk-3.raw --format raw --no-trim >out 2>err
grep -q 'waits for a signature, seats do not see it before: carrel trust sign --key KEY' err ||
    fail "import says nothing: $(cat err)"
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "an unsigned version is believed"
refuses 1 "'disk@3' is not among the signed versions" "$carrel" trust verify desk disk@3
"$carrel" trust show | grep -q "+ disk@3 $(root_of 3)" || fail "show does not list what waits"

# A name signs only that version.
dd if=/dev/urandom of=disk-4.raw bs=64K count=4 status=none
"$carrel" --quiet image import disk disk-4.raw --format raw --no-trim >/dev/null
export CARREL_SIGNER=keys/signer
"$carrel" trust sign --key keys/targets.pem disk@3 >out
grep -q "^+ disk@3 $(root_of 3)\$" out || fail "sign does not list disk@3: $(cat out)"
! grep -q 'disk@4' out || fail "sign takes more than it was told"
[ "$(verified desk disk)" = "disk@3 $(root_of 3)" ] || fail "disk@3 is signed and not seen"

# At once, for channels, removals and new versions; by an option or the environment.
"$carrel" --quiet image promote disk@1 stable --sign-key keys/targets.pem
[ "$(verified desk disk:stable)" = "disk@1 $(root_of 1)" ] || fail "stable"
CARREL_TARGETS_KEY=keys/targets.pem "$carrel" --quiet image rm disk@2
refuses 1 "'disk@2' is not among" "$carrel" trust verify desk disk@2
"$carrel" --quiet image rollback disk:stable --end --sign-key keys/targets.pem
refuses 1 "stable" "$carrel" trust verify desk disk:stable
dd if=/dev/urandom of=disk-5.raw bs=64K count=4 status=none
"$carrel" --json image import disk disk-5.raw --format raw --no-trim --sign-key keys/targets.pem |
    jq -e '.version == 5' >/dev/null || fail "--json with a signature is not one object"
[ "$(verified desk disk)" = "disk@5 $(root_of 5)" ] || fail "disk@5"

# A key of another role, or of nobody, signs nothing.
keys_make stranger
refuses 1 'may sign neither root nor targets' "$carrel" trust sign --key stranger.pem
refuses 1 'the change is stored and waits for a signature: .*may sign neither' \
    "$carrel" --quiet image promote disk@1 stable --sign-key stranger.pem
"$carrel" trust sign --key keys/targets.pem | grep -q '> disk:stable = disk@1' || fail "not caught up"
"$carrel" trust sign --key keys/targets.pem | grep -q '^nothing waits' || fail "something waits"

# A store in which a signed version was exchanged is not signed again.
cp "$store/heads/disk" head.good
head_forge "$(root_of 5)" "$(root_of 1)"
refuses 1 "'disk@5' in the store is not the one that was signed" \
    "$carrel" trust sign --key keys/targets.pem --renew
cp head.good "$store/heads/disk"
"$carrel" --quiet trust sign --key keys/targets.pem --renew
[ "$(verified desk disk)" = "disk@5 $(root_of 5)" ] || fail "after --renew"
