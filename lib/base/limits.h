/* SPDX-License-Identifier: MIT */
/*
 * Every maximum that something from outside must respect, in one place. FORMAT.md and PROTOCOL.md
 * quote these figures; tests/unit/test_limits.c compares them.
 */
#pragma once

#define CR_KIB      1024ULL
#define CR_MIB      (1024ULL * CR_KIB)
#define CR_GIB      (1024ULL * CR_MIB)
#define CR_TIB      (1024ULL * CR_GIB)

#define CR_ID_BYTES 32U /* SHA-256 */

/* The disk, its chunks and its segments. */
#define CR_CHUNK_SHIFT     16U
#define CR_CHUNK_BYTES     (1U << CR_CHUNK_SHIFT) /* 64 KiB */
#define CR_SEGMENT_SHIFT   12U
#define CR_SEGMENT_CHUNKS  (1U << CR_SEGMENT_SHIFT) /* 4,096 chunks = 256 MiB of disk */
#define CR_DISK_BYTES_MAX  (64 * CR_TIB)
#define CR_SEGMENTS_MAX    (1U << 18) /* CR_DISK_BYTES_MAX / 256 MiB */
#define CR_OBJECT_HEADER   16U        /* bytes before the ids of a segment */
#define CR_MANIFEST_HEADER 32U        /* bytes before the ids of a manifest */

/* What a seat keeps: the map beside the file of a version, in whole pages. */
#define CR_MAP_HEADER     256U /* bytes before the bits of a slot */
#define CR_MAP_PAGE_BYTES 4096U

/* Packs: about 4 MiB each; the hard limit leaves room for the last chunk and the footer. */
#define CR_PACK_TARGET_BYTES (4 * CR_MIB)
#define CR_PACK_BYTES_MAX    (8 * CR_MIB)
#define CR_PACK_CHUNKS_MAX   16384U

/* Heads and the names in them. */
#define CR_NAME_MAX          64U
#define CR_HEAD_BYTES_MAX    (4 * CR_MIB)
#define CR_HEAD_VERSIONS_MAX 10000U
#define CR_MESSAGE_BYTES_MAX 1024U
#define CR_CHANNEL_MAX       32U
#define CR_WHO_BYTES_MAX     128U
#define CR_CHANGES_MAX       10000U
#define CR_CHANGES_KEPT      9000U /* when a list is full: the newest */
#define CR_IMAGES_MAX        100000U

/* What lies beside the versions: parts of deltas, records of builds, signed metadata. */
#define CR_SIDE_BYTES_MAX (8 * CR_MIB)

/* Deltas: chunks in a group and in the prefix of one, its 4 KiB literals, its instructions. */
#define CR_DELTA_GROUP_CHUNKS_MAX      1024U
#define CR_DELTA_PREFIX_CHUNKS_MAX     128U
#define CR_DELTA_LITERALS_MAX          1024U
#define CR_DELTA_INSTRUCTION_BYTES_MAX (256 * CR_KIB)

/* Hot lists: chunks in one (4 GiB of disk), its bytes, recorded boots that are kept of a version,
 * and parents that a version without a list of its own is looked after. */
#define CR_HOT_CHUNKS_MAX    65536U
#define CR_HOT_BYTES_MAX     (88 + 5 * CR_HOT_CHUNKS_MAX)
#define CR_HOT_BOOTS_MAX     16U
#define CR_HOT_ANCESTORS_MAX 16U

/* Signed metadata (The Update Framework): files, what is in them, and how far a root may jump. */
#define CR_TRUST_ROOT_BYTES_MAX      (512 * CR_KIB)
#define CR_TRUST_TIMESTAMP_BYTES_MAX (16 * CR_KIB)
#define CR_TRUST_SNAPSHOT_BYTES_MAX  (2 * CR_MIB)
#define CR_TRUST_TARGETS_BYTES_MAX   CR_SIDE_BYTES_MAX
#define CR_TRUST_DEPTH_MAX           32U
#define CR_TRUST_VALUES_MAX          500000U
#define CR_TRUST_KEYS_MAX            64U
#define CR_TRUST_KEY_BYTES_MAX       4096U /* the text of a public key */
#define CR_TRUST_SIGNATURES_MAX      64U
#define CR_TRUST_SIGNATURE_BYTES_MAX 1024U
#define CR_TRUST_DELEGATIONS_MAX     4096U /* roles that one file delegates to */
#define CR_TRUST_VISITS_MAX          32U   /* delegated roles that are read for one target */
#define CR_TRUST_ROLE_NAME_BYTES_MAX 200U  /* of a delegated role, as file names hold it */
#define CR_TRUST_ROTATIONS_MAX       32U   /* new roots in one refresh */
#define CR_TRUST_ROOTS_MAX           200U  /* of a repository, ever */

/* What is said to the signer, and what it answers: files of metadata. */
#define CR_NOTE_PARTS_MAX      (CR_TRUST_ROOTS_MAX + 8U)
#define CR_NOTE_NAME_BYTES_MAX 64U
#define CR_NOTE_BYTES_MAX      (32 * CR_MIB)

/* What collector and scrub remember between their runs. */
#define CR_STATE_BYTES_MAX (16 * CR_KIB)
#define CR_GENERATIONS_MAX 1000000000000ULL /* collections of a store */

/* The batch request: ids in one request, and so chunks in one answer (16 MiB of disk). */
#define CR_BATCH_IDS_MAX 256U

/* Text that configures a program. */
#define CR_URI_BYTES_MAX    4096U
#define CR_CONFIG_BYTES_MAX (1 * CR_MIB)

/* Names of pools, namespaces and clients of Ceph. */
#define CR_RADOS_NAME_MAX 128U

