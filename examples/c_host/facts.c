#include "facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static const int64_t MOST_SAMPLES = INT64_C(1) << 31;

/* Where metadata is looked up: handed from function to function. */
typedef struct {
    const OrtApi *api;
    OrtModelMetadata *metadata;
    OrtAllocator *allocator;
    Error *error;
} Reader;

/* A copy of one value, to be freed by the allocator; NULL, with the error told, where there is none. */
static char *look_up(const Reader *reader, const char *key) {
    char *value = NULL;
    OrtStatus *status =
        reader->api->ModelMetadataLookupCustomMetadataMap(reader->metadata, reader->allocator, key, &value);
    if (status != NULL) {
        fail(reader->error, "metadata cannot be read: %s", reader->api->GetErrorMessage(status));
        reader->api->ReleaseStatus(status);
        return NULL;
    }
    if (value == NULL)
        fail(reader->error, "not a plugin file that can be used: metadata missing: %s", key);
    return value;
}

static void give_back(const Reader *reader, char *value) {
    if (value != NULL)
        reader->allocator->Free(reader->allocator, value);
}

static bool read_count(const Reader *reader, const char *key, int64_t least, int64_t most, int64_t *count) {
    char *text = look_up(reader, key);
    if (text == NULL)
        return false;
    size_t digits = strspn(text, "0123456789");
    bool is_number = digits > 0 && digits <= 18 && text[digits] == '\0'; /* 18 digits cannot overflow */
    *count = is_number ? strtoll(text, NULL, 10) : -1;
    bool is_good = is_number && *count >= least && *count <= most;
    if (!is_good)
        fail(reader->error, "%s must be a whole number within %lld ... %lld, not '%.40s'", key, (long long)least,
             (long long)most, text);
    give_back(reader, text);
    return is_good;
}

static bool check_version(const Reader *reader) {
    int64_t version = 0;
    if (!read_count(reader, "format_version", 0, INT64_MAX, &version))
        return false;
    if (version > 1)
        return fail(reader->error, "format version %lld is newer than this host, which reads 1: update the host",
                    (long long)version);
    return version == 1 || fail(reader->error, "format_version must be 1, not %lld", (long long)version);
}

static bool check_kind(const Reader *reader) {
    char *kind = look_up(reader, "kind");
    if (kind == NULL)
        return false;
    bool streams = strcmp(kind, "stream") == 0;
    if (!streams)
        fail(reader->error, "its kind is '%.40s': this host runs streams only", kind);
    give_back(reader, kind);
    return streams;
}

/* Keys that must be there, though this host makes nothing of them. */
static bool check_presence(const Reader *reader) {
    static const char *const keys[] = {"name",       "description",     "licence",  "receptive_field_samples",
                                       "parameters", "shift_semitones", "training", "certificate",
                                       "weights_sha256"};
    for (size_t index = 0; index < sizeof keys / sizeof keys[0]; index++) {
        char *value = look_up(reader, keys[index]);
        if (value == NULL)
            return false;
        give_back(reader, value);
    }
    return true;
}

/* A structure in JSON whose first character is `opening`; give it back with `give_back`. */
static char *look_up_json(const Reader *reader, const char *key, char opening) {
    char *text = look_up(reader, key);
    if (text != NULL && (!json_is_valid(text) || *json_value(text) != opening)) {
        fail(reader->error, "%s is not the JSON %s that it must be", key, opening == '{' ? "object" : "list");
        give_back(reader, text);
        return NULL;
    }
    return text;
}

static bool is_control_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return *name >= 'a' && *name <= 'z' && name[strspn(name, letters)] == '\0';
}

static bool read_control(const char *entry, Control *control, Error *error) {
    double value = 0.0;
    const char *name = json_member(entry, "name"), *minimum = json_member(entry, "minimum");
    const char *maximum = json_member(entry, "maximum"), *value_text = json_member(entry, "default");
    if (name == NULL || minimum == NULL || maximum == NULL || value_text == NULL || json_member(entry, "unit") == NULL)
        return fail(error, "controls: each must be an object with name, unit, minimum, maximum and default");
    if (!json_text(name, control->name, sizeof control->name) || !is_control_name(control->name))
        return fail(error, "controls: %.70s is no name of a-z, 0-9 and _, up to %d long", name, LONGEST_CONTROL_NAME);
    bool are_numbers = json_number(minimum, &control->minimum) && json_number(maximum, &control->maximum) &&
                       json_number(value_text, &value);
    if (!are_numbers || value < control->minimum || value > control->maximum)
        return fail(error, "controls: %s must have minimum <= default <= maximum, all of them numbers", control->name);
    control->value = (float)value;
    return true;
}

