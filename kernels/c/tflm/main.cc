// @NAME@ in TensorFlow Lite Micro: a recipe to copy from. @MARK@.
@LOSES@#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "@NAME@_model.h"
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

// @BASIS@
#define @UPPER@_ARENA_BYTES @ARENA@

namespace {

using Input = @INPUT@;
using Output = @OUTPUT@;
using Resolver = tflite::MicroMutableOpResolver<@OPERATORS@>;
constexpr int kStates = @STATES@;     // inputs and outputs behind x and y
constexpr int kVariables = @VARIABLES@;  // states that the interpreter keeps in resource variables

alignas(16) uint8_t arena[@UPPER@_ARENA_BYTES];

// The operators of this file, those of every subgraph.
TfLiteStatus AddOperators(Resolver& resolver) {
@ADDS@  return kTfLiteOk;
}

// Real values to the integers that the file takes, with its own scale and zero point.
template <typename T>
void Quantize(const float* values, TfLiteTensor* tensor) {
  T* q = reinterpret_cast<T*>(tensor->data.raw);
  for (size_t k = 0; k < tensor->bytes / sizeof(T); k++) {
    if constexpr (std::numeric_limits<T>::is_integer) {
      const float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
      const float v = std::nearbyint(values[k] / tensor->params.scale) + tensor->params.zero_point;
      q[k] = static_cast<T>(std::fmin(std::fmax(v, low), high));
    } else {
      q[k] = values[k];
    }
  }
}

template <typename T>
void Dequantize(const TfLiteTensor* tensor, float* values) {
  const T* q = reinterpret_cast<const T*>(tensor->data.raw);
  for (size_t k = 0; k < tensor->bytes / sizeof(T); k++) {
    if constexpr (std::numeric_limits<T>::is_integer) {
      values[k] = tensor->params.scale * static_cast<float>(q[k] - tensor->params.zero_point);
    } else {
      values[k] = q[k];
    }
  }
}

}  // namespace

// @RESET@.
TfLiteStatus Reset(tflite::MicroInterpreter& interpreter) {
  for (int k = 1; k <= kStates; k++) {
    TfLiteTensor* state = interpreter.input(k);
    std::memset(state->data.raw, 0, state->bytes);
  }
  return kStates == 0 ? interpreter.Reset() : kTfLiteOk;
}

// One call. x: what the input holds, y: what the output holds, real values.
TfLiteStatus Run(tflite::MicroInterpreter& interpreter, const float* x, float* y) {
  Quantize<Input>(x, interpreter.input(0));
  TF_LITE_ENSURE_STATUS(interpreter.Invoke());
  Dequantize<Output>(interpreter.output(0), y);
  for (int k = 1; k <= kStates; k++) {  // the new states are the next call's
    const TfLiteTensor* state = interpreter.output(k);
    std::memcpy(interpreter.input(k)->data.raw, state->data.raw, state->bytes);
  }
  return kTfLiteOk;
}

int main() {
  tflite::InitializeTarget();
  Resolver resolver;
  TF_LITE_ENSURE_STATUS(AddOperators(resolver));
  const tflite::Model* model = tflite::GetModel(@NAME@_model);
  tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(arena, sizeof(arena));
  tflite::MicroResourceVariables* variables =
      kVariables == 0 ? nullptr : tflite::MicroResourceVariables::Create(allocator, kVariables);
  tflite::MicroInterpreter interpreter(model, resolver, allocator, variables);
  TF_LITE_ENSURE_STATUS(interpreter.AllocateTensors());
  TF_LITE_ENSURE_STATUS(Reset(interpreter));
  static float x[@INPUTS@], y[@OUTPUTS@];
  for (;;) {
    // read_sensor(x);
    TF_LITE_ENSURE_STATUS(Run(interpreter, x, y));
    // use(y);
  }
}
