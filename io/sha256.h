/* SHA-256 (FIPS 180-4), for the fingerprints of data files in logs and models. */
#ifndef WENGERT_IO_SHA256_H
#define WENGERT_IO_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct wg__sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
} wg__sha256;

void wg__sha256_init(wg__sha256 *hash);
void wg__sha256_add(wg__sha256 *hash, const void *bytes, size_t size);
/* Ends the message and writes 64 hex digits and a NUL; *hash must be initialised anew after. */
void wg__sha256_hex(wg__sha256 *hash, char hex[65]);

#endif
