#!/bin/bash
# The serial driver of the demo: logs in, gives back what commands say, and a step that does not
# come true ends it in time with a sentence and the guest's last lines.
set -euo pipefail
cd "$(dirname "$0")/../.."
serial=tests/harness/serial.py
dir=$(mktemp -d)
guest_pid=
trap 'if [ -n "$guest_pid" ]; then kill "$guest_pid" 2>/dev/null || true; fi; rm -rf "$dir"' EXIT

# A guest: asks for a name and a password, then is the shell that it is told to be, on a terminal.
cat >"$dir/guest.py" <<'EOG'
import os, pty, socket, sys, threading
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(1)
line, _ = server.accept()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", r'''
        printf '\033[2J\r\ntester login: '; read -r name
        stty -echo; printf 'Password: '; read -r password; stty echo; echo
        if [ "$name/$password" != root/demo ]; then echo; echo 'Login incorrect'; exit; fi
        printf '\033[?2004hroot@tester:~# '; read -r command; printf '\033[?2004l\r'
        eval "$command"'''])
def type_in():
    while data := line.recv(4096):
        os.write(terminal, data)
threading.Thread(target=type_in, daemon=True).start()
try:
    while data := os.read(terminal, 4096):
        line.sendall(data)
except OSError:
    pass
EOG
guest() {
    if [ -n "$guest_pid" ]; then
        kill "$guest_pid" 2>/dev/null || true
        wait "$guest_pid" 2>/dev/null || true
    fi
    rm -f "$dir/socket"
    python3 "$dir/guest.py" "$dir/socket" &
    guest_pid=$!
}
refused() { # STEP...: must fail; its words are in $dir/words
    if python3 "$serial" "$dir/socket" "$dir/log" "$@" >"$dir/words" 2>&1; then
        echo "succeeded, which it should not: $*"
        exit 1
    fi
}
says() { grep -q "$1" "$dir/words" || { echo "does not say '$1':"; cat "$dir/words"; exit 1; }; }

guest
python3 "$serial" "$dir/socket" "$dir/log" login root demo 20 prompt-after "$(date +%s.%N)" \
    "$dir/seconds" run 'echo one; echo two' 20 run 'true' 20 send 'exit' eof 20 >"$dir/words"
[ "$(cat "$dir/words")" = $'one\ntwo' ] || { cat "$dir/words"; exit 1; }
grep -qE '^-?[0-9]+\.[0-9]$' "$dir/seconds"
grep -q 'tester login:' "$dir/log"

guest
refused login root wrong 20
says "serial: login: the guest refused the login of 'root'"

guest
refused login root demo 20 run 'echo no such thing; exit_with() { return 3; }; exit_with' 20
says "run: .* ended with status 3 and said: no such thing"

guest
refused login root demo 20 run 'sleep 30' 0.3
says "run: waited for .*: not within 0.3 s"

guest
refused login root demo 20 send 'echo last words; exit' expect 'never said' 20
says "expect: waited for 'never said': the guest hung up"
says "| last words"

rm -f "$dir/socket"
refused connect 0.2 expect x 1
says "cannot connect to '$dir/socket' within 0.2 s"
