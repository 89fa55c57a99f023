/* Rows of samples, one for each channel, addressed by their position in the stream; old ones make room for new ones. */
#ifndef DESHIFT_LANES_H
#define DESHIFT_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lanes {
    float *samples; /* [rows][capacity] */
    size_t rows, capacity; /* the capacity is a power of two */
};

/* All zero; false where there is no memory. */
bool lanes_open(struct lanes *lanes, size_t rows, size_t smallest_capacity);
void lanes_close(struct lanes *lanes);
void lanes_clear(struct lanes *lanes);

/* Copy `count` samples, at most the capacity, to or from `position` and what follows. */
void lanes_write(struct lanes *lanes, size_t row, uint64_t position, const float *samples, size_t count);
void lanes_read(const struct lanes *lanes, size_t row, uint64_t position, float *samples, size_t count);

/* `count` times the same value. */
void lanes_fill(struct lanes *lanes, size_t row, uint64_t position, float value, size_t count);

#endif
