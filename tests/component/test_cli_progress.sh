#!/bin/bash
# A long job shows a bar with rate and time left on a terminal, plain lines when there is none, nothing
# with --quiet or --json; a quick job shows nothing at all.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 1M /dev/urandom >small.raw
head -c 300M /dev/urandom >large.raw
truncate -s 400M large.raw

# Run carrel with its standard error on a terminal; what came there goes to the file `terminal`.
cat >on_terminal.py <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while True:
    try:
        block = os.read(fd, 65536)
    except OSError:
        break
    if not block:
        break
    seen += block
open("terminal", "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
python3 on_terminal.py "$carrel" image import large large.raw --format raw --threads 1
tr '\r' '\n' <terminal >lines
grep -qE "importing 'large' \[#*\.*\] +[0-9]+ %  [0-9.]+ [KMG]?i?B of 300 MiB  [0-9.]+ [KMG]?i?B/s  ([0-9:]+ left|time left unknown)" lines ||
    fail "no bar: $(head -c 300 lines)"
grep -q '^large@1 ' out

# Stopped for longer than the time between two lines, an import has one to say when it goes on.
packs_exist() { # store
    [ -n "$(ls "$1/packs")" ]
}
pids=()
for option in '' --quiet --json; do
    name=${option#--}
    name=${name:-plain}
    "$carrel" store init "$name" --quiet
    start "$carrel" --store "$name" image import again large.raw --format raw --threads 1 \
        ${option:+"$option"} >"$name.out" 2>"$name.err"
    pids+=("$started")
    wait_until packs_exist "$name"
    kill -STOP "$started"
done
for ((i = 0; i < 12; i++)); do read -rt 0.5 <> <(:) || true; done
kill -CONT "${pids[@]}"
wait "${pids[@]}"
grep -qE "^importing 'again': +[0-9]+ %  .* of 300 MiB" plain.err || fail "no plain line: $(cat plain.err)"
grep -q $'\r' plain.err && fail "a bar went to what is no terminal"
for name in quiet json; do
    [ ! -s "$name.err" ] || fail "with --$name it said: $(cat "$name.err")"
done
python3 on_terminal.py "$carrel" image import small small.raw --format raw
[ ! -s terminal ] || fail "a quick job drew a bar: $(cat terminal)"
