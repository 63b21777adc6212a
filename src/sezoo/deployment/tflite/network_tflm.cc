// The network of this package by TFLite Micro: compile it with your TFLM, and with denoiser_tflite.c.
#include <cstring>

#include "denoiser_tflite.h"
#include "sezoo_network.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef NETWORK_ARENA_BYTES
#define NETWORK_ARENA_BYTES @ARENA@  // enough on a computer; CMSIS-NN may want more
#endif

namespace {

alignas(16) uint8_t arena[NETWORK_ARENA_BYTES];

tflite::MicroInterpreter *interpreter() {
  static tflite::MicroMutableOpResolver<@COUNT@> resolver;
  static tflite::MicroInterpreter *ready = nullptr;
  if (ready == nullptr) {
@ADDS@
    static tflite::MicroInterpreter only(tflite::GetModel(denoiser_tflite), resolver, arena, sizeof arena);
    if (only.AllocateTensors() == kTfLiteOk) {
      ready = &only;
    }
  }
  return ready;
}

}  // namespace

extern "C" int32_t sezoo_network(const int8_t *const in[], int8_t *const out[]) {
  const size_t input_bytes[] = SEZOO_NETWORK_INPUT_BYTES, output_bytes[] = SEZOO_NETWORK_OUTPUT_BYTES;
  tflite::MicroInterpreter *network = interpreter();
  if (network == nullptr) {
    return 1;
  }
  for (size_t i = 0; i < SEZOO_NETWORK_INPUTS; ++i) {
    TfLiteTensor *input = network->input(i);
    if (input == nullptr || input->bytes != input_bytes[i]) {
      return 1;  // another model's array
    }
    std::memcpy(input->data.int8, in[i], input_bytes[i]);
  }
  if (network->Invoke() != kTfLiteOk) {
    return 1;
  }
  for (size_t i = 0; i < SEZOO_NETWORK_OUTPUTS; ++i) {
    const TfLiteTensor *output = network->output(i);
    if (output == nullptr || output->bytes != output_bytes[i]) {
      return 1;
    }
    std::memcpy(out[i], output->data.int8, output_bytes[i]);
  }
  return 0;
}
