/* deshift as an LV2 plugin. The same sources serve every model: all but the URI is read from model.onnx in the bundle
 * when an instance is made. DESHIFT_URI, "urn:deshift:…", is given by the compiler's command line. */
#define _GNU_SOURCE /* strdup under -std=c11 */
#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/urid/urid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mixer.h"
#include "priority.h"

/* Behind the audio inputs and outputs; the model's controls follow. export/lv2/ttl.py writes them in this order. */
enum { PORT_ENABLED, PORT_MIX, PORT_LATENCY, PORT_FREEWHEEL, PORT_MISSES, PORT_FAULTS, FIXED_PORTS };

enum {
    UNKNOWN_BLOCK = 2048, /* where the host says nothing: few blocks are larger, and 43 ms can be borne */
    LARGEST_BLOCK = 1 << 20,
    BOUNCE_BLOCK = 8192 /* Ardour announces these for the time of a bounce or a freeze, and sets no freewheel port */
};

/* What the host says of its blocks, and how: 0 where it says nothing. */
struct blocks {
    LV2_URID nominal_key, largest_key, integer_type;
    size_t nominal, largest;
};

struct plugin {
    struct model *model;
    struct worker *worker;
    struct mixer mixer;
    struct report report;
    struct blocks blocks;
    char *bundle;
    double host_rate;
    float *clean[MAX_CHANNELS]; /* the input of a piece, without what is not finite */
    const float *audio_in[MAX_CHANNELS];
    float *audio_out[MAX_CHANNELS];
    float *fixed[FIXED_PORTS];
    const float *controls[MAX_CONTROLS];
    bool bounces; /* blocks of BOUNCE_BLOCK were announced while it ran: nobody listens, so run() may wait */
    size_t until_look; /* samples until the worker is told again which thread this is */
};

/* The host's usual block, not its largest: Ardour promises 8192 whatever it runs at, and needs them in a bounce alone,
 * where run() waits. A block beyond this still works; in real time it may cost misses. */
static size_t block_samples(const struct blocks *blocks) {
    return blocks->nominal ? blocks->nominal : blocks->largest ? blocks->largest : UNKNOWN_BLOCK;
}

static const void *feature_data(const LV2_Feature *const *features, const char *uri) {
    for (; features && *features; features++)
        if (!strcmp((*features)->URI, uri))
            return (*features)->data;
    return NULL;
}

static bool take_option(struct blocks *blocks, const LV2_Options_Option *option) {
    if (option->context != LV2_OPTIONS_INSTANCE || !option->value || option->type != blocks->integer_type ||
        option->size != sizeof(int32_t) || (option->key != blocks->nominal_key && option->key != blocks->largest_key))
        return false;
    int32_t value = *(const int32_t *)option->value;
    if (value < 1 || value > LARGEST_BLOCK)
        return false;
    *(option->key == blocks->nominal_key ? &blocks->nominal : &blocks->largest) = (size_t)value;
    return true;
}

static void read_features(struct plugin *plugin, const LV2_Feature *const *features) {
    const LV2_URID_Map *map = feature_data(features, LV2_URID__map);
    const LV2_Options_Option *option = feature_data(features, LV2_OPTIONS__options);
    if (!map)
        return;
    plugin->report.log = (LV2_Log_Log *)feature_data(features, LV2_LOG__log);
    plugin->report.error_type = map->map(map->handle, LV2_LOG__Error);
    plugin->blocks.nominal_key = map->map(map->handle, LV2_BUF_SIZE__nominalBlockLength);
    plugin->blocks.largest_key = map->map(map->handle, LV2_BUF_SIZE__maxBlockLength);
    plugin->blocks.integer_type = map->map(map->handle, LV2_ATOM__Int);
    for (; option && (option->key || option->value); option++)
        take_option(&plugin->blocks, option);
}

static void close_worker(struct worker *worker) {
    if (worker)
        worker_close(worker);
    free(worker);
}

