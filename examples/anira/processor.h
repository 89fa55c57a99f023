// One deshift model in a JUCE AudioProcessor, or any other plugin: the steps of docs/neutone-anira.md in order.
#pragma once

#include <anira/anira.h>
#include <anira/utils/JsonConfigLoader.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "carry_states.h"

namespace deshift {

// The configuration as anira reads it. The model's path in it is relative to the JSON file; a plugin's working folder
// is the host's, so the path is made absolute first. Throws std::runtime_error where the file is missing or not right.
inline std::unique_ptr<anira::InferenceConfig> read_config(const std::filesystem::path& json_file) {
    std::ifstream file(json_file);
    if (!file.is_open()) { throw std::runtime_error("deshift: there is no " + json_file.string()); }
    nlohmann::json document = nlohmann::json::parse(file);
    for (nlohmann::json& model : document.at("inference_config").at("model_data")) {
        const std::filesystem::path named(model.at("model_path").get<std::string>());
        model["model_path"] = (json_file.parent_path() / named).lexically_normal().string();
    }
    std::stringstream text(document.dump());
    std::unique_ptr<anira::InferenceConfig> config = anira::JsonConfigLoader(text).get_inference_config();
    if (config == nullptr) { throw std::runtime_error("deshift: anira refused " + json_file.string()); }
    return config;
}

class Processor {
public:
    explicit Processor(const std::filesystem::path& json_file)
        : m_config(read_config(json_file)), m_states(*m_config), m_handler(m_states, *m_config) {
        m_handler.set_inference_backend(anira::InferenceBackend::ONNX);
    }

    // In prepareToPlay. `sample_rate` must be the model's: resample around this class where the host's differs.
    // Returns the latency in samples for setLatencySamples.
    unsigned int prepare(int block, double sample_rate) {
        m_handler.prepare({static_cast<float>(block), static_cast<float>(sample_rate)});
        m_states.forget();
        return m_handler.get_latency();
    }

    // In processBlock. One channel, as the configuration has it: one Processor a channel, each with its own states.
    void process(float* samples, size_t count) {
        float* channels[] = {samples};
        m_handler.process(channels, count);
    }

    // In JUCE's reset(): the transport jumped.
    void reset() {
        m_handler.reset();
        m_states.forget();
    }

private:
    std::unique_ptr<anira::InferenceConfig> m_config;
    CarryStates m_states;
    anira::InferenceHandler m_handler;
};

}  // namespace deshift