/* What a program that we run may print, and the connections to a source of an import. */
#define CR_TOOL_OUTPUT_BYTES_MAX  (8 * CR_MIB)
#define CR_TOOL_MESSAGE_BYTES_MAX (16 * CR_KIB)
#define CR_SOURCE_CONNECTIONS_MAX 16U

/* Partitions of a disk that are searched for free space, and what a tool may list of one. */
#define CR_PARTITIONS_MAX      256U
#define CR_FREE_LIST_BYTES_MAX (128 * CR_MIB)

/* The files of a disk, for `image diff --files`. */
#define CR_FILE_LIST_BYTES_MAX (256 * CR_MIB)
#define CR_FILE_PATH_BYTES_MAX (32 * CR_KIB)

/* The desktop file of a seat, and the machine that it may ask for. */
#define CR_DESKTOP_BYTES_MAX      (64 * CR_KIB)
#define CR_DESKTOP_LINE_BYTES_MAX 4096U
#define CR_DESKTOP_PATH_BYTES_MAX 1023U
#define CR_DESKTOP_MEMORY_MIN     (64 * CR_MIB)
#define CR_DESKTOP_MEMORY_MAX     (4 * CR_TIB)
#define CR_DESKTOP_CPUS_MAX       255U
#define CR_SOCKET_PATH_BYTES_MAX  107U /* the kernel's: sizeof(sun_path) - 1 */
#define CR_OVERLAY_KEEP_DAYS_MAX  3650U
#define CR_OVERLAY_NOTE_BYTES_MAX 4096U
#define CR_PERSON_BYTES_MAX       64U
#define CR_OVERLAYS_LAST_MAX      64U           /* that were thrown away and can be fetched */
#define CR_CONTROL_BYTES_MAX      (16 * CR_KIB) /* a request to a running agent, or its answer */

/* Policies and leases, which the server signs for seats, and what waits to be sent to it. */
#define CR_POLICY_BYTES_MAX      (64 * CR_KIB)
#define CR_POLICY_KEYS_MAX       8U
#define CR_POLICY_USB_RULES_MAX  256U
#define CR_POLICY_LEASE_DAYS_MAX 366U
#define CR_LEASE_CLOCK_SLACK_S   300
#define CR_SPOOL_ENTRY_BYTES_MAX (64 * CR_KIB)
#define CR_SPOOL_ENTRIES_MAX     100000U

/* Recipes of images, what their steps may use and say, and the record of a build. */
#define CR_RECIPE_BYTES_MAX           (64 * CR_KIB)
#define CR_RECIPE_LINE_BYTES_MAX      4096U
#define CR_RECIPE_PATH_BYTES_MAX      1023U
#define CR_RECIPE_STEPS_MAX           200U
#define CR_RECIPE_MEMORY_MIN          (512 * CR_MIB)
#define CR_RECIPE_MEMORY_MAX          (64 * CR_GIB)
#define CR_RECIPE_TIMEOUT_MINUTES     120U /* for one step, where the recipe does not say */
#define CR_RECIPE_TIMEOUT_MINUTES_MAX 10080U
#define CR_RECIPE_FILES_MAX           4096U          /* in the package folder */
#define CR_STEP_LOG_BYTES_MAX         (256 * CR_KIB) /* kept of what one step said */
#define CR_BUILD_PACKET_BYTES_MAX     (128 * CR_KIB) /* one request to carrel-build-guest */
#define CR_RECORD_PLAIN_BYTES_MAX     (64 * CR_MIB)
#define CR_RECORD_ENTRIES_MAX         5000U
#define CR_STEPS_KEPT_MAX             64U /* versions of an image's cache of steps */

/* Servers: their names and certificates, and what they say (PROTOCOL.md). */
#define CR_HOST_BYTES_MAX       253U
#define CR_CERT_NAMES_MAX       64U
#define CR_PEM_BYTES_MAX        (1 * CR_MIB)
#define CR_HTTP_HEAD_BYTES_MAX  (8 * CR_KIB) /* request line and headers */
#define CR_HTTP_HEADERS_MAX     64U
#define CR_HTTP_SENTENCE_MAX    512U /* the body of a refusal */
#define CR_IMAGE_LIST_BYTES_MAX (2 + CR_IMAGES_MAX * (CR_NAME_MAX + 3ULL))
#define CR_SERVERS_MAX          8U /* that one client knows */
#define CR_HTTP_CONNECTIONS_MAX 100000U
#define CR_HTTP_THREADS_MAX     256U

/* Recorded boots, and the storm that replays them for many seats. */
#define CR_TRACE_BYTES_MAX      (64 * CR_MIB)
#define CR_TRACE_READS_MAX      1000000U
#define CR_TRACE_READ_BYTES_MAX (64 * CR_MIB) /* of the disk, in one read */
#define CR_STORM_SEATS_MAX      2000U
#define CR_METRICS_BYTES_MAX    (1 * CR_MIB) /* what a server says of itself */

/* Seats that help each other: what the tracker names and keeps, and what a ticket holds. */
#define CR_PEERS_MAX           3U     /* named to one seat at a time */
#define CR_PEER_IDS_MAX        32U    /* chunks in one request to a peer */
#define CR_TRACKER_SEATS_MAX   65536U /* announcements that are kept */
#define CR_TRACKER_SHARE_MAX   64U    /* of them, by one seat */
#define CR_PEER_TICKET_BYTES   176U
#define CR_PEER_ANNOUNCE_BYTES 160U
#define CR_PEER_ANSWER_MAX     (64U + CR_PEERS_MAX * 240U)
#define CR_PEER_REPORT_BYTES   80U

/* carrel-syncd: clients that send at the same time, a thread each. */
#define CR_SYNC_CONNECTIONS_MAX 4096U
