#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 100 };

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

static const char *skip_word(const char *at, const char *word) {
    size_t length = strlen(word);
    return strncmp(at, word, length) == 0 ? at + length : NULL;
}

static const char *skip_escape(const char *at) {
    if (*at != '\0' && strchr("\"\\/bfnrt", *at) != NULL)
        return at + 1;
    if (*at != 'u')
        return NULL;
    return strspn(at + 1, "0123456789abcdefABCDEF") >= 4 ? at + 5 : NULL;
}

static const char *skip_text(const char *at) {
    if (*at != '"')
        return NULL;
    at++;
    while (at != NULL && *at != '"') {
        if ((unsigned char)*at < 0x20) /* the end of the text, too */
            return NULL;
        at = *at == '\\' ? skip_escape(at + 1) : at + 1;
    }
    return at == NULL ? NULL : at + 1;
}

static const char *skip_digits(const char *at) {
    size_t count = strspn(at, "0123456789");
    return count > 0 ? at + count : NULL;
}

static const char *skip_number(const char *at) {
    at += *at == '-';
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (at != NULL && *at == '.')
        at = skip_digits(at + 1);
    if (at != NULL && (*at == 'e' || *at == 'E')) {
        at++;
        at = skip_digits(at + (*at == '+' || *at == '-'));
    }
    return at;
}

static const char *skip_value(const char *at, int depth);

static const char *skip_key(const char *at) {
    at = skip_text(at);
    if (at == NULL)
        return NULL;
    at = skip_space(at);
    return *at == ':' ? skip_space(at + 1) : NULL;
}

static const char *skip_entries(const char *at, char closing, int depth) {
    at = skip_space(at + 1);
    if (*at == closing)
        return at + 1;
    for (;;) {
        if (closing == '}')
            at = skip_key(at);
        if (at != NULL)
            at = skip_value(at, depth + 1);
        if (at == NULL)
            return NULL;
        at = skip_space(at);
        if (*at == closing)
            return at + 1;
        if (*at != ',')
            return NULL;
        at = skip_space(at + 1);
    }
}

/* Behind the value that starts at `at`, or NULL where there is none. */
static const char *skip_value(const char *at, int depth) {
    if (depth > DEEPEST)
        return NULL;
    switch (*at) {
    case '{':
        return skip_entries(at, '}', depth);
    case '[':
        return skip_entries(at, ']', depth);
    case '"':
        return skip_text(at);
    case 't':
        return skip_word(at, "true");
    case 'f':
        return skip_word(at, "false");
    case 'n':
        return skip_word(at, "null");
    default:
        return skip_number(at);
    }
}

bool json_is_valid(const char *text) {
    const char *end = skip_value(skip_space(text), 0);
    return end != NULL && *skip_space(end) == '\0';
}

const char *json_value(const char *text) { return skip_space(text); }

const char *json_member(const char *object, const char *key) {
    const char *found = NULL;
    char name[128];
    if (*object != '{')
        return NULL;
    for (const char *at = skip_space(object + 1); *at == '"';) {
        bool is_it = json_text(at, name, sizeof name) && strcmp(name, key) == 0;
        at = skip_key(at);
        if (is_it)
            found = at;
        at = skip_space(skip_value(at, 0));
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return found;
}

const char *json_first(const char *array) {
    const char *at = *array == '[' ? skip_space(array + 1) : NULL;
    return at != NULL && *at != ']' ? at : NULL;
}

const char *json_next(const char *entry) {
    const char *at = skip_space(skip_value(entry, 0));
    return *at == ',' ? skip_space(at + 1) : NULL;
}

bool json_text(const char *value, char *copy, size_t size) {
    if (*value != '"')
        return false;
    size_t length = strcspn(value + 1, "\"\\");
    if (value[1 + length] == '\\' || length >= size)
        return false;
    memcpy(copy, value + 1, length);
    copy[length] = '\0';
    return true;
}

bool json_number(const char *value, double *number) {
    if (*value != '-' && (*value < '0' || *value > '9'))
        return false;
    *number = strtod(value, NULL);
    return isfinite(*number);
}
