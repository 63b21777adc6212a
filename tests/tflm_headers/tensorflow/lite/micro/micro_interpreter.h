// Stands for TFLite Micro's header. What it computes is asked of the test, which has the real interpreter; as there, inputs
// and outputs are in the arena, and an output may lie where an input was.
#ifndef STAND_IN_MICRO_INTERPRETER_H
#define STAND_IN_MICRO_INTERPRETER_H

#include <cstring>
#include <vector>

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
// Fills in the sizes of inputs and outputs, -1 behind each; 0 if the model can be run with these operators and this arena.
extern int (*stand_in_open)(const void *model, const char *operators, size_t arena, int32_t *sizes);
// One call: inputs and outputs one behind the other.
extern int (*stand_in_invoke)(const int8_t *inputs, int8_t *outputs);
}

namespace tflite {

class MicroResourceVariables;
class MicroProfilerInterface;

class MicroInterpreter {
 public:
  MicroInterpreter(const Model *model, const MicroOpResolver &op_resolver, uint8_t *tensor_arena,
                   size_t tensor_arena_size, MicroResourceVariables * = nullptr, MicroProfilerInterface * = nullptr,
                   bool = false)
      : model_(model), resolver_(op_resolver), arena_(tensor_arena), size_(tensor_arena_size) {}

  TfLiteStatus AllocateTensors() {
    std::string operators;
    for (const std::string &name : resolver_.names) operators += name + " ";
    int32_t sizes[256];
    if (resolver_.is_broken || reinterpret_cast<uintptr_t>(arena_) % 16 != 0 ||
        stand_in_open(model_, operators.c_str(), size_, sizes) != 0) {
      return kTfLiteError;
    }
    const int32_t *size = Placed(sizes, &inputs_);
    Placed(size, &outputs_);
    return kTfLiteOk;
  }

  TfLiteStatus Invoke() {
    std::vector<int8_t> in, out(Bytes(outputs_));
    for (const TfLiteTensor &each : inputs_) in.insert(in.end(), each.data.int8, each.data.int8 + each.bytes);
    if (stand_in_invoke(in.data(), out.data()) != 0) return kTfLiteError;
    const int8_t *from = out.data();
    for (TfLiteTensor &each : outputs_) {
      std::memcpy(each.data.int8, from, each.bytes);
      from += each.bytes;
    }
    return kTfLiteOk;
  }

  TfLiteTensor *input(size_t index) { return index < inputs_.size() ? &inputs_[index] : nullptr; }
  TfLiteTensor *output(size_t index) { return index < outputs_.size() ? &outputs_[index] : nullptr; }
  size_t inputs_size() const { return inputs_.size(); }
  size_t outputs_size() const { return outputs_.size(); }
  size_t arena_used_bytes() const { return size_; }

 private:
  // Both begin where the arena does.
  const int32_t *Placed(const int32_t *size, std::vector<TfLiteTensor> *tensors) {
    uint8_t *place = arena_;
    for (; *size >= 0; ++size) {
      TfLiteTensor tensor;
      tensor.data.uint8 = place;
      tensor.bytes = static_cast<size_t>(*size);
      tensors->push_back(tensor);
      place += (tensor.bytes + 15) / 16 * 16;
    }
    return size + 1;
  }

  static size_t Bytes(const std::vector<TfLiteTensor> &tensors) {
    size_t bytes = 0;
    for (const TfLiteTensor &each : tensors) bytes += each.bytes;
    return bytes;
  }

  const Model *model_;
  const MicroOpResolver &resolver_;
  uint8_t *arena_;
  size_t size_;
  std::vector<TfLiteTensor> inputs_, outputs_;
};

}  // namespace tflite

#endif