static bool parse_controls(const char *list, Facts *facts, Error *error) {
    size_t count = 0;
    for (const char *entry = json_first(list); entry != NULL; entry = json_next(entry))
        count++;
    facts->controls = calloc(count + 1, sizeof *facts->controls); /* + 1: none is no failure */
    if (facts->controls == NULL)
        return fail(error, "out of memory");
    for (const char *entry = json_first(list); entry != NULL; entry = json_next(entry)) {
        Control *control = &facts->controls[facts->control_count];
        if (!read_control(entry, control, error))
            return false;
        for (size_t index = 0; index < facts->control_count; index++)
            if (strcmp(facts->controls[index].name, control->name) == 0)
                return fail(error, "controls: two of them are called %s", control->name);
        facts->control_count++;
    }
    return true;
}

static bool read_controls(const Reader *reader, Facts *facts) {
    char *list = look_up_json(reader, "controls", '[');
    bool is_good = list != NULL && parse_controls(json_value(list), facts, reader->error);
    give_back(reader, list);
    return is_good;
}

/* What a recipe's pre-stage does is in the graph, and a control tells it the shift; older files had it outside. */
static bool check_recipe(const Reader *reader, const Facts *facts) {
    char *recipe = look_up_json(reader, "recipe", '{');
    if (recipe == NULL)
        return false;
    const char *prestage = json_member(json_value(recipe), "prestage");
    bool is_good = prestage == NULL || *prestage == 'n' || strncmp(prestage, "\"\"", 2) == 0; /* absent, null or "" */
    for (size_t index = 0; index < facts->control_count; index++)
        is_good = is_good || strcmp(facts->controls[index].name, "semitones") == 0;
    if (!is_good)
        fail(reader->error, "made by an earlier deshift, whose vocoder was not in the file: export it again");
    give_back(reader, recipe);
    return is_good;
}

static bool read_times(const Reader *reader, Facts *facts) {
    int64_t seen = 0;
    if (!read_count(reader, "sample_rate", 1000, 768000, &facts->sample_rate) ||
        !read_count(reader, "hop_samples", 1, INT64_C(1) << 20, &facts->hop_samples) ||
        !read_count(reader, "receptive_field_samples", 1, MOST_SAMPLES, &seen) ||
        !read_count(reader, "lookahead_samples", 0, seen - 1, &facts->lookahead_samples) ||
        !read_count(reader, "latency_samples", 0, MOST_SAMPLES, &facts->latency_samples))
        return false;
    if (facts->latency_samples != facts->hop_samples + facts->lookahead_samples)
        return fail(reader->error, "latency_samples must be hop_samples + lookahead_samples, which it is not");
    return true;
}

bool facts_read(const OrtApi *api, OrtSession *session, Facts *facts, Error *error) {
    Reader reader = {api, NULL, NULL, error};
    memset(facts, 0, sizeof *facts);
    OrtStatus *status = api->SessionGetModelMetadata(session, &reader.metadata);
    if (status == NULL)
        status = api->GetAllocatorWithDefaultOptions(&reader.allocator);
    bool is_good = status == NULL || fail(error, "no metadata: %s", api->GetErrorMessage(status));
    is_good = is_good && check_version(&reader) && check_kind(&reader) && check_presence(&reader) &&
              read_times(&reader, facts) && read_controls(&reader, facts) && check_recipe(&reader, facts);
    if (status != NULL)
        api->ReleaseStatus(status);
    if (reader.metadata != NULL)
        api->ReleaseModelMetadata(reader.metadata);
    return is_good;
}

void facts_free(Facts *facts) {
    free(facts->controls);
    facts->controls = NULL;
    facts->control_count = 0;
}
