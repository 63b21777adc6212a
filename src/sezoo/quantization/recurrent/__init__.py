"""LSTM and GRU layers in integers.

onnxruntime has no int8 LSTM and no int8 GRU, and no other runtime reads one from an ONNX file. So a layer is written
out in operators that every runtime has, in two parts:

1. The products with the layer's input do not depend on earlier frames. They become two 1x1 convolutions over all
   frames, one for the gates that end in a sigmoid and one for those that end in a tanh. From there on they are
   convolutions like any other: calibration, all steps of accuracy recovery and the layer report know them.
2. What depends on the frame before becomes a `Scan`, whose body is one frame: the products with the hidden state, the
   gates, and the new states. A static model of one frame has the body itself in place of the Scan (`one_frame`).

While ranges are found and steps are tried, the body is in float, and gives what it makes inside (products with the
state, the cell) as further outputs, so that calibration sees them (`expansion`). In the int8 model the body has a
QuantizeLinear - DequantizeLinear pair behind each of them (`writing`):

| tensor | integers |
|---|---|
| weights | int8, a scale for each row, symmetric |
| the layer's input | int8, or int16 by the step int16_input |
| products with the input, products with the state | int16, the calibrated range and as much again |
| hidden state | int8, the calibrated range; int16 by the step int16_states |
| cell state | int16, the calibrated range and as much again |
| input of a sigmoid, of a tanh | int16, -16 to 16 and -8 to 8, beyond which nothing changes |
| gates and candidates | int16, -1 to 1 |

Sums are in 32 bits. The hidden state is rounded once, by the quantizer of the layer's output: what is handed to the
next frame and what the next layer reads are the same integers. Between those quantizers the body computes in float32,
one addition or multiplication after the other, which `sezoo.deployment.engine` does in the same order.
"""
