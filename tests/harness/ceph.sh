#!/bin/bash
# A real Ceph for the tests, without systemd: a monitor, a manager and OSDs on files, on loopback.
#   ceph.sh up DIR [OSDS]        make and start one in DIR (1 OSD), and the pool `carrel`; with three
#                                or more OSDs every object is kept twice, and there is an
#                                erasure-coded pool `carrel-ec`
#   ceph.sh down DIR             end its processes; the files stay
#   ceph.sh osd-stop DIR N       kill an OSD        ceph.sh osd-start DIR N      start it again
#   ceph.sh pids DIR             of all its daemons
#   ceph.sh uri DIR              for CARREL_TEST_RADOS: "POOL?SETTINGS" of a store in it
#   ceph.sh run DIR COMMAND...   up, the command with CARREL_TEST_RADOS set, down
# Clients use DIR/ceph.conf. Exit status 77 with the reason when Ceph is not installed.
set -euo pipefail
verb=$1 dir=$(realpath -m "$2")
export CEPH_CONF=$dir/ceph.conf CEPH_ARGS=

missing() { # a program of Ceph that is not there
    local program
    for program in ceph ceph-mon ceph-mgr ceph-osd ceph-authtool monmaptool; do
        command -v "$program" >/dev/null || { echo "$program"; return 0; }
    done
    return 1
}

free_port() {
    local port
    for ((;;)); do
        port=$((20000 + RANDOM % 12000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

configure() { # OSDS
    local size=1 port
    [ "$1" -lt 3 ] || size=2
    port=$(free_port)
    # The timeout of heartbeats is short: a test that kills an OSD should not wait for half a minute.
    cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = v2:127.0.0.1:$port
ms_bind_msgr1 = false
public_network = 127.0.0.0/8
public_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = $dir/keyring
run_dir = $dir/run
pid_file = $dir/run/\$name.pid
admin_socket = $dir/run/\$name.asok
log_file = $dir/log/\$name.log
osd_pool_default_size = $size
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 16
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_osd_down_out_interval = 5
[client]
admin_socket =
log_file =
[mon]
mon_data = $dir/mon
mon_compact_on_start = false
[mgr]
mgr_data = $dir/mgr
mgr_initial_modules =
[osd]
osd_data = $dir/osd\$id
osd_heartbeat_grace = 5
osd_heartbeat_interval = 1
osd_memory_target = 939524096
bluestore_cache_autotune = false
bluestore_cache_size = ${CEPH_CACHE_BYTES:-134217728}
bluestore_block_size = ${CEPH_OSD_BYTES:-21474836480}
osd_scrub_begin_hour = 0
osd_scrub_end_hour = 0
CONF
    echo "$port" >"$dir/port"
}

monitor() {
    local keyring=$dir/keyring
    ceph-authtool -C "$keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' \
        --cap mgr 'allow *' >/dev/null
    monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" \
        --addv a "[v2:127.0.0.1:$(cat "$dir/port")]" "$dir/monmap" >/dev/null
    ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$keyring"
    ceph-mon -i a
    ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' >"$dir/mgr/keyring"
    ceph-mgr -i x --keyring "$dir/mgr/keyring"
}

osd_make() { # NUMBER
    local uuid secret
    uuid=$(cat /proc/sys/kernel/random/uuid)
    secret=$(ceph-authtool --gen-print-key)
    mkdir "$dir/osd$1"
    echo "{\"cephx_secret\": \"$secret\"}" | ceph osd new "$uuid" -i - >/dev/null
    ceph-authtool -C "$dir/osd$1/keyring" --name "osd.$1" --add-key "$secret" >/dev/null
    ceph-osd -i "$1" --mkfs --osd-uuid "$uuid" --keyring "$dir/osd$1/keyring" 2>/dev/null
}

osd_start() { # NUMBER
    ceph-osd -i "$1" --keyring "$dir/osd$1/keyring" 2>/dev/null
}

osds_are_up() { # HOW MANY
    local try
    for ((try = 0; try < 600; try++)); do
        ceph osd stat -f json 2>/dev/null | grep -q "\"num_up_osds\":$1[,}]" && return 0
        read -rt 0.1 <> <(:) || true
    done
    echo "ceph.sh: not all OSDs came up; see $dir/log" >&2
    return 1
}

pools() { # OSDS
    ceph osd pool create carrel 16 >/dev/null 2>&1
    ceph osd pool application enable carrel carrel >/dev/null 2>&1
    [ "$1" -ge 3 ] || return 0
    ceph osd erasure-code-profile set two-one k=2 m=1 crush-failure-domain=osd
    ceph osd pool create carrel-ec 16 16 erasure two-one >/dev/null 2>&1
    ceph osd pool set carrel-ec min_size 2 >/dev/null 2>&1
    ceph osd pool application enable carrel-ec carrel >/dev/null 2>&1
}

stop() { # PID FILE...: end them; a daemon that is suspended too
    local file pid
    for file in "$@"; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill -KILL "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null; do read -rt 0.02 <> <(:) || true; done
        rm -f "$file"
    done
}

up() { # OSDS
    local program i
    if program=$(missing); then
        echo "Ceph is not installed: there is no '$program' (make deps)"
        exit 77
    fi
    mkdir -p "$dir"/{mon,mgr,run,log}
    configure "$1"
    monitor
    for ((i = 0; i < $1; i++)); do osd_make "$i"; osd_start "$i"; done
    osds_are_up "$1"
    pools "$1"
}

uri() { # packs go to an erasure-coded pool where there is one
    if [ -d "$dir/osd2" ]; then
        echo "carrel-ec?conf=$CEPH_CONF&meta=carrel"
    else
        echo "carrel?conf=$CEPH_CONF"
    fi
}

case $verb in
    up) up "${3:-1}" ;;
    uri) uri ;;
    run)
        shift 2
        trap 'stop "$dir"/run/*.pid' EXIT
        up 1
        CARREL_TEST_RADOS=$(uri) "$@"
        ;;
    down) stop "$dir"/run/*.pid ;;
    osd-stop) stop "$dir/run/osd.$3.pid" ;;
    osd-start) osd_start "$3" ;;
    pids) cat "$dir"/run/*.pid ;;
    *) echo "ceph.sh: unknown verb '$verb'" >&2; exit 2 ;;
esac
