/* SHA-256, FIPS 180-4. */
#ifndef DESHIFT_SHA256_H
#define DESHIFT_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t length_bytes;
    uint8_t block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const uint8_t *bytes, size_t count);

/* The digest as 64 hexadecimal digits and a closing zero. */
void sha256_finish(struct sha256 *hash, char digits[65]);

#endif
