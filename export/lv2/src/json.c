#define _GNU_SOURCE /* strtod_l */
#include "json.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 };

static const char *skip_spaces(const char *at) {
    return at + strspn(at, " \t\r\n");
}

/* Past a string that starts at its quote; NULL where it never ends. */
static const char *skip_string(const char *at) {
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && !*++at)
            return NULL;
    return *at ? at + 1 : NULL;
}

static const char *skip_value(const char *at, int depth);

/* Past the members of a list or an object, from behind the opening bracket. */
static const char *skip_members(const char *at, char closing, int depth) {
    at = skip_spaces(at);
    if (*at == closing)
        return at + 1;
    for (;;) {
        at = skip_spaces(at);
        if (closing == '}') {
            at = *at == '"' ? skip_string(at) : NULL;
            at = at ? skip_spaces(at) : NULL;
            if (!at || *at != ':')
                return NULL;
            at++;
        }
        at = skip_value(at, depth + 1);
        at = at ? skip_spaces(at) : NULL;
        if (!at || (*at != ',' && *at != closing))
            return NULL;
        if (*at++ == closing)
            return at;
    }
}

static const char *skip_number(const char *at) {
    size_t length = strspn(at, "+-0123456789.eE");
    return length ? at + length : NULL;
}

/* Past one value; NULL where it is none. */
static const char *skip_value(const char *at, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    if (depth > DEEPEST)
        return NULL;
    at = skip_spaces(at);
    if (*at == '{' || *at == '[')
        return skip_members(at + 1, *at == '{' ? '}' : ']', depth);
    if (*at == '"')
        return skip_string(at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strncmp(at, words[i], strlen(words[i])))
            return at + strlen(words[i]);
    return skip_number(at);
}

bool json_valid(const char *text) {
    const char *end = skip_value(text, 0);
    return end && !*skip_spaces(end);
}

const char *json_member(const char *object, const char *key) {
    const char *at = skip_spaces(object);
    size_t length = strlen(key);
    if (*at++ != '{')
        return NULL;
    for (at = skip_spaces(at); *at == '"'; at = skip_spaces(at + 1)) {
        bool found = !strncmp(at + 1, key, length) && at[1 + length] == '"';
        at = skip_spaces(skip_string(at)) + 1; /* the colon */
        if (found)
            return skip_spaces(at);
        at = skip_spaces(skip_value(at, 0));
        if (*at != ',')
            return NULL;
    }
    return NULL;
}

const char *json_first(const char *list) {
    const char *at = skip_spaces(list);
    if (*at != '[')
        return NULL;
    at = skip_spaces(at + 1);
    return *at == ']' ? NULL : at;
}

const char *json_next(const char *element) {
    const char *at = skip_spaces(skip_value(element, 0));
    return *at == ',' ? skip_spaces(at + 1) : NULL;
}

bool json_is_list(const char *value) {
    return *skip_spaces(value) == '[';
}

bool json_is_object(const char *value) {
    return *skip_spaces(value) == '{';
}

bool json_number(const char *value, double *number) {
    /* A host may run in a locale that writes 0,5. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end = NULL;
    if (!plain)
        return false;
    *number = strtod_l(value, &end, plain);
    freelocale(plain);
    return end == skip_number(value);
}

bool json_text(const char *value, char *text, size_t size) {
    const char *end = *value == '"' ? skip_string(value) : NULL;
    size_t length = end ? (size_t)(end - value) - 2 : 0;
    if (!end || length >= size || memchr(value + 1, '\\', length))
        return false;
    memcpy(text, value + 1, length);
    text[length] = '\0';
    return true;
}
