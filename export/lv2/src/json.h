/* As much JSON (RFC 8259) as the metadata of a plugin file needs: find a member, walk a list, read a number or text. */
#ifndef DESHIFT_JSON_H
#define DESHIFT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `text` is one JSON value and nothing else. The functions below take only what passed this. */
bool json_valid(const char *text);

/* The value of a member of an object; NULL where there is none, or `object` is no object. */
const char *json_member(const char *object, const char *key);

/* The first element of a list, or the one after `element`; NULL at the end, or where `list` is no list. */
const char *json_first(const char *list);
const char *json_next(const char *element);

bool json_is_list(const char *value);
bool json_is_object(const char *value);

/* False where the value is no number, or no text that fits and has no escapes. */
bool json_number(const char *value, double *number);
bool json_text(const char *value, char *text, size_t size);

#endif
