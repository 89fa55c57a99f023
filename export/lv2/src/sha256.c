#include "sha256.h"

#include <stdio.h>
#include <string.h>

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, unsigned bits) {
    return (word >> bits) | (word << (32 - bits));
}

static void make_schedule(const uint8_t *block, uint32_t schedule[64]) {
    for (size_t t = 0; t < 16; t++, block += 4)
        schedule[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (size_t t = 16; t < 64; t++) {
        uint32_t early = schedule[t - 15], late = schedule[t - 2];
        uint32_t first = rotate(early, 7) ^ rotate(early, 18) ^ (early >> 3);
        uint32_t second = rotate(late, 17) ^ rotate(late, 19) ^ (late >> 10);
        schedule[t] = schedule[t - 16] + first + schedule[t - 7] + second;
    }
}

static void take_block(struct sha256 *hash, const uint8_t *block) {
    uint32_t schedule[64], v[8]; /* v: a … h of the standard */
    make_schedule(block, schedule);
    memcpy(v, hash->state, sizeof v);
    for (size_t t = 0; t < 64; t++) {
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t first = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + choice + round_constants[t] +
                         schedule[t];
        uint32_t second = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + majority;
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += first;
        v[0] = first + second;
    }
    for (size_t i = 0; i < 8; i++)
        hash->state[i] += v[i];
}

void sha256_start(struct sha256 *hash) {
    /* FIPS 180-4, 5.3.3: the fractional parts of the square roots of the first eight primes. */
    static const uint32_t first_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, first_state, sizeof first_state);
    hash->length_bytes = 0;
}

void sha256_add(struct sha256 *hash, const uint8_t *bytes, size_t count) {
    size_t held = hash->length_bytes % 64;
    hash->length_bytes += count;
    while (count) {
        size_t part = count < 64 - held ? count : 64 - held;
        if (part == 64) {
            take_block(hash, bytes);
        } else {
            memcpy(hash->block + held, bytes, part);
            if (held + part == 64)
                take_block(hash, hash->block);
        }
        bytes += part;
        count -= part;
        held = (held + part) % 64;
    }
}

void sha256_finish(struct sha256 *hash, char digits[65]) {
    static const uint8_t padding[64] = {0x80};
    uint64_t length_bits = 8 * hash->length_bytes;
    uint8_t length[8];
    for (size_t i = 0; i < 8; i++)
        length[i] = (uint8_t)(length_bits >> (56 - 8 * i));
    sha256_add(hash, padding, 1 + (119 - hash->length_bytes % 64) % 64);
    sha256_add(hash, length, sizeof length);
    for (size_t i = 0; i < 8; i++)
        snprintf(digits + 8 * i, 9, "%08x", (unsigned)hash->state[i]);
}