/* A worker and a mixer for the blocks as they are known now, in place of the old ones. */
static bool configure(struct plugin *plugin, struct failure *why) {
    struct mixer mixer = {0};
    struct worker *worker = calloc(1, sizeof *worker);
    float *clean[MAX_CHANNELS] = {NULL};
    bool good = worker || fail(why, "no memory");
    good = good && worker_open(worker, plugin->model, plugin->host_rate, block_samples(&plugin->blocks),
                               &plugin->report, why);
    good = good && mixer_open(&mixer, worker, plugin->host_rate, why);
    for (size_t channel = 0; good && channel < plugin->model->channels; channel++) {
        clean[channel] = calloc(worker->piece_samples, sizeof(float));
        good = clean[channel] || fail(why, "no memory");
    }
    /* What is not taken is closed: the new ones where they failed, else the old ones. */
    struct worker *unused_worker = good ? plugin->worker : worker;
    struct mixer unused_mixer = good ? plugin->mixer : mixer;
    for (size_t channel = 0; channel < MAX_CHANNELS; channel++) {
        free(good ? plugin->clean[channel] : clean[channel]);
        plugin->clean[channel] = good ? clean[channel] : plugin->clean[channel];
    }
    plugin->worker = good ? worker : plugin->worker;
    plugin->mixer = good ? mixer : plugin->mixer;
    close_worker(unused_worker);
    mixer_close(&unused_mixer);
    return good;
}

static void cleanup(LV2_Handle handle) {
    struct plugin *plugin = handle;
    close_worker(plugin->worker);
    mixer_close(&plugin->mixer);
    for (size_t channel = 0; channel < MAX_CHANNELS; channel++)
        free(plugin->clean[channel]);
    if (plugin->model)
        model_close(plugin->model);
    free(plugin->bundle);
    free(plugin);
}

static bool open_model(struct plugin *plugin, size_t channels, struct failure *why) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/model.onnx", plugin->bundle) >= (int)sizeof path)
        return fail(why, "the path is too long");
    plugin->model = model_open(path, channels, why);
    return plugin->model != NULL;
}

static const LV2_Descriptor mono, stereo;

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *bundle,
                              const LV2_Feature *const *features) {
    struct failure why = {""};
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin)
        return NULL;
    plugin->host_rate = rate;
    plugin->bundle = strdup(bundle);
    plugin->report.bundle = bundle;
    read_features(plugin, features);
    bool good = plugin->bundle || fail(&why, "no memory");
    good = good && ((rate >= 1000.0 && rate <= 768000.0) || fail(&why, "the host's rate of %g Hz cannot be", rate));
    if (!good || !open_model(plugin, descriptor == &stereo ? 2 : 1, &why) || !configure(plugin, &why)) {
        report_line(&plugin->report, why.text);
        cleanup(plugin);
        return NULL;
    }
    plugin->report.bundle = plugin->bundle;
    return plugin;
}

static void connect_port(LV2_Handle handle, uint32_t port, void *data) {
    struct plugin *plugin = handle;
    size_t channels = plugin->model->channels, index = port;
    if (index < channels) {
        plugin->audio_in[index] = data;
    } else if ((index -= channels) < channels) {
        plugin->audio_out[index] = data;
    } else if ((index -= channels) < FIXED_PORTS) {
        plugin->fixed[index] = data;
    } else if ((index -= FIXED_PORTS) < plugin->model->facts.control_count) {
        plugin->controls[index] = data;
    }
}

/* All memory of sound goes: what follows is what a fresh instance gives. */
static void forget(LV2_Handle handle) {
    struct plugin *plugin = handle;
    worker_reset(plugin->worker);
    mixer_reset(&plugin->mixer);
    plugin->until_look = 0;
}

static float within(const float *port, float minimum, float maximum, float initial) {
    if (!port || isnan(*port))
        return initial;
    return *port < minimum ? minimum : *port > maximum ? maximum : *port;
}

/* Which thread this is, about once a second: a host may move to another, or raise it later. The one system call here
 * besides the semaphore's; it reads a number and cannot wait. */
static void show_thread(struct plugin *plugin, size_t count) {
    if (plugin->until_look <= count) {
        atomic_store(&plugin->worker->audio_thread, priority_thread());
        plugin->until_look = (size_t)plugin->host_rate;
    } else {
        plugin->until_look -= count;
    }
}

