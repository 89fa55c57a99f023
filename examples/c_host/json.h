/* As much JSON (RFC 8259) as a plugin file's metadata needs: one check of the whole text, then a walk through it.
 *
 * A value is a pointer to its first character. All functions but `json_is_valid` need a text that passed that check. */
#ifndef DESHIFT_JSON_H
#define DESHIFT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is one JSON value, not nested deeper than 100, and nothing else. */
bool json_is_valid(const char *text);

/* The first character of the value in `text`: '{', '[', '"', a digit or '-', or the first letter of a word. */
const char *json_value(const char *text);

/* The value of `key` in an object, or NULL. Of a key that stands there twice it is the last one. */
const char *json_member(const char *object, const char *key);

/* The first entry of an array, and the one behind `entry`; NULL when there is none. */
const char *json_first(const char *array);
const char *json_next(const char *entry);

/* Copy a text that has no escapes. False where it is no text, has one, or does not fit. */
bool json_text(const char *value, char *copy, size_t size);

/* Read a number. False where it is none, or too large for a double. */
bool json_number(const char *value, double *number);

#endif
