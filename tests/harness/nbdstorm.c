/* SPDX-License-Identifier: MIT */
/*
 * nbdstorm URI FILE SECONDS: random reads of 4 KiB by four readers, each compared with FILE. Prints
 * a line for each read, and last "pause MS", the longest time that none of them got on. Fails at
 * the first read that does.
 */
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/patience.h"

#include <libnbd.h>
#include <pthread.h>
#include <string.h>

#define READERS    4
#define READ_BYTES 4096

static struct {
    const char *uri;
    uint8_t *raw;
    size_t blocks;
    uint64_t end_ms;
    pthread_mutex_t mutex; /* over what follows */
    uint64_t last_ms, pause_ms;
} storm = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void die(const char *what)
{
    fprintf(stderr, "nbdstorm: %s\n", what);
    exit(1);
}

static void note(uint64_t block)
{
    pthread_mutex_lock(&storm.mutex);
    uint64_t now_ms = cr_clock_ms();
    if (now_ms - storm.last_ms > storm.pause_ms)
        storm.pause_ms = now_ms - storm.last_ms;
    storm.last_ms = now_ms;
    printf("%llu\n", (unsigned long long)block);
    fflush(stdout);
    pthread_mutex_unlock(&storm.mutex);
}

static void *reader(void *argument)
{
    uint64_t x = (uintptr_t)argument * 0x9e3779b97f4a7c15ULL + 1;
    uint8_t bytes[READ_BYTES];
    struct nbd_handle *nbd = nbd_create();
    if (nbd == NULL || nbd_connect_uri(nbd, storm.uri) < 0)
        die(nbd_get_error());
    while (cr_clock_ms() < storm.end_ms) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint64_t block = x % storm.blocks;
        if (nbd_pread(nbd, bytes, sizeof(bytes), block * READ_BYTES, 0) < 0)
            die(nbd_get_error());
        if (memcmp(bytes, storm.raw + block * READ_BYTES, sizeof(bytes)) != 0)
            die("wrong bytes");
        note(block);
    }
    nbd_close(nbd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[READERS];
    uint64_t seconds = 0;
    if (argc != 4 || cr_u64_parse(argv[3], 3600, &seconds) < 0)
        die("usage: nbdstorm URI FILE SECONDS");
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL || fseeko(file, 0, SEEK_END) < 0)
        die("the file cannot be read");
    size_t size = (size_t)ftello(file);
    storm.raw = malloc(size);
    storm.blocks = size / READ_BYTES;
    rewind(file);
    if (storm.raw == NULL || storm.blocks == 0 || fread(storm.raw, 1, size, file) != size)
        die("the file cannot be read");
    fclose(file);
    storm.uri = argv[1];
    storm.last_ms = cr_clock_ms();
    storm.end_ms = storm.last_ms + seconds * 1000;
    for (uintptr_t i = 0; i < READERS; i++)
        if (pthread_create(&threads[i], NULL, reader, (void *)(i + 1)) != 0)
            die("no thread");
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    printf("pause %llu\n", (unsigned long long)storm.pause_ms);
    free(storm.raw);
    return 0;
}
