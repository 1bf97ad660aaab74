# A program of the test harness with a planted fault in the library; source it after lib.sh.
# shellcheck shell=bash disable=SC2154  # shared with lib.sh
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Build OUT from the harness' PROGRAM, with the extended sed expression SED applied to FILE of the library,
# which it must change.
mutant() { # OUT PROGRAM FILE SED
    sed -E "$4" "$source_root/$3" >"$1.c"
    ! cmp -s "$1.c" "$source_root/$3" || fail "the fault '$1' changes nothing"
    # shellcheck disable=SC2046  # several words each
    gcc -std=gnu17 -O1 -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I"$source_root" \
        -include "$source_root/lib/base/banned.h" -o "$1" "$BUILD/tests/harness/$2.o" \
        "$1.c" "$BUILD/libcarrel.a" -Wl,--as-needed \
        $(pkg-config --libs $(sed -n 's/^PKGS_LIB := //p' "$source_root/deps.mk")) \
        $(pkg-config --libs p11-kit-1 2>/dev/null) -ldl
}