static void run_piece(struct plugin *plugin, size_t from, size_t count, const float *controls) {
    size_t channels = plugin->model->channels;
    float *heard[MAX_CHANNELS] = {NULL};
    float wetness = within(plugin->fixed[PORT_MIX], 0.0f, 1.0f, 1.0f);
    if (within(plugin->fixed[PORT_ENABLED], 0.0f, 1.0f, 1.0f) <= 0.5f)
        wetness = 0.0f;
    /* All inputs are read before any output is written: a host may use one buffer for both. */
    for (size_t channel = 0; channel < channels; channel++) {
        const float *input = plugin->audio_in[channel] + from;
        for (size_t i = 0; i < count; i++)
            plugin->clean[channel][i] = isfinite(input[i]) ? input[i] : 0.0f;
        heard[channel] = plugin->audio_out[channel] + from;
    }
    bool waits = plugin->bounces || within(plugin->fixed[PORT_FREEWHEEL], 0.0f, 1.0f, 0.0f) > 0.5f;
    if (waits) /* for what real time left behind, so that the ring has room */
        worker_wait(plugin->worker);
    mixer_push(&plugin->mixer, plugin->clean, count);
    worker_push(plugin->worker, plugin->clean, controls, count);
    if (waits)
        worker_wait(plugin->worker);
    struct pulled pulled = worker_pull(plugin->worker, plugin->mixer.wet, count);
    mixer_pull(&plugin->mixer, heard, count, pulled, wetness);
}

static void write_output(const struct plugin *plugin, int port, size_t value) {
    if (plugin->fixed[port])
        *plugin->fixed[port] = (float)value;
}

static void run(LV2_Handle handle, uint32_t frames) {
    struct plugin *plugin = handle;
    const struct facts *facts = &plugin->model->facts;
    float controls[MAX_CONTROLS];
    bool connected = true;
    for (size_t channel = 0; channel < plugin->model->channels; channel++)
        connected = connected && plugin->audio_in[channel] && plugin->audio_out[channel];
    for (size_t i = 0; i < facts->control_count; i++)
        controls[i] = within(plugin->controls[i], facts->controls[i].minimum, facts->controls[i].maximum,
                             facts->controls[i].initial);
    show_thread(plugin, frames);
    for (size_t from = 0; connected && from < frames;) {
        size_t left = frames - from, most = plugin->worker->piece_samples;
        run_piece(plugin, from, left < most ? left : most, controls);
        from += left < most ? left : most;
    }
    write_output(plugin, PORT_LATENCY, plugin->worker->latency_samples);
    write_output(plugin, PORT_MISSES, plugin->mixer.misses);
    write_output(plugin, PORT_FAULTS, atomic_load(&plugin->worker->faults));
}

static uint32_t get_options(LV2_Handle handle, LV2_Options_Option *options) {
    (void)handle;
    (void)options;
    return LV2_OPTIONS_ERR_BAD_KEY; /* there is nothing to ask for */
}

/* The host's block changes. It calls this outside run(), and the latency port shows the new latency afterwards. */
static uint32_t set_options(LV2_Handle handle, const LV2_Options_Option *options) {
    struct plugin *plugin = handle;
    struct failure why;
    struct blocks known = plugin->blocks;
    uint32_t result = LV2_OPTIONS_SUCCESS;
    for (; options->key || options->value; options++)
        if (!take_option(&plugin->blocks, options))
            result |= LV2_OPTIONS_ERR_BAD_KEY;
    plugin->bounces = block_samples(&plugin->blocks) >= BOUNCE_BLOCK;
    if (plugin->bounces) /* the latency stays: Ardour makes up for the one that it knew before */
        plugin->blocks = known;
    if (block_samples(&plugin->blocks) != block_samples(&known) && !configure(plugin, &why)) {
        report_line(&plugin->report, why.text);
        result |= LV2_OPTIONS_ERR_UNKNOWN;
    }
    return result;
}

static const void *extension_data(const char *uri) {
    static const LV2_Options_Interface options = {get_options, set_options};
    return strcmp(uri, LV2_OPTIONS__interface) ? NULL : &options;
}

static const LV2_Descriptor mono = {DESHIFT_URI ":mono", instantiate, connect_port, forget, run, forget,
                                    cleanup,             extension_data};
static const LV2_Descriptor stereo = {DESHIFT_URI ":stereo", instantiate, connect_port, forget, run, forget,
                                      cleanup,               extension_data};

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    return index == 0 ? &mono : index == 1 ? &stereo : NULL;
}
