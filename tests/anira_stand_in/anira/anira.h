// The declarations of anira 2.2.1 that examples/anira/carry_states.h uses, with the least that makes them run: anira
// itself is not to be had where the tests run. Signatures as in its include/anira/PrePostProcessor.h, InferenceConfig.h,
// utils/Buffer.h and utils/RingBuffer.h.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace anira {

enum InferenceBackend { ONNX, CUSTOM };

class BufferF {
public:
    BufferF(size_t channels, size_t size) : m_size(size), m_data(channels * size) {}
    float* data() { return m_data.data(); }
    float get_sample(size_t channel, size_t index) const { return m_data[channel * m_size + index]; }
    void set_sample(size_t channel, size_t index, float value) { m_data[channel * m_size + index] = value; }

private:
    size_t m_size;
    std::vector<float> m_data;
};

class RingBuffer {
public:
    void push_sample(size_t, float sample) { m_samples.push_back(sample); }
    float pop_sample(size_t) {
        const float first = m_samples.front();
        m_samples.pop_front();
        return first;
    }

private:
    std::deque<float> m_samples;
};

class InferenceConfig {
public:
    InferenceConfig(std::vector<size_t> in, std::vector<size_t> out, std::vector<size_t> streamed)
        : m_in(std::move(in)), m_out(std::move(out)), m_streamed(std::move(streamed)) {}
    std::vector<size_t> get_tensor_input_size() const { return m_in; }
    std::vector<size_t> get_tensor_output_size() const { return m_out; }
    std::vector<size_t> get_preprocess_input_size() const { return m_streamed; }

private:
    std::vector<size_t> m_in, m_out, m_streamed;
};

class PrePostProcessor {
public:
    PrePostProcessor() = delete;
    explicit PrePostProcessor(InferenceConfig& config) : m_inference_config(config) {
        for (size_t size : config.get_tensor_input_size()) { m_inputs.emplace_back(size, 0.0F); }
    }
    virtual ~PrePostProcessor() = default;
    virtual void pre_process(std::vector<RingBuffer>&, std::vector<BufferF>&, InferenceBackend) {}
    virtual void post_process(std::vector<BufferF>&, std::vector<RingBuffer>&, InferenceBackend) {}
    virtual void before_inference(std::vector<BufferF>&, InferenceBackend) {}
    virtual void after_inference(std::vector<BufferF>&, InferenceBackend) {}
    void set_input(const float& value, size_t tensor, size_t element) { m_inputs[tensor][element] = value; }
    float get_input(size_t tensor, size_t element) { return m_inputs[tensor][element]; }
    void pop_samples_from_buffer(RingBuffer& input, BufferF& output, size_t count) {
        for (size_t n = 0; n < count; n++) { output.set_sample(0, n, input.pop_sample(0)); }
    }
    void push_samples_to_buffer(const BufferF& input, RingBuffer& output, size_t count) {
        for (size_t n = 0; n < count; n++) { output.push_sample(0, input.get_sample(0, n)); }
    }

protected:
    InferenceConfig& m_inference_config;

private:
    std::vector<std::vector<float>> m_inputs;
};

}  // namespace anira
