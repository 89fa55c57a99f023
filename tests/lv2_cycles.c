/* Make, run and free an instance of an LV2 plugin over and over: lv2_cycles BUNDLE/ PLUGIN_INDEX CYCLES RATE.
 * Prints the resident memory in KiB after a tenth of the cycles and after all.
 * Ports: audio first, as deshift has them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lv2/core/lv2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 8192, PORTS = 10 };

static long resident_kib(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return -1;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = -1;
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int cycle(const LV2_Descriptor *plugin, const char *bundle, double rate, uint32_t channels) {
    static const uint32_t sizes[] = {0, 1, 65, 511, 513, FRAMES};
    static const LV2_Feature *const no_features[] = {NULL};
    static float audio[4][FRAMES];
    float ports[PORTS] = {1.0f, 1.0f};
    LV2_Handle instance = plugin->instantiate(plugin, rate, bundle, no_features);
    if (!instance)
        return 1;
    for (uint32_t port = 0; port < 2 * channels; port++)
        plugin->connect_port(instance, port, audio[port]);
    for (uint32_t port = 0; port < PORTS; port++)
        plugin->connect_port(instance, 2 * channels + port, &ports[port]);
    plugin->activate(instance);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        plugin->run(instance, sizes[i]);
    plugin->deactivate(instance);
    plugin->cleanup(instance);
    return 0;
}

int main(int count, char **words) {
    char path[4096];
    if (count != 5)
        return 2;
    uint32_t index = (uint32_t)strtoul(words[2], NULL, 10);
    long cycles = strtol(words[3], NULL, 10);
    snprintf(path, sizeof path, "%s/deshift.so", words[1]);
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    LV2_Descriptor_Function find;
    *(void **)&find = dlsym(library, "lv2_descriptor");
    for (long i = 1; i <= cycles; i++) {
        if (cycle(find(index), words[1], strtod(words[4], NULL), index + 1))
            return 1;
        if (i == cycles / 10 || i == cycles)
            printf("%ld\n", resident_kib());
    }
    return dlclose(library) ? 2 : 0;
}
