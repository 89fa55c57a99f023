/* Stream a WAV file through a deshift plugin file, hop by hop, as a real-time host would, and write what comes out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "wav.h"

static const char USAGE[] = "usage: c_host MODEL.onnx IN.wav OUT.wav [--control NAME=VALUE]...";

static bool set_control(Model *model, const char *text, Error *error) {
    char name[LONGEST_CONTROL_NAME + 1] = "", *end = NULL;
    const char *equals = strchr(text, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - text);
    if (length == 0 || length > LONGEST_CONTROL_NAME)
        return fail(error, "--control %s: it is NAME=VALUE, such as level=-6", text);
    memcpy(name, text, length);
    double value = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0')
        return fail(error, "--control %s: '%s' is no number", text, equals + 1);
    return model_set_control(model, name, value, error);
}

static bool set_controls(Model *model, int count, char **arguments, Error *error) {
    for (int index = 0; index < count; index += 2) {
        if (strcmp(arguments[index], "--control") != 0 || index + 1 == count)
            return fail(error, "%s", USAGE);
        if (!set_control(model, arguments[index + 1], error))
            return false;
    }
    return true;
}

/* The next hop: what is left of the file, one channel behind the other, and silence after its end. */
static bool fill_hop(Model *model, WavReader *input, uint64_t done, float *frames, Error *error) {
    size_t hop = (size_t)model_facts(model)->hop_samples;
    size_t count = input->frames - done < hop ? (size_t)(input->frames - done) : hop;
    if (!wav_read(input, frames, count, error))
        return false;
    memset(frames + count * input->channels, 0, (hop - count) * input->channels * sizeof *frames);
    for (unsigned channel = 0; channel < input->channels; channel++) {
        float *row = model_input(model, channel);
        for (size_t index = 0; index < hop; index++)
            row[index] = frames[index * input->channels + channel];
    }
    return true;
}

static void empty_hop(const Model *model, unsigned channels, float *frames) {
    size_t hop = (size_t)model_facts(model)->hop_samples;
    for (unsigned channel = 0; channel < channels; channel++) {
        const float *row = model_output(model, channel);
        for (size_t index = 0; index < hop; index++)
            frames[index * channels + channel] = row[index];
    }
}

/* Sample n of the result belongs to sample n - lookahead of the input: drop as many, and run on until all are there.
 * The rest of the latency, one hop, is the time it takes to collect a hop, which a file needs not. */
static bool stream(Model *model, WavReader *input, WavWriter *output, float *frames, Error *error) {
    uint64_t hop = (uint64_t)model_facts(model)->hop_samples, early = (uint64_t)model_facts(model)->lookahead_samples;
    uint64_t read = 0, written = 0;
    while (written < input->frames) {
        if (!fill_hop(model, input, read, frames, error) || !model_run(model, error))
            return false;
        read = input->frames - read < hop ? input->frames : read + hop;
        empty_hop(model, input->channels, frames);
        uint64_t dropped = early < hop ? early : hop, left = input->frames - written;
        uint64_t count = hop - dropped < left ? hop - dropped : left;
        early -= dropped;
        if (!wav_write(output, frames + dropped * input->channels, (size_t)count * input->channels, error))
            return false;
        written += count;
    }
    return true;
}

static bool render(Model *model, WavReader *input, const char *path, Error *error) {
    WavWriter output;
    const Facts *facts = model_facts(model);
    if (input->sample_rate != (uint64_t)facts->sample_rate)
        return fail(error, "the input has %u Hz and the model %lld: convert it first", (unsigned)input->sample_rate,
                    (long long)facts->sample_rate);
    float *frames = calloc((size_t)facts->hop_samples * input->channels, sizeof *frames);
    if (frames == NULL)
        return fail(error, "out of memory");
    bool is_good = wav_create(&output, path, input, error);
    if (is_good) {
        is_good = stream(model, input, &output, frames, error);
        if (is_good)
            is_good = wav_finish(&output, error);
        else
            wav_drop(&output);
    }
    free(frames);
    if (is_good)
        printf("%s: %llu samples at %u Hz, %u channels; a live host would be %lld samples late\n", path,
               (unsigned long long)input->frames, (unsigned)input->sample_rate, input->channels,
               (long long)facts->latency_samples);
    if (is_good && model_muted(model) > 0)
        fprintf(stderr, "c_host: warning: %zu hops of a channel were not finite and are silent\n", model_muted(model));
    return is_good;
}

int main(int count, char **arguments) {
    Error error = {""};
    WavReader input;
    if (count < 4) {
        fprintf(stderr, "c_host: %s\n", USAGE);
        return 2;
    }
    bool is_good = wav_open(&input, arguments[2], &error);
    if (is_good) {
        Model *model = model_open(arguments[1], input.channels, &error);
        is_good = model != NULL && set_controls(model, count - 4, arguments + 4, &error) &&
                  render(model, &input, arguments[3], &error);
        model_close(model);
        wav_close(&input);
    }
    if (!is_good)
        fprintf(stderr, "c_host: %s\n", error.line);
    return is_good ? 0 : 1;
}
