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

extern "C" int32_t sezoo_network(const int8_t *const in[], int8_t *out) {
  const int32_t sizes[] = SEZOO_NETWORK_INPUT_BYTES;
  tflite::MicroInterpreter *network = interpreter();
  if (network == nullptr) {
    return 1;
  }
  for (int i = 0; i < SEZOO_NETWORK_INPUTS; ++i) {
    std::memcpy(network->input(i)->data.int8, in[i], sizes[i]);
  }
  if (network->Invoke() != kTfLiteOk) {
    return 1;
  }
  std::memcpy(out, network->output(0)->data.int8, SEZOO_NETWORK_OUTPUT_BYTES);
  return 0;
}
