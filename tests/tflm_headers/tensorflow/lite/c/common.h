// Stands for TFLite Micro's header: the part of its public interface that a program sees.
#ifndef STAND_IN_COMMON_H
#define STAND_IN_COMMON_H

#include <cstddef>
#include <cstdint>

typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

typedef union TfLitePtrUnion {
  int32_t *i32;
  float *f;
  uint8_t *uint8;
  int8_t *int8;
  void *data;
} TfLitePtrUnion;

typedef struct TfLiteTensor {
  TfLitePtrUnion data;
  size_t bytes;
} TfLiteTensor;

#endif
