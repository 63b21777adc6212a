// Stands for TFLite Micro's header: operators are counted and kept by name; one too many is refused, as one twice.
#ifndef STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H
#define STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H

#include <set>
#include <string>

#include "tensorflow/lite/c/common.h"

namespace tflite {

class MicroOpResolver {
 public:
  std::set<std::string> names;
  bool is_broken = false;
};

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddAdd() { return Add("ADD"); }
  TfLiteStatus AddCast() { return Add("CAST"); }
  TfLiteStatus AddConcatenation() { return Add("CONCATENATION"); }
  TfLiteStatus AddConv2D() { return Add("CONV_2D"); }
  TfLiteStatus AddDepthwiseConv2D() { return Add("DEPTHWISE_CONV_2D"); }
  TfLiteStatus AddGather() { return Add("GATHER"); }
  TfLiteStatus AddMaximum() { return Add("MAXIMUM"); }
  TfLiteStatus AddMinimum() { return Add("MINIMUM"); }
  TfLiteStatus AddMul() { return Add("MUL"); }
  TfLiteStatus AddPad() { return Add("PAD"); }
  TfLiteStatus AddQuantize() { return Add("QUANTIZE"); }
  TfLiteStatus AddReshape() { return Add("RESHAPE"); }
  TfLiteStatus AddStridedSlice() { return Add("STRIDED_SLICE"); }
  TfLiteStatus AddSub() { return Add("SUB"); }

 private:
  TfLiteStatus Add(const char *name) {
    if (names.size() >= tOpCount || !names.insert(name).second) {
      is_broken = true;
      return kTfLiteError;
    }
    return kTfLiteOk;
  }
};

}  // namespace tflite

#endif
