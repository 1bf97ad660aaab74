#!/bin/bash
# The Makefile keeps its word: `help` names every target, `install` puts every part into its place, a
# touched header and another CFLAGS rebuild what they concern and nothing else does, and `deps` asks
# nothing of the network when all packages are there and names those that are not.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
# The test may run below a make of its own.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES VARIANT CFLAGS DESTDIR PREFIX

make -C "$root" --no-print-directory help >help
for target in deps all check demo bench lint fuzz asan install help; do
    grep -qE "^$target +[a-z]" help || fail "make help does not tell about '$target'"
done

# What is built is installed as it stands ("-o all" builds nothing).
[ "$BUILD" = "$root/build/${BUILD##*/}" ] || fail "'$BUILD' is not a folder of build/"
make -C "$root" -o all VARIANT="${BUILD##*/}" install DESTDIR="$work/dest" PREFIX=/usr >log 2>&1 ||
    fail "make install: $(tail -n 3 log)"
(cd dest && find . -type f -printf '%m %P\n' | sort -k 2) >installed
diff - installed <<'LIST' || fail "other files are installed than those named here"
755 usr/bin/carrel
755 usr/bin/carrel-agent
755 usr/bin/carrel-bench
755 usr/bin/carrel-blockd
755 usr/bin/carrel-cache
755 usr/bin/carrel-chunkd
755 usr/bin/carrel-courier
755 usr/bin/carrel-signer
755 usr/bin/carrel-sync
755 usr/bin/carrel-syncd
755 usr/lib/carrel/carrel-build-guest
755 usr/lib/carrel/carrel-guest-files
755 usr/lib/carrel/carrel-ntfs-free
644 usr/lib/carrel/nbdkit-carrel-blockd-plugin.so
644 usr/lib/carrel/nbdkit-carrel-plugin.so
644 usr/lib/systemd/system/carrel-gc.service
644 usr/lib/systemd/system/carrel-gc.timer
644 usr/lib/systemd/system/carrel-scrub.service
644 usr/lib/systemd/system/carrel-scrub.timer
644 usr/lib/systemd/system/carrel-timestamp.service
644 usr/lib/systemd/system/carrel-timestamp.timer
644 usr/lib/systemd/system/carrel-update@.service
644 usr/lib/systemd/system/carrel-update@.timer
644 usr/share/bash-completion/completions/carrel
644 usr/share/man/man1/carrel-agent.1
644 usr/share/man/man1/carrel-bench.1
644 usr/share/man/man1/carrel-cache.1
644 usr/share/man/man1/carrel-sync.1
644 usr/share/man/man1/carrel.1
644 usr/share/man/man1/nbdkit-carrel-plugin.1
644 usr/share/man/man5/carrel-recipe.5
644 usr/share/man/man8/carrel-blockd.8
644 usr/share/man/man8/carrel-chunkd.8
644 usr/share/man/man8/carrel-courier.8
644 usr/share/man/man8/carrel-signer.8
644 usr/share/man/man8/carrel-syncd.8
LIST
dest/usr/bin/carrel --version >/dev/null
bash -n dest/usr/share/bash-completion/completions/carrel

# In a copy of the tree: what is rebuilt, and when.
mkdir tree
(cd "$root" && cp -r Makefile VERSION deps.mk lib server client image-tools initramfs tests "$work/tree")
user=build/default/lib/base/num.o other=build/default/lib/base/fd.o
make_two() { # VARIABLE=VALUE...
    touch mark
    make -C tree "$@" "$user" "$other" >log 2>&1 || fail "make $*: $(tail -n 5 log)"
}
rebuilt() { # FILE...: exactly these are newer than before the last make
    diff <(printf '%s\n' "$@") <(cd tree && find build -newer ../mark -name '*.o' -o \
        -newer ../mark -name flags | sort) || fail "something else was rebuilt"
}
make_two
rebuilt build/default/flags "$other" "$user"
make_two
[ -z "$(find tree/build -newer mark -type f)" ] || fail "a second make built something"
touch tree/lib/base/num.h
make_two
rebuilt "$user"
make_two CFLAGS=-DANOTHER=1
rebuilt build/default/flags "$other" "$user"
make_two CFLAGS=-DANOTHER=1
[ -z "$(find tree/build -newer mark -type f)" ] || fail "the same flags built something"

# The packages.
mkdir fake
cat >fake/dpkg-query <<'FAKE'
#!/bin/bash
[ "${!#}" != "${MISSING:-}" ] || exit 1
echo installed
FAKE
cat >fake/apt-get <<'FAKE'
#!/bin/bash
echo "apt-get $*" >>"$ASKED"
FAKE
printf '#!/bin/bash\nexec "$@"\n' >fake/sudo
chmod +x fake/*
export ASKED=$work/asked
deps() {
    PATH=$work/fake:$PATH make -C "$root" --no-print-directory deps >out 2>&1 || fail "$(cat out)"
}
deps
[ ! -s out ] || fail "make deps with all packages there says: $(cat out)"
[ ! -e asked ] || fail "make deps with all packages there asks: $(cat asked)"
MISSING=fuse3 deps
[ "$(cat out)" = "make deps: installing fuse3" ] || fail "make deps does not name it: $(cat out)"
grep -qE '^apt-get install .* fuse3$' asked || fail "it is not installed: $(cat asked)"
