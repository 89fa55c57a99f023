#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { KNOWN_FORMAT_VERSION = 1, LARGEST_HOP = 1 << 20, LARGEST_LOOKAHEAD = 1 << 24 };

/* A metadata text that must be there; NULL, with a reason, where it is not. To be freed. */
static char *needed(const struct onnx_file *file, const char *key, struct failure *why) {
    char *text = onnx_file_metadata(file, key);
    if (!text)
        fail(why, "metadata missing: %s; this is no deshift plugin file", key);
    return text;
}

static bool read_count(const struct onnx_file *file, const char *key, size_t low, size_t high, size_t *count,
                       struct failure *why) {
    char *text = needed(file, key, why);
    if (!text)
        return false;
    bool good = *text && strlen(text) <= 18 && strspn(text, "0123456789") == strlen(text);
    *count = good ? (size_t)strtoull(text, NULL, 10) : 0;
    if (!good || *count < low || *count > high)
        good = fail(why, "%s must be a whole number within %zu … %zu, not %.40s", key, low, high, text);
    free(text);
    return good;
}

static bool is_text(const struct onnx_file *file, const char *key, const char *wanted, const char *otherwise,
                    struct failure *why) {
    char *text = needed(file, key, why);
    if (!text)
        return false;
    bool same = !strcmp(text, wanted) || fail(why, "%s", otherwise);
    free(text);
    return same;
}

static bool check_version(const struct onnx_file *file, struct failure *why) {
    size_t version;
    if (!read_count(file, "format_version", 1, (size_t)1 << 31, &version, why))
        return false;
    return version == KNOWN_FORMAT_VERSION ||
           fail(why, "made by a newer deshift (format %zu, this one reads %d): export the LV2 bundle with that one",
                version, KNOWN_FORMAT_VERSION);
}

static bool read_control(struct control *control, const char *entry, struct failure *why) {
    double minimum, maximum, initial;
    const char *values[4] = {NULL};
    static const char *const keys[4] = {"name", "minimum", "maximum", "default"};
    if (!json_is_object(entry))
        return fail(why, "controls: each must be a JSON object");
    for (size_t i = 0; i < 4; i++)
        if (!(values[i] = json_member(entry, keys[i])))
            return fail(why, "controls: one has no %s", keys[i]);
    if (!json_text(values[0], control->name, sizeof control->name) || !json_number(values[1], &minimum) ||
        !json_number(values[2], &maximum) || !json_number(values[3], &initial))
        return fail(why, "controls: a name or a number of one cannot be read");
    if (!(minimum <= initial && initial <= maximum))
        return fail(why, "controls: %s must have minimum ≤ default ≤ maximum", control->name);
    control->minimum = (float)minimum;
    control->maximum = (float)maximum;
    control->initial = (float)initial;
    return true;
}

static bool read_controls(struct facts *facts, const struct onnx_file *file, struct failure *why) {
    char *text = needed(file, "controls", why);
    if (!text)
        return false;
    bool good = (json_valid(text) && json_is_list(text)) || fail(why, "controls is no JSON list");
    const char *entry = good ? json_first(text) : NULL;
    for (; good && entry; entry = json_next(entry)) {
        if (facts->control_count == MAX_CONTROLS)
            good = fail(why, "controls: more than %d", MAX_CONTROLS);
        else
            good = read_control(&facts->controls[facts->control_count++], entry, why);
    }
    free(text);
    return good;
}

/* What a recipe's pre-stage does is in the graph, and a control tells it the shift; older files had it outside. */
static bool check_recipe(const struct facts *facts, const struct onnx_file *file, struct failure *why) {
    char *recipe = needed(file, "recipe", why);
    if (!recipe)
        return false;
    bool good = json_valid(recipe) && json_is_object(recipe);
    if (!good) {
        fail(why, "recipe is no JSON object");
    } else {
        const char *prestage = json_member(recipe, "prestage");
        char text[2];
        good = !prestage || *prestage == 'n' || (json_text(prestage, text, sizeof text) && !*text);
        for (size_t i = 0; i < facts->control_count; i++)
            good = good || !strcmp(facts->controls[i].name, "semitones");
        if (!good)
            fail(why, "made by an earlier deshift, whose vocoder was not in the file: export it again");
    }
    free(recipe);
    return good;
}

static bool read_times(struct facts *facts, const struct onnx_file *file, struct failure *why) {
    size_t latency;
    if (!read_count(file, "sample_rate", 1000, 768000, &facts->sample_rate, why) ||
        !read_count(file, "hop_samples", 1, LARGEST_HOP, &facts->hop_samples, why) ||
        !read_count(file, "lookahead_samples", 0, LARGEST_LOOKAHEAD, &facts->lookahead_samples, why) ||
        !read_count(file, "latency_samples", 0, (size_t)1 << 31, &latency, why))
        return false;
    return latency == facts->hop_samples + facts->lookahead_samples ||
           fail(why, "latency_samples must be hop_samples + lookahead_samples = %zu, not %zu",
                facts->hop_samples + facts->lookahead_samples, latency);
}

bool facts_read(struct facts *facts, const struct onnx_file *file, struct failure *why) {
    memset(facts, 0, sizeof *facts);
    return check_version(file, why) &&
           is_text(file, "kind", "stream", "an offline model cannot stream: use deshift process on files", why) &&
           read_times(facts, file, why) && read_controls(facts, file, why) && check_recipe(facts, file, why) &&
           is_text(file, "weights_sha256", file->weights_sha256,
                   "damaged: its weights do not match their hash (weights_sha256); export it again", why);
}
