#!/bin/bash
# The machine is the one that the desktop file describes: every disk bus and both firmwares boot, the
# display is a VNC server on a unix socket, the memory and CPUs are those asked for.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image

boots() { # LINE...: a desktop of these lines comes up; leaves it running
    desktop_file "$@"
    agent_start
    guest_ready
}
ends() {
    guest_type 'poweroff -f'
    agent_ends 0
}

boots 'disk_bus = sata'
guest 'ls /sys/block/sda/device/../../../ata_port >/dev/null && [ ! -e /dev/vda ]'
ends

boots 'disk_bus = scsi' 'nic_model = e1000e'
guest '[ -e /dev/sda ] && ls -d /sys/bus/virtio/drivers/virtio_scsi/virtio*' >/dev/null
ends

boots 'disk_bus = ide'
guest '[ -e /dev/sda ] && grep -q 440FX /sys/class/dmi/id/product_name'
ends

boots 'firmware = uefi' 'display = vnc'
guest '[ -d /sys/firmware/efi ]'
guest '[ $(nproc) -eq 1 ] && awk "/MemTotal/ { exit \$2 > 262144 || \$2 < 180000 }" /proc/meminfo'
find "$cache/overlays" -name uefi-vars.fd | grep -q . || fail "the variables are not the session's"
greeting=$(python3 - "$run/vnc.sock" <<'PYTHON'
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.settimeout(10)
line.connect(sys.argv[1])
print(line.recv(4).decode())
PYTHON
)
[ "$greeting" = "RFB " ] || fail "no VNC server on the socket: '$greeting'"
ends
no_overlay
