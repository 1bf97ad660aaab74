#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Talk to a guest over its serial line, a unix socket, the way a person at a terminal would.

  serial.py SOCKET LOG STEP...

Connects (waiting for the socket to appear), then does the steps in order; every byte the guest
says is appended to LOG. Exit status 0 when all steps came true; otherwise 1 with one sentence
that names the step, and the last lines that the guest said. The steps:

  connect SECONDS              how long the socket may take to appear (first step; default 30)
  expect PATTERN SECONDS       wait until the guest says PATTERN (a regular expression)
  send TEXT                    type TEXT and Enter
  login USER PASSWORD SECONDS  wait for the login prompt, log in, start a plain shell
  run COMMAND SECONDS          in that shell: print what COMMAND says, fail when it fails
  eof SECONDS                  wait until the other side hangs up
  prompt-after START FILE      write to FILE the seconds from START (as `date +%s.%N` gives it)
                               to the latest login prompt
"""

import codecs
import re
import select
import socket
import sys
import time

KEPT_BYTES = 1 << 20  # of what the guest said and nobody asked for yet
SHOWN_LINES = 15
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Failed(Exception):
    pass


class Line:
    def __init__(self, path, log_path):
        self.path = path
        self.log = open(log_path, "ab", buffering=0)
        self.socket = None
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.unread = ""  # what came after the last match
        self.said = ""  # the end of all that came, for the message of a failure
        self.closed = False
        self.commands = 0
        self.prompt_at = None

    def connect(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.socket.connect(self.path)
                return
            except OSError as error:
                self.socket.close()
                if time.monotonic() >= deadline:
                    raise Failed(f"cannot connect to '{self.path}' within {seconds:g} s: "
                                 f"{error.strerror}") from error
                time.sleep(0.05)

    def receive(self, deadline):
        """Take what the guest says next; False when the deadline passed or it hung up."""
        ready, _, _ = select.select([self.socket], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self.log.write(data)
        text = self.decoder.decode(data).replace("\r", "")
        # On the whole, as an escape sequence may come in two pieces.
        self.unread = ESCAPE.sub("", self.unread + text)[-KEPT_BYTES:]
        self.said = ESCAPE.sub("", self.said + text)[-KEPT_BYTES:]
        return True

    def expect(self, pattern, seconds):
        """Return what was said up to the match, and the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.unread, re.MULTILINE)
            if match:
                before, self.unread = self.unread[:match.start()], self.unread[match.end():]
                return before, match
            if not self.receive(deadline):
                why = "the guest hung up" if self.closed else f"not within {seconds:g} s"
                raise Failed(f"waited for '{pattern}': {why}")

    def send(self, text):
        try:
            self.socket.sendall(text.encode() + b"\r")
        except OSError as error:
            raise Failed(f"cannot type '{text}': {error.strerror}") from error

    def login(self, user, password, seconds):
        # A prompt that was shown before this side connected is asked for again by an Enter.
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                self.expect(r"login: ?$", min(20, left))
                break
            except Failed:
                if self.closed or left <= 20:
                    raise
                self.send("")
        self.prompt_at = time.time()
        self.send(user)
        self.expect(r"^Password: ?$", 60)
        self.send(password)
        _, match = self.expect(r"^Login incorrect|[#$] $", 120)
        if match.group().startswith("Login"):
            raise Failed(f"the guest refused the login of '{user}'")
        # No echo, no prompt, no line editor: what comes back is what commands say.
        # Nothing more is typed before that shell reads, as the old one throws away what it got.
        self.send("stty -echo; "
                  "exec env TERM=dumb PS1= PS2= sh -c 'echo plain-$((6 * 7)); exec sh'")
        self.expect(r"^plain-42\n", 60)

    def run(self, command, seconds):
        self.commands += 1
        mark = f"status-of-{self.commands}"
        # Split in two, so that an echo of the typed line is not taken for the answer.
        self.send(f"{command}\necho 'status-''of-{self.commands}' $?".replace("\n", "\r"))
        output, match = self.expect(rf"^{mark} (\d+)\n", seconds)
        if match.group(1) != "0":
            raise Failed(f"'{command}' ended with status {match.group(1)} and said: {output.strip()}")
        return output.strip("\n")

    def eof(self, seconds):
        deadline = time.monotonic() + seconds
        while self.receive(deadline):
            self.unread = ""
        if not self.closed:
            raise Failed(f"the guest did not hang up within {seconds:g} s")


def step_run(line, command, seconds):
    output = line.run(command, float(seconds))
    if output:
        print(output, flush=True)


def step_prompt_after(line, start, path):
    if line.prompt_at is None:
        raise Failed("no login prompt was seen yet")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{line.prompt_at - float(start):.1f}\n")


# name: (number of arguments, what to do)
STEPS = {
    "expect": (2, lambda line, pattern, seconds: line.expect(pattern, float(seconds))),
    "send": (1, lambda line, text: line.send(text)),
    "login": (3, lambda line, user, password, s: line.login(user, password, float(s))),
    "run": (2, step_run),
    "eof": (1, lambda line, seconds: line.eof(float(seconds))),
    "prompt-after": (2, step_prompt_after),
}


def parse(words):
    """The steps as (name, arguments), or an error message."""
    steps = []
    while words:
        name = words.pop(0)
        if name not in STEPS:
            return None, f"no step is called '{name}'"
        count = STEPS[name][0]
        if len(words) < count:
            return None, f"the step '{name}' takes {count} arguments"
        steps.append((name, words[:count]))
        del words[:count]
    return steps, None


def main(arguments):
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    path, log_path, *words = arguments
    patience = 30.0
    if words[0] == "connect" and len(words) > 1:
        patience = float(words[1])
        del words[:2]
    steps, wrong = parse(words)
    if wrong:
        print(f"serial: {wrong}", file=sys.stderr)
        return 2
    line = Line(path, log_path)
    where = "connect"
    try:
        line.connect(patience)
        for name, values in steps:
            where = name
            STEPS[name][1](line, *values)
    except Failed as error:
        print(f"serial: {where}: {error}", file=sys.stderr)
        for text in line.said.splitlines()[-SHOWN_LINES:]:
            print(f"    | {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
