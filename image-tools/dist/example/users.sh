#!/bin/sh
# One account for everybody, without a password; the lab's policy says who may sit down.
set -e
id student >/dev/null 2>&1 || useradd --create-home --shell /bin/bash student
passwd --delete student
