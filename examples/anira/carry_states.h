// Runs a deshift plugin file in anira 2.2.1 or later: carries the model's states from one hop to the next.
//
// Tensor 0 is the audio. Every further output tensor is the next value of the input tensor with the same number; input
// tensors beyond the outputs are controls. The file that `deshift export … --anira` writes keeps this order.
//
// States are moved in before_inference and after_inference, which run on anira's inference thread, in order and one at
// a time where "session_exclusive_processor" is true, as that file has it. In pre_process it would be too early: with
// two hops waiting, the second would be given states from before the first.
#pragma once

#include <anira/anira.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace deshift {

class CarryStates : public anira::PrePostProcessor {
public:
    // Throws std::invalid_argument where more goes out than comes in, or a state changes its size.
    explicit CarryStates(anira::InferenceConfig& config) : anira::PrePostProcessor(config) {
        const std::vector<size_t> sizes_in = config.get_tensor_input_size();
        const std::vector<size_t> sizes_out = config.get_tensor_output_size();
        if (sizes_out.empty() || sizes_out.size() > sizes_in.size() ||
            !std::equal(sizes_out.begin(), sizes_out.end(), sizes_in.begin())) {
            throw std::invalid_argument("deshift: inputs and outputs do not pair up: write the file with --anira");
        }
        m_hop = config.get_preprocess_input_size().at(0);
        m_first_control = sizes_out.size();
        for (size_t tensor = 1; tensor < m_first_control; tensor++) {
            m_states.emplace_back(sizes_out[tensor], 0.0F);  // a stream starts from zeros
        }
        for (size_t tensor = m_first_control; tensor < sizes_in.size(); tensor++) {
            m_control_sizes.push_back(sizes_in[tensor]);
        }
    }

    // Call after InferenceHandler::prepare() and ::reset(), from any thread: the next hop starts from silence.
    void forget() { m_forget.store(true, std::memory_order_release); }

    void pre_process(std::vector<anira::RingBuffer>& input, std::vector<anira::BufferF>& output,
                     anira::InferenceBackend) override {
        pop_samples_from_buffer(input[0], output[0], m_hop);
        for (size_t control = 0; control < m_control_sizes.size(); control++) {
            const size_t tensor = m_first_control + control;
            for (size_t element = 0; element < m_control_sizes[control]; element++) {
                output[tensor].set_sample(0, element, get_input(tensor, element));
            }
        }
    }

    void post_process(std::vector<anira::BufferF>& input, std::vector<anira::RingBuffer>& output,
                      anira::InferenceBackend) override {
        push_samples_to_buffer(input[0], output[0], m_hop);
    }

    void before_inference(std::vector<anira::BufferF>& input, anira::InferenceBackend) override {
        if (m_forget.exchange(false, std::memory_order_acq_rel)) {
            for (std::vector<float>& state : m_states) { std::fill(state.begin(), state.end(), 0.0F); }
        }
        for (size_t state = 0; state < m_states.size(); state++) {
            std::copy(m_states[state].begin(), m_states[state].end(), input[state + 1].data());
        }
    }

    void after_inference(std::vector<anira::BufferF>& output, anira::InferenceBackend) override {
        for (size_t state = 0; state < m_states.size(); state++) {
            const float* made = output[state + 1].data();
            std::copy(made, made + m_states[state].size(), m_states[state].begin());
        }
    }

private:
    size_t m_hop = 0;
    size_t m_first_control = 0;
    std::vector<size_t> m_control_sizes;
    std::vector<std::vector<float>> m_states;  // touched on the inference thread alone
    std::atomic<bool> m_forget{false};
};

}  // namespace deshift
