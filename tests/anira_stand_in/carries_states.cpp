// A running sum, times a control, as a model: both hops wait before the first one runs, as anira lets them.
#include <carry_states.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr size_t hop = 3;

struct Hop {
    std::vector<anira::BufferF> in{{1, hop}, {1, 1}, {1, 1}};
    std::vector<anira::BufferF> out{{1, hop}, {1, 1}};
};

void run(deshift::CarryStates& states, Hop& work) {
    states.before_inference(work.in, anira::ONNX);
    float sum = work.in[1].data()[0];
    for (size_t n = 0; n < hop; n++) {
        sum += work.in[0].data()[n];
        work.out[0].data()[n] = sum * work.in[2].data()[0];
    }
    work.out[1].data()[0] = sum;
    states.after_inference(work.out, anira::ONNX);
}

}  // namespace

int main(int count, char** words) {
    anira::InferenceConfig config({hop, 1, 1}, {hop, 1}, {hop, 0, 0});
    deshift::CarryStates states(config);
    states.set_input(10.0F, 2, 0);
    std::vector<anira::RingBuffer> source(3), sink(2);
    for (size_t n = 0; n < 2 * hop; n++) { source[0].push_sample(0, 1.0F); }
    Hop first, second;
    states.pre_process(source, first.in, anira::ONNX);
    states.pre_process(source, second.in, anira::ONNX);
    run(states, first);
    if (count > 1 && std::strcmp(words[1], "forget") == 0) { states.forget(); }
    run(states, second);
    states.post_process(first.out, sink, anira::ONNX);
    states.post_process(second.out, sink, anira::ONNX);
    for (size_t n = 0; n < 2 * hop; n++) { std::printf("%g ", sink[0].pop_sample(0)); }
    try {
        anira::InferenceConfig wrong({hop, 1}, {hop, 2}, {hop, 0});
        deshift::CarryStates refused(wrong);
    } catch (const std::invalid_argument& error) { std::printf("%s\n", error.what()); }
    return 0;
}
