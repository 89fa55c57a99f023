#include "lanes.h"

#include <stdlib.h>
#include <string.h>

bool lanes_open(struct lanes *lanes, size_t rows, size_t smallest_capacity) {
    lanes->rows = rows;
    lanes->capacity = 1;
    while (lanes->capacity < smallest_capacity)
        lanes->capacity *= 2;
    lanes->samples = calloc(rows * lanes->capacity, sizeof(float));
    return lanes->samples != NULL;
}

void lanes_close(struct lanes *lanes) {
    free(lanes->samples);
    lanes->samples = NULL;
}

void lanes_clear(struct lanes *lanes) {
    memset(lanes->samples, 0, lanes->rows * lanes->capacity * sizeof(float));
}

void lanes_write(struct lanes *lanes, size_t row, uint64_t position, const float *samples, size_t count) {
    float *start = lanes->samples + row * lanes->capacity;
    size_t at = (size_t)position & (lanes->capacity - 1);
    size_t first = count < lanes->capacity - at ? count : lanes->capacity - at;
    memcpy(start + at, samples, first * sizeof(float));
    memcpy(start, samples + first, (count - first) * sizeof(float));
}

void lanes_read(const struct lanes *lanes, size_t row, uint64_t position, float *samples, size_t count) {
    const float *start = lanes->samples + row * lanes->capacity;
    size_t at = (size_t)position & (lanes->capacity - 1);
    size_t first = count < lanes->capacity - at ? count : lanes->capacity - at;
    memcpy(samples, start + at, first * sizeof(float));
    memcpy(samples + first, start, (count - first) * sizeof(float));
}

void lanes_fill(struct lanes *lanes, size_t row, uint64_t position, float value, size_t count) {
    float *start = lanes->samples + row * lanes->capacity;
    for (size_t i = 0; i < count; i++)
        start[(size_t)(position + i) & (lanes->capacity - 1)] = value;
}
